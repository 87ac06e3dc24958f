"""Sessions and usage by owner and day."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from transcriber.catalogue import Catalogue, Entry, Kept, Usage, day_of
from transcriber.recorder import prefix
from transcriber.session_ids import made_at
from transcriber.storage.disk import DiskStore
from transcriber.storage.store import NotFound

DAY = date(2026, 11, 20)


def session_id(day: date, number: int = 0) -> str:
    """An id that was made at noon, and then some milliseconds."""
    moment = int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp() * 1000) + number
    return str(UUID(int=moment << 80 | 0x7 << 76 | 0x2 << 62 | 1))


def entry(day: date = DAY, number: int = 0, **changed: object) -> Entry:
    made = session_id(day, number)
    began = made_at(made) or ""
    return replace(
        Entry(made, began, began, 10.0, 5.0, 6.0, 2, "openai", "gpt-transcribe", "audio+text", 0.00045),
        **changed,  # type: ignore[arg-type]
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[DiskStore]:
    made = DiskStore(tmp_path)
    yield made
    await made.close()


@pytest.fixture
def catalogue(store: DiskStore) -> Catalogue:
    return Catalogue(store)


async def test_a_session_is_found_by_its_owner_alone(catalogue: Catalogue) -> None:
    await catalogue.add("alice", entry())
    await catalogue.add("", entry(number=1))
    assert await catalogue.find("alice", entry().session_id) == entry()
    assert await catalogue.find("", session_id(DAY, 1)) == entry(number=1)
    for owner in ("bob", "", "alice.x", "ali"):
        assert await catalogue.find(owner, entry().session_id) is None
        assert (await catalogue.day(owner, DAY, limit=10))[0] == ([entry(number=1)] if owner == "" else [])


@pytest.mark.parametrize("name", ["", "..", "../bob/x", "no id", "0199E3A0-0000-7000-8000-000000000000"])
async def test_what_is_no_id_is_not_looked_for(catalogue: Catalogue, name: str) -> None:
    assert await catalogue.find("alice", name) is None


async def test_a_day_is_given_in_pages(catalogue: Catalogue) -> None:
    made = [entry(number=number) for number in range(5)]
    for one in reversed(made):
        await catalogue.add("alice", one)
    await catalogue.add("alice", entry(DAY + timedelta(days=1)))
    first, more = await catalogue.day("alice", DAY, limit=2)
    assert (first, more) == (made[:2], made[1].session_id)
    second, more = await catalogue.day("alice", DAY, after=more or "", limit=2)
    assert (second, more) == (made[2:4], made[3].session_id)
    assert await catalogue.day("alice", DAY, after=more or "", limit=2) == (made[4:], None)
    assert await catalogue.day("alice", DAY, limit=5) == (made, None)


async def test_noting_twice_is_noting_once(catalogue: Catalogue) -> None:
    for seconds in (10.0, 12.0):
        await catalogue.add("alice", entry(duration_seconds=seconds))
    assert (await catalogue.day("alice", DAY, limit=9))[0] == [entry(duration_seconds=12.0)]
    assert await catalogue.usage("alice", DAY) == Usage(1, 12.0, 6.0, 0.00045)


async def test_what_is_forgotten_still_counts(catalogue: Catalogue) -> None:
    await catalogue.add("alice", entry())
    await catalogue.forget("alice", entry().session_id)
    assert await catalogue.find("alice", entry().session_id) is None
    assert (await catalogue.usage("alice", DAY)).sessions == 1


async def test_a_job_counts_and_is_listed_elsewhere(catalogue: Catalogue) -> None:
    await catalogue.add("alice", entry(job=True))
    assert await catalogue.day("alice", DAY, limit=9) == ([], None)
    assert (await catalogue.usage("alice", DAY)).sessions == 1


async def test_usage_adds_up_and_says_what_has_no_price(catalogue: Catalogue) -> None:
    for number in range(40):
        await catalogue.add("alice", entry(number=number, dollars=None if number == 7 else 0.001))
    assert await catalogue.usage("alice", DAY) == Usage(40, 400.0, 240.0, 0.039, 6.0)
    assert await catalogue.usage("bob", DAY) == Usage()


async def test_of_a_day_that_is_over_the_sum_is_kept(catalogue: Catalogue, store: DiskStore) -> None:
    await catalogue.add("alice", entry())
    before = await catalogue.usage("alice", DAY)
    assert await store.get(f"usage/alice/{DAY}.json")
    await store.delete([f"usage/alice/{DAY}/{entry().session_id}.json"])
    assert await catalogue.usage("alice", DAY) == before
    today = datetime.now(UTC).date()
    await catalogue.add("alice", entry(today))
    await catalogue.usage("alice", today)
    with pytest.raises(NotFound):
        await store.get(f"usage/alice/{today}.json")


async def test_a_session_that_is_noted_days_later_still_counts(catalogue: Catalogue) -> None:
    """Its spool was taken up when the sum of its day was made already."""
    await catalogue.add("alice", entry(number=1))
    await catalogue.usage("alice", DAY)
    await catalogue.add("alice", entry(number=2))
    assert (await catalogue.usage("alice", DAY)).sessions == 2
    assert (await catalogue.usage("alice", DAY)).sessions == 2


async def test_what_is_kept_of_a_session(store: DiskStore) -> None:
    place = prefix(entry().session_id, entry().started_at)
    await store.put(place + "transcript.txt", b"said")
    await store.put(place + "audio.wav", b"sound")
    kept = Kept(store, entry().session_id)
    assert {name: item.size for name, item in (await kept.files()).items()} == {"audio.wav": 5, "transcript.txt": 4}
    assert await kept.read("audio.wav", 1, 2) == b"ou"
    await kept.erase()
    assert await kept.files() == {}


def test_days_are_those_of_utc() -> None:
    assert day_of("2026-11-25T00:30:00+02:00") == date(2026, 11, 24)
