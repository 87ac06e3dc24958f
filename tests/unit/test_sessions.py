"""Which sessions there are, how long they wait for their clients, and how they end."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.stage import RAW, SPEECH, House, tone, until
from transcriber.events import (
    Close,
    Complete,
    Disconnected,
    Ended,
    Event,
    Failed,
    Options,
    Started,
    Suspended,
    Transcription,
    Warned,
)
from transcriber.live import Limits, Live
from transcriber.storage.store import Item, StoreError


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as made:
        yield made


def events(live: Live) -> list[Event]:
    cursor, found = live.spool.events(), list[Event]()
    while (numbered := cursor.next()) is not None:
        found.append(numbered[1])
    return found


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
        assert house.sessions.resume("fälsch") is None
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


async def test_a_client_that_is_away_in_mid_speech_has_not_paused(house: House) -> None:
    begun = replace(RAW, resume=True, endpointing_ms=100)
    live = house.sessions.begin(begun)
    live.attach(first := lambda: None)
    live.command(Started(begun))
    live.spool.append_audio(tone(0.5))
    live.detach(first)
    await asyncio.sleep(0.5)
    live.attach(lambda: None)
    live.spool.append_audio(tone(0.5))
    await asyncio.sleep(0.5)
    live.spool.append_audio(tone(0.5))
    live.end(Ended())
    await until(lambda: not house.sessions)
    finals = [event for event in events(live) if isinstance(event, Transcription)]
    assert [final.end for final in finals] == [1.0, 1.5], "only where it was connected and sent nothing"


async def test_what_the_store_refused_is_stored_when_it_is_well_again(tmp_path: Path) -> None:
    async with House(tmp_path, Limits(restore_seconds=0.05)) as house:
        put, refused = house.store.put, list[str]()

        async def refuse_twice(key: str, data: bytes, **conditions: Any) -> Item:
            if len(refused) < 2:
                refused.append(key)
                raise StoreError("no rights")
            return await put(key, data, **conditions)

        house.store.put = refuse_twice  # type: ignore[method-assign]
        live = house.sessions.begin(Options())
        live.command(Started(RAW))
        live.spool.append_audio(SPEECH)
        live.end(Ended())
        await until(lambda: len(refused) == 2)
        await until(lambda: len(house.transcripts()) == 1 and not house.sessions)
        assert not list((house.folder / "spool").iterdir())


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
    for task in tuple(first.sessions._tasks.values()):  # pyright: ignore[reportPrivateUsage]
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


def told_of(live: Live, kind: type[Warned]) -> list[str]:
    return [event.code for event in events(live) if isinstance(event, kind)]


async def test_draining_tells_sessions_how_long_they_have(house: House) -> None:
    live = house.sessions.begin(Options())
    ended = house.sessions.begin(Options())
    ended.attach(lambda: None)
    ended.end(Ended())
    drain = asyncio.create_task(house.sessions.drain(30))
    await until(lambda: told_of(live, Warned))
    (warning,) = [event for event in events(live) if isinstance(event, Warned)]
    assert warning.code == "draining"
    assert "30 s" in warning.message
    assert told_of(ended, Warned) == []
    live.end(Ended())
    await drain
    assert live.spool.closed == Close(1000, "complete")


async def test_a_drain_can_be_cut_short_by_another(house: House) -> None:
    live = house.sessions.begin(Options())
    first = asyncio.create_task(house.sessions.drain(30))
    await until(lambda: house.sessions.draining)
    async with asyncio.timeout(5):
        await house.sessions.drain(0)
        await first
    assert live.spool.closed == Close(1012, "service restart")


async def test_texts_that_take_too_long_are_given_up_and_the_recording_is_kept(house: House) -> None:
    house.engine.gate.clear()
    live = house.sessions.begin(Options())
    live.attach(lambda: None)
    live.command(Started(RAW))
    live.spool.append_audio(SPEECH)
    await until(lambda: house.engine.jobs)
    async with asyncio.timeout(5):
        await house.sessions.drain(0, 0.05)
    gaps = [event for event in events(live) if isinstance(event, Failed)]
    assert [gap.error.code for gap in gaps] == ["engine_failed"] * 3
    assert isinstance(events(live)[-1], Complete)
    (recording,) = (house.folder / "store").rglob("audio.wav")
    assert recording.read_bytes()[44:] == SPEECH
    assert not list((house.folder / "spool").iterdir())


async def test_a_session_that_can_be_resumed_is_suspended_and_goes_on_in_the_next_process(tmp_path: Path) -> None:
    async with House(tmp_path) as first:
        live = first.sessions.begin(Options())
        token = live.status.resume_token or ""
        live.command(Started(replace(RAW, resume=True)))
        live.attach(lambda: None)
        live.spool.append_audio(SPEECH[:48_000])
        await until(lambda: any(isinstance(event, Transcription) for event in events(live)))
        async with asyncio.timeout(1):
            await first.sessions.drain(30)
        assert live.spool.closed == Close(1012, "service restart")
        assert live.spool.parting == Suspended(token, 48_000)
        live.spool.append_event(Warned("later", "The events can still be read."))
        told = events(live)
        live.detach(lambda: None)
    async with House(tmp_path) as second:
        assert second.sessions.recover() == 1
        again = second.sessions.resume(token)
        assert again is not None
        again.attach(lambda: None)
        again.spool.append_audio(SPEECH[48_000:])
        again.end(Ended())
        await until(lambda: not second.sessions)
        assert events(again)[: len(told)] == told
        finals = [event for event in events(again) if isinstance(event, Transcription)]
        assert [final.utterance for final in finals] == [1, 2, 3]
        assert [final.chunk_range for final in finals] == [(1, 1), (2, 2), (2, 2)], "counting goes on"
        (transcript,) = second.transcripts()
        assert len(transcript.splitlines()) == 3


async def test_a_suspended_session_whose_client_stays_away_is_finished(tmp_path: Path) -> None:
    async with House(tmp_path) as first:
        live = first.sessions.begin(replace(RAW, resume=True))
        live.command(Started(replace(RAW, resume=True)))
        live.spool.append_audio(SPEECH)
        await until(lambda: events(live))
        await first.sessions.drain(30)
    async with House(tmp_path, Limits(resume_seconds=0.3)) as second:
        assert second.sessions.recover() == 1
        assert second.sessions.resume(live.status.resume_token or "") is not None
        await until(lambda: not second.sessions)
        assert len(second.transcripts()[0].splitlines()) == 3


async def test_what_a_session_was_asked_before_it_began_survives_its_suspension(tmp_path: Path) -> None:
    async with House(tmp_path) as first:
        live = first.sessions.begin(replace(RAW, resume=True))
        live.options = replace(live.options, language="fr")
        await until(lambda: events(live))
        await first.sessions.drain(30)
    async with House(tmp_path) as second:
        second.sessions.recover()
        again = second.sessions.resume(live.status.resume_token or "")
        assert again is not None
        await until(lambda: len(events(again)) == 2)
        again.spool.append_audio(SPEECH)
        again.end(Ended())
        await until(lambda: not second.sessions)
        assert {job.options.language for job in second.engine.jobs} == {"fr"}


async def test_sessions_of_a_process_before_this_one_are_left_to_the_next(tmp_path: Path) -> None:
    first = House(tmp_path)
    live = first.sessions.begin(Options())
    live.command(Started(RAW))
    live.spool.append_audio(SPEECH)
    await until(lambda: events(live))
    first.sessions._tasks[live.session_id].cancel()  # pyright: ignore[reportPrivateUsage]
    await first.scheduler.close()
    await first.store.close()
    async with House(tmp_path) as second:
        second.engine.gate.clear()
        assert second.sessions.recover() == 1
        await until(lambda: second.engine.jobs)
        async with asyncio.timeout(1):
            await second.sessions.drain(30)
    async with House(tmp_path) as third:
        assert third.sessions.recover() == 1
        await until(lambda: not third.sessions)
        assert len(third.transcripts()[0].splitlines()) == 3


async def test_a_session_ends_when_it_is_too_long_by_the_clock(tmp_path: Path) -> None:
    async with House(tmp_path, Limits(session_seconds=60.05)) as house:
        live = house.sessions.begin(Options())
        live.attach(lambda: None)
        await until(lambda: told_of(live, Warned) == ["session_ends_soon"])
    async with House(tmp_path, Limits(session_seconds=0.05)) as house:
        live = house.sessions.begin(Options())
        live.attach(lambda: None)
        assert 0 < house.sessions.remaining_seconds <= 1
        await until(lambda: not house.sessions)
        assert house.sessions.remaining_seconds == 0
        assert told_of(live, Warned) == ["session_too_long"]
        assert live.spool.closed == Close(1000, "complete")


async def test_a_session_that_should_long_be_stored_is_not_waited_for(tmp_path: Path) -> None:
    """Else a store that hangs would keep a task protected, and with it a deployment from ending."""
    async with House(tmp_path, Limits(session_seconds=1000)) as house:
        live = house.sessions.begin(Options())
        live.attach(lambda: None)
        assert 999 < house.sessions.remaining_seconds <= 1000
        live.must_end_at -= 1100
        assert house.sessions.remaining_seconds == 1
        live.must_end_at -= 300
        assert house.sessions.remaining_seconds == 0


async def test_sessions_of_all_share_a_quota(tmp_path: Path) -> None:
    async with House(tmp_path, Limits(spool_bytes=100_000)) as house:
        first, second = house.sessions.begin(RAW), house.sessions.begin(RAW)
        first.command(Started(RAW))
        first.spool.append_audio(bytes(90_000))
        with pytest.raises(OSError, match="No space left"):
            second.spool.append_audio(bytes(20_000))
        second.spool.append_audio(bytes(8_000))
        for _ in range(20):
            second.tell(Warned("filling", "x" * 500))
        refused = house.sessions.refusal()
        assert refused is not None
        assert refused.code == "storage_full"
        first.end(Ended())
        await until(lambda: len(house.sessions) == 1)
        assert house.sessions.refusal() is None, "a session that is stored makes room"


async def test_a_disk_that_is_nearly_full_takes_no_sessions(tmp_path: Path) -> None:
    async with House(tmp_path, Limits(free_bytes=1 << 60)) as house:
        refused = house.sessions.refusal()
        assert refused is not None
        assert refused.code == "storage_full"


async def test_what_is_damaged_is_left_and_does_not_keep_the_service_from_starting(tmp_path: Path) -> None:
    folder = tmp_path / "spool" / "damaged"
    folder.mkdir(parents=True)
    (folder / "events").write_bytes(b"[]\n")
    (tmp_path / "spool" / "no folder").write_text("of anybody")
    async with House(tmp_path) as house:
        assert house.sessions.recover() == 0
        assert (folder / "events").read_bytes() == b"[]\n"
