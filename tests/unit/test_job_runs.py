"""Whose job is next."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.stage import House, tone, until, wav
from transcriber.events import Error, Options
from transcriber.job import FileJob, Record
from transcriber.job_archive import JobArchive
from transcriber.job_runs import in_turn
from transcriber.jobs import JobLimits, Jobs
from transcriber.live import Live
from transcriber.spool import Spool


def job(folder: Path, name: str) -> FileJob:
    """One whose owner is the first letter of its name."""
    spool = Spool(folder / name, limit_bytes=1 << 20)
    spool.close()
    return FileJob(Record(name, "2026-01-02T03:04:05.678+00:00", Options(), name[0]), spool)


@pytest.mark.parametrize(
    ("waiting", "running", "order"),
    [
        ("", {}, ""),
        ("a1 a2 a3", {}, "a1 a2 a3"),
        ("a1 a2 a3 b1", {}, "a1 b1 a2 a3"),
        ("a1 a2 b1 c1 b2", {}, "a1 b1 c1 a2 b2"),
        ("a1 a2 b1", {"a": 1}, "b1 a1 a2"),
        ("a1 b1 b2 b3", {"a": 2, "b": 1}, "b1 a1 b2 b3"),
    ],
)
def test_owners_take_turns(tmp_path: Path, waiting: str, running: dict[str | None, int], order: str) -> None:
    jobs = [job(tmp_path, name) for name in waiting.split()]
    assert [found.id for found in in_turn(jobs, running)] == order.split()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as made:
        yield made


async def test_one_file_does_not_wait_for_the_many_of_another(house: House) -> None:
    jobs = Jobs(house.sessions, JobArchive(house.store), limits=JobLimits(running=2))
    house.engine.gate.clear()

    def given(owner: str) -> FileJob:
        made = jobs.begin(owner, None)
        jobs.take(made, 0, wav(tone(0.5)))
        jobs.complete([made], Options())
        return made

    many = [given("ann") for _ in range(6)]
    one = given("bob")
    await until(lambda: house.engine.jobs)
    assert [job.state for job in many[:3]] == ["running", "running", "queued"]
    position = (await jobs.see(one.id, "bob")).document()["queue_position"]
    assert position == 1
    assert (await jobs.see(many[2].id, "ann")).document()["queue_position"] == 2
    await jobs.delete(many[0].id, "ann")
    assert one.state == "running"
    house.engine.gate.set()
    await until(lambda: all(job.state in ("done", "cancelled") for job in (*many, one)))
    await jobs.close()


async def test_files_of_a_limited_owner_come_one_by_one_and_end_with_what_is_left(house: House) -> None:
    left = {"ann": 1.2, "bob": 0}
    heard: dict[str, float] = {}

    def over(live: Live) -> None:
        left[live.status.owner] -= live.audio_seconds()
        heard[live.session_id] = live.status.max_session_seconds

    house.sessions.on_over = over
    used_up = Error("key_audio_exceeded", "used up")

    def allowed(owner: str | None) -> float | Error | None:
        return (left["ann"] if left["ann"] > 0 else used_up) if owner == "ann" else None

    jobs = Jobs(house.sessions, JobArchive(house.store), limits=JobLimits(running=4), allowed=allowed)
    house.engine.gate.clear()

    def given(owner: str) -> FileJob:
        made = jobs.begin(owner, None)
        jobs.take(made, 0, wav(tone(0.8)))
        jobs.complete([made], Options())
        return made

    files, other = [given("ann") for _ in range(3)], given("bob")
    await until(lambda: house.engine.jobs)
    assert [job.state for job in (*files, other)] == ["running", "queued", "queued", "running"]
    house.engine.gate.set()
    await until(lambda: all(job.state in ("done", "failed") for job in (*files, other)))
    assert [job.state for job in files] == ["done", "done", "failed"]
    outcomes = [job.record.outcome for job in files]
    assert [outcome and outcome.error and outcome.error.code for outcome in outcomes] == [
        None,
        None,
        "key_audio_exceeded",
    ]
    assert [heard.get(job.id) for job in files] == [1.2, pytest.approx(0.4), None]
    await jobs.close()
