"""Jobs that have ended, found by their ids."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from transcriber.events import Options
from transcriber.job import Record
from transcriber.job_archive import JobArchive
from transcriber.recorder import prefix
from transcriber.session_ids import made_at, new_session_id
from transcriber.storage.disk import DiskStore
from transcriber.storage.store import NotFound


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[DiskStore]:
    made = DiskStore(tmp_path)
    yield made
    await made.close()


def record_of(job_id: str) -> Record:
    return Record(job_id, made_at(job_id) or "", Options())


async def test_an_id_leads_to_all_that_is_kept(store: DiskStore) -> None:
    archive, job_id = JobArchive(store), str(new_session_id())
    record = record_of(job_id)
    assert await archive.record(job_id) is None
    await archive.put(record)
    place = prefix(job_id, record.created_at)
    await store.put(place + "transcript.txt", b"text")
    assert await archive.record(job_id) == record
    assert await archive.file(job_id, "transcript.txt") == b"text"
    await archive.delete(job_id)
    assert await archive.record(job_id) is None
    assert [item.key async for item in store.list()] == []


@pytest.mark.parametrize("job_id", ["..", "../../x", "no id"])
async def test_what_is_no_id_leads_nowhere(store: DiskStore, job_id: str) -> None:
    archive = JobArchive(store)
    assert await archive.record(job_id) is None
    with pytest.raises(NotFound):
        await archive.file(job_id, "transcript.txt")
    await archive.delete(job_id)


async def test_records_are_listed_by_day_newest_first(store: DiskStore) -> None:
    archive = JobArchive(store)
    ids = [f"0190a8a0-{number:04x}-7000-8000-000000000000" for number in range(40)]
    for job_id in ids:
        await archive.put(record_of(job_id))
    today = str(new_session_id())
    await archive.put(record_of(today))
    await store.put("2024/07/12/20240712T000000Z-a session/transcript.json", b"{}")
    await store.put("2024/07/12/20240712T000000Z-damaged/job.json", b"{}")
    day, now = date(2024, 7, 12), datetime.now(UTC).date()
    assert [record.id async for record in archive.records(day, day)] == ids[::-1]
    assert [record.id async for record in archive.records(now, now)] == [today]
    assert [record.id async for record in archive.records(day, day.replace(day=13))] == ids[::-1]
