"""Which sessions there are, how long they wait for their clients, and how they end."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.stage import RAW, SPEECH, House, until

from transcriber.events import Complete, Disconnected, Ended, Event, Options, Started, Transcription
from transcriber.sessions import Limits, Live, new_session_id


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as made:
        yield made


def events(live: Live) -> list[Event]:
    cursor, found = live.spool.events(), list[Event]()
    while (numbered := cursor.next()) is not None:
        found.append(numbered[1])
    return found


def test_session_ids_are_uuids_of_version_7_in_the_order_of_time() -> None:
    ids = [new_session_id() for _ in range(50)]
    assert {(made.version, made.variant) for made in ids} == {(7, "specified in RFC 4122")}
    assert len(set(ids)) == 50
    assert sorted(made.int >> 80 for made in ids) == [made.int >> 80 for made in ids]


async def test_a_session_lives_without_a_connection_until_it_is_stored(house: House) -> None:
    live = house.sessions.begin(Options())
    live.command(Started(RAW))
    live.spool.append_audio(SPEECH)
    assert len(house.sessions) == 1
    live.end(Disconnected())
    await until(lambda: not house.sessions)
    assert len(house.transcripts()) == 1
    assert not list((house.folder / "spool").iterdir())


async def test_after_the_last_command_nothing_is_taken(house: House) -> None:
    live = house.sessions.begin(Options())
    live.attach(lambda: None)
    live.end(Ended())
    live.end(Disconnected())
    live.command(Started(RAW))
    await until(lambda: not house.sessions)
    assert not live.started


async def test_refusals_say_why(tmp_path: Path) -> None:
    async with House(tmp_path, Limits(sessions=1)) as house:
        assert house.sessions.refusal() is None
        house.sessions.begin(Options())
        refused = house.sessions.refusal()
        assert refused is not None
        assert refused.code == "too_many_sessions"
        house.sessions.draining = True
        refused = house.sessions.refusal()
        assert refused is not None
        assert refused.code == "draining"


async def test_an_engine_too_far_behind_refuses_sessions(tmp_path: Path) -> None:
    async with House(tmp_path, Limits(lag_seconds=0.05)) as house:
        house.engine.gate.clear()
        live = house.sessions.begin(Options())
        live.command(Started(RAW))
        live.spool.append_audio(SPEECH)
        live.end(Ended())
        await until(lambda: (refused := house.sessions.refusal()) and refused.code == "overloaded")


async def test_a_client_that_may_come_back_is_waited_for(tmp_path: Path) -> None:
    async with House(tmp_path, Limits(resume_seconds=30)) as house:
        live = house.sessions.begin(Options(resume=True))
        token = live.status.resume_token
        assert token
        live.command(Started(replace(RAW, resume=True)))
        live.attach(first := lambda: None)
        live.detach(first)
        await asyncio.sleep(0.05)
        assert len(house.sessions) == 1
        assert house.sessions.resume("wrong") is None
        assert house.sessions.resume(token) is live
        live.attach(lambda: None)
        live.end(Ended())
        assert house.sessions.resume(token) is None


async def test_a_client_that_does_not_come_back_is_given_up(tmp_path: Path) -> None:
    async with House(tmp_path, Limits(resume_seconds=0.05)) as house:
        live = house.sessions.begin(Options(resume=True))
        live.attach(first := lambda: None)
        live.detach(first)
        await until(lambda: not house.sessions)


async def test_a_new_connection_takes_over_from_the_old(house: House) -> None:
    live = house.sessions.begin(Options(resume=True))
    asked: list[str] = []
    live.attach(first := lambda: asked.append("first"))
    live.attach(second := lambda: asked.append("second"))
    assert asked == ["first"]
    live.detach(first)
    assert not live.ended
    live.end(Ended())
    live.detach(second)


async def test_draining_ends_sessions_with_everything_transcribed_and_stored(house: House) -> None:
    live = house.sessions.begin(Options())
    live.command(Started(RAW))
    live.spool.append_audio(SPEECH)
    live.attach(lambda: None)
    async with asyncio.timeout(5):
        await house.sessions.drain(0.05)
    kinds = [type(event) for event in events(live)]
    assert kinds.count(Transcription) == 3
    assert kinds[-1] is Complete
    assert live.spool.closed is not None
    assert live.spool.closed.code == 1012
    assert len(house.transcripts()) == 1


async def test_sessions_of_a_process_that_died_are_finished_by_the_next(tmp_path: Path) -> None:
    first = House(tmp_path)
    live = first.sessions.begin(Options())
    live.command(Started(RAW))
    live.spool.append_audio(SPEECH)
    live.attach(lambda: None)
    await until(lambda: any(isinstance(event, Transcription) for event in events(live)))
    for task in tuple(first.sessions._tasks):  # pyright: ignore[reportPrivateUsage]
        task.cancel()
    await asyncio.sleep(0)
    await first.scheduler.close()
    await first.store.close()
    (tmp_path / "spool" / "empty").mkdir()
    async with House(tmp_path) as second:
        assert second.sessions.recover() == 1
        await until(lambda: not second.sessions)
        (transcript,) = second.transcripts()
        assert len(transcript.splitlines()) == 3
        assert not list((tmp_path / "spool").iterdir())
