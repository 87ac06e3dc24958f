"""Jobs over the end of a process, with stores that fail, and beside live sessions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.stage import RAW, SPEECH, House, until, wav
from transcriber.engines.engine import Job, Outcome, Recognition
from transcriber.engines.queue import Priority
from transcriber.engines.scheduler import Request, Scheduler
from transcriber.events import Ended, Options, Started
from transcriber.job import FileJob, Record
from transcriber.job_archive import JobArchive
from transcriber.jobs import JobLimits, JobRefused, Jobs
from transcriber.live import Limits
from transcriber.storage.store import Item, StoreError

AUDIO = wav(SPEECH)


class FailingArchive(JobArchive):
    """One whose store is away."""

    fails = True

    async def put(self, record: Record) -> None:
        if self.fails:
            raise StoreError("away")
        await super().put(record)


@asynccontextmanager
async def desk(house: House, **limits: float) -> AsyncIterator[Jobs]:
    jobs = Jobs(house.sessions, JobArchive(house.store), limits=JobLimits(**limits))  # type: ignore[arg-type]
    yield jobs
    house.engine.gate.set()
    await house.sessions.drain(0)
    await jobs.close()


def given(jobs: Jobs, audio: bytes = AUDIO, owner: str | None = None) -> FileJob:
    job = jobs.begin(owner, "a.wav")
    jobs.take(job, 0, audio)
    jobs.complete([job], Options())
    return job


async def ended(jobs: Jobs, job_id: str) -> str:
    async with asyncio.timeout(10):
        while (seen := await jobs.see(job_id, None)).progress is not None:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.005)
    return str(seen.document()["state"])


async def die(house: House) -> None:
    """End as a process does that is killed: nothing is told, nothing more is stored."""
    for task in tuple(house.sessions._tasks.values()):  # pyright: ignore[reportPrivateUsage]
        task.cancel()
    house.sessions.draining = True
    await asyncio.sleep(0)
    await house.scheduler.close()
    await house.store.close()


async def test_jobs_that_run_wait_or_arrive_go_on_in_the_next_process(tmp_path: Path) -> None:
    first = House(tmp_path)
    jobs = Jobs(first.sessions, JobArchive(first.store), limits=JobLimits(running=1))
    running, waiting = given(jobs, owner="ann"), given(jobs)
    arriving = jobs.begin("bob", "b.wav")
    jobs.keep(arriving, Options(language="en"), len(AUDIO))
    jobs.take(arriving, 0, AUDIO[:1000])
    unfinished = jobs.begin(None, None)
    jobs.take(unfinished, 0, AUDIO)
    first.engine.gate.clear()
    await until(lambda: first.engine.jobs)
    assert jobs.counts == {"receiving": 1, "queued": 1, "running": 1}
    await die(first)
    async with House(tmp_path) as second, desk(second) as again:
        assert (second.sessions.recover(), again.recover()) == (0, 3)
        assert not (tmp_path / "spool" / unfinished.id).exists()
        assert [await ended(again, job.id) for job in (running, waiting)] == ["done", "done"]
        found = again.find(arriving.id, "bob")
        assert found is not None
        assert found.record.options.language == "en"
        again.take(found, 0, AUDIO[1000:])
        again.complete([found])
        assert await ended(again, arriving.id) == "done"
        assert len(second.transcripts()) == 3
        assert len({*second.transcripts()}) == 1, "told the same, with whatever was told before"
        assert [seen.record.id for seen in await again.list("ann", datetime.now(UTC).date(), 10)] == [running.id]


async def test_a_drain_leaves_jobs_to_the_next_process(tmp_path: Path) -> None:
    async with House(tmp_path) as first, desk(first, running=1) as jobs:
        first.engine.gate.clear()
        running, waiting = given(jobs), given(jobs)
        await until(lambda: first.engine.jobs)
        async with asyncio.timeout(2):
            await first.sessions.drain(0.05)
        with pytest.raises(JobRefused, match="stop"):
            jobs.begin(None, None)
    async with House(tmp_path) as second, desk(second) as again:
        assert again.recover() == 2
        assert [await ended(again, job.id) for job in (running, waiting)] == ["done", "done"]


async def test_only_wanted_jobs_go_on(tmp_path: Path) -> None:
    async with House(tmp_path) as first, desk(first, running=1) as jobs:
        first.engine.gate.clear()
        left, wanted = given(jobs), given(jobs)
        await until(lambda: first.engine.jobs)
        await first.sessions.drain(0)
    async with House(tmp_path) as second, desk(second) as again:
        assert (second.sessions.recover(), again.recover([wanted.id, "another"])) == (0, 1)
        assert await ended(again, wanted.id) == "done"
        assert again.find(left.id, None) is None
        assert len(second.transcripts()) == 1
    async with House(tmp_path) as third, desk(third) as at_last:
        assert at_last.recover() == 1
        assert await ended(at_last, left.id) == "done"


async def test_a_record_that_is_not_stored_is_stored_by_the_next_process(tmp_path: Path) -> None:
    async with House(tmp_path) as first:
        jobs = Jobs(first.sessions, FailingArchive(first.store))
        job = given(jobs)
        assert await ended(jobs, job.id) == "done"
        await jobs.close()
        assert list((tmp_path / "spool").iterdir()) == [job.path]
    async with House(tmp_path) as second, desk(second) as again:
        assert again.recover() == 1
        assert await ended(again, job.id) == "done"
        await until(lambda: not list((tmp_path / "spool").iterdir()))
        seen = await again.see(job.id, None)
        assert seen.document()["duration_seconds"] == pytest.approx(4.5)


async def test_a_job_that_is_not_stored_fails_and_is_done_again_by_the_next_process(tmp_path: Path) -> None:
    async with House(tmp_path) as first, desk(first) as jobs:

        async def refuse(key: str, data: bytes, **conditions: object) -> Item:
            raise StoreError("away")

        first.store.put = refuse  # type: ignore[method-assign]
        job = given(jobs)
        assert await ended(jobs, job.id) == "failed"
        error = (await jobs.see(job.id, None)).document()["error"]
        assert error["code"] == "not_stored"
    async with House(tmp_path) as second, desk(second) as again:
        assert again.recover() == 1
        assert await ended(again, job.id) == "done"
        assert len(second.transcripts()[0].splitlines()) == 3


async def test_a_job_that_was_cancelled_stays_so(tmp_path: Path) -> None:
    async with House(tmp_path) as first:
        jobs = Jobs(first.sessions, FailingArchive(first.store))
        first.engine.gate.clear()
        job = given(jobs)
        await until(lambda: first.engine.jobs)
        await jobs.delete(job.id, None)
        await jobs.close()
    async with House(tmp_path) as second, desk(second) as again:
        assert again.recover() == 1
        assert await ended(again, job.id) == "cancelled"
        assert second.transcripts() == []


@pytest.mark.parametrize("content", ["", "{}", '{"version": 1}'])
async def test_what_is_damaged_is_left_as_it_is(tmp_path: Path, content: str) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "x.job").write_text(content)
    async with House(tmp_path) as house, desk(house) as jobs:
        assert jobs.recover() == 0
    assert (tmp_path / "spool" / "x.job").read_text() == content


async def test_a_store_that_is_away_is_told_as_such(tmp_path: Path) -> None:
    async with House(tmp_path) as house, desk(house) as jobs:

        async def refuse(key: str, start: int = 0, length: int | None = None) -> bytes:
            raise StoreError("away")

        house.store.get = refuse  # type: ignore[method-assign]
        with pytest.raises(JobRefused) as refused:
            await jobs.see("0190a8a0-1234-7000-8000-000000000000", None)
        assert refused.value.error.code == "store_unavailable"


class NotingScheduler(Scheduler):
    """Remembers what was asked of it."""

    asked: list[Request]

    def transcribe(self, request: Request) -> AsyncIterator[Recognition]:
        self.asked.append(request)
        return super().transcribe(request)


async def test_live_sessions_go_before_jobs(tmp_path: Path) -> None:
    async with House(tmp_path) as house, desk(house) as jobs:
        scheduler = NotingScheduler(house.engine)
        scheduler.asked = []
        house.sessions.parts = replace(house.sessions.parts, scheduler=scheduler)
        order: list[str] = []

        def note(job: Job) -> Outcome:
            order.append("job" if job.options.language == "en" else "live")
            return house.engine.hear(job)

        house.engine.answer = note
        house.engine.gate.clear()
        file = jobs.begin(None, None)
        jobs.take(file, 0, wav(SPEECH * 20))
        jobs.complete([file], Options(language="en"))
        await until(lambda: len(scheduler.asked) >= 10)
        live = house.sessions.begin(RAW)
        live.command(Started(RAW))
        live.spool.append_audio(SPEECH[: len(SPEECH) // 2])
        await until(lambda: any(request.priority.live for request in scheduler.asked))
        house.engine.gate.set()
        live.end(Ended())
        assert await ended(jobs, file.id) == "done"
        of_job = [request.priority for request in scheduler.asked if request.job.options.language == "en"]
        assert set(of_job) == {Priority.BACKLOG}
        patient = house.engine.capabilities.workers - 1
        assert "live" in order[: patient + 1], "what waits when it comes does not go before it"
        await scheduler.close()


async def test_jobs_are_not_sessions_where_these_are_counted(tmp_path: Path) -> None:
    async with House(tmp_path, Limits(sessions=1)) as house, desk(house) as jobs:
        house.engine.gate.clear()
        given(jobs)
        await until(lambda: house.engine.jobs)
        assert house.sessions.refusal() is None


async def test_a_job_waits_long_for_the_engine(tmp_path: Path) -> None:
    async with House(tmp_path) as house, desk(house) as jobs:
        house.engine.gate.clear()
        given(jobs)
        await until(lambda: house.engine.jobs)
        left_seconds = house.engine.jobs[0].deadline - asyncio.get_running_loop().time()
        assert left_seconds > 30 * house.sessions.parts.utterance_deadline_seconds


async def test_a_job_that_is_not_stored_is_stored_when_the_store_is_well_again(tmp_path: Path) -> None:
    async with House(tmp_path, Limits(restore_seconds=0.05)) as house, desk(house) as jobs:
        put, refused = house.store.put, list[str]()

        async def refuse_twice(key: str, data: bytes, **conditions: Any) -> Item:
            if len(refused) < 2:
                refused.append(key)
                raise StoreError("no rights")
            return await put(key, data, **conditions)

        house.store.put = refuse_twice  # type: ignore[method-assign]
        job = given(jobs)
        assert await ended(jobs, job.id) == "failed"
        asked = len(house.engine.jobs)
        await until(lambda: len(refused) == 2)
        async with asyncio.timeout(5):
            while (await jobs.see(job.id, None)).document()["state"] != "done":  # noqa: ASYNC110 - nobody is told
                await asyncio.sleep(0.01)
        await until(lambda: not list((tmp_path / "spool").iterdir()))
        assert len(house.engine.jobs) == asked, "what was heard is not heard again"


async def test_a_record_that_is_not_stored_is_stored_later(tmp_path: Path) -> None:
    async with House(tmp_path, Limits(restore_seconds=0.05)) as house:
        archive = FailingArchive(house.store)
        jobs = Jobs(house.sessions, archive)
        job = given(jobs)
        assert await ended(jobs, job.id) == "done"
        await jobs.close()
        assert job.path.exists()
        archive.fails = False
        await until(lambda: not list((tmp_path / "spool").iterdir()))


async def test_a_job_that_was_deleted_meanwhile_is_not_tried_again(tmp_path: Path) -> None:
    async with House(tmp_path, Limits(restore_seconds=0.05)) as house, desk(house) as jobs:

        async def refuse(key: str, data: bytes, **conditions: object) -> Item:
            raise StoreError("no rights")

        house.store.put = refuse  # type: ignore[method-assign]
        job = given(jobs)
        assert await ended(jobs, job.id) == "failed"
        await jobs.delete(job.id, None)
        await asyncio.sleep(0.1)
        assert jobs.find(job.id, None) is None
        assert not list((tmp_path / "spool").iterdir())
