"""What is done about a session that ends."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.stage import RAW, SPEECH, Work, tone, until
from transcriber.catalogue import Catalogue, Entry
from transcriber.endings import Endings
from transcriber.events import (
    Ended,
    Options,
    PauseRecording,
    ResumeRecording,
    Started,
    Status,
    Storage,
    Transcription,
)
from transcriber.parts import Parts
from transcriber.storage.store import StoreError

ENTRY = Entry("id", "2026-01-02T03:04:05Z", "2026-01-02T03:05:05Z", 60, 30, 31, 4, "fake", "length", "text", 0.0)
STORED = Storage("stored", {"text": "somewhere"})


class Told:
    def __init__(self) -> None:
        self.messages: list[tuple[str, Mapping[str, Any]]] = []

    def __len__(self) -> int:
        """As an outbox has one: empty, it is false."""
        return len(self.messages)

    def put(self, kind: str, data: Mapping[str, Any]) -> None:
        self.messages.append((kind, data))


class Failing(Catalogue):
    """A catalogue that fails so often, then notes."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.noted: list[tuple[str, Entry]] = []

    async def add(self, owner: str, entry: Entry) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreError("down")
        self.noted.append((owner, entry))


async def stored(storage: Storage = STORED) -> Storage:
    await asyncio.sleep(0)
    return storage


async def test_a_session_is_noted_and_told_once_it_is_stored() -> None:
    catalogue, told = Failing(0), Told()
    assert await Endings(catalogue, told).stored("alice", ENTRY, stored()) == STORED
    assert catalogue.noted == [("alice", ENTRY)]
    ((kind, data),) = told.messages
    assert (kind, data["owner"], data["session_id"]) == ("session.ended", "alice", "id")
    assert data["storage"] == {"state": "stored", "locations": {"text": "somewhere"}}


async def test_what_could_not_be_stored_is_told_by_the_process_that_does() -> None:
    told = Told()
    await Endings(None, told).stored("", ENTRY, stored(Storage("failed")))
    assert told.messages == []


async def test_a_store_that_fails_for_a_while_is_asked_again() -> None:
    catalogue = Failing(2)
    await Endings(catalogue, pauses_seconds=(0, 0)).stored("alice", ENTRY, stored())
    assert len(catalogue.noted) == 1


async def test_a_store_that_failed_until_it_took_the_recording_is_asked_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    catalogue = Failing(9)

    async def stored_late() -> Storage:
        await asyncio.sleep(0.01)
        catalogue.failures = 0
        return STORED

    with caplog.at_level(logging.ERROR):
        await Endings(catalogue, pauses_seconds=()).stored("alice", ENTRY, stored_late())
    assert catalogue.noted == [("alice", ENTRY)]
    assert caplog.records == []


async def test_what_could_not_be_stored_is_not_noted_again() -> None:
    catalogue = Failing(2)
    await Endings(catalogue, pauses_seconds=(0,)).stored("alice", ENTRY, stored(Storage("failed")))
    assert catalogue.noted == []


async def test_a_store_that_fails_for_good_fails_nothing(caplog: pytest.LogCaptureFixture) -> None:
    endings = Endings(Failing(9), pauses_seconds=(0,))
    with caplog.at_level(logging.ERROR):
        assert await endings.stored("alice", ENTRY, stored()) == STORED
    assert [record.getMessage() for record in caplog.records] == ["not noted"]


@pytest.mark.parametrize(("finals", "told_texts"), [(True, ["said"]), (False, [])])
def test_final_texts_are_told_where_they_are_asked_for(finals: bool, told_texts: list[str]) -> None:
    told = Told()
    status = Status("id", "now", "e", "m", Options(), 1, "1", owner="alice")
    endings = Endings(None, told, finals=finals)
    endings.told(status, status)
    endings.told(status, Transcription(1, 1, 0, "said", 0.0, 1.0, "silence", True, "en", (), "model"))
    assert [data["text"] for kind, data in told.messages if kind == "transcription.final"] == told_texts
    assert all(data["owner"] == "alice" and not data["late"] for _, data in told.messages)


async def test_what_was_said_in_a_pause_of_the_recording_is_told_to_the_client_alone(tmp_path: Path) -> None:
    told = Told()
    async with Work(tmp_path) as work:
        given = {name: getattr(work.parts, name) for name in Parts.__slots__}
        work.parts = Parts(**{**given, "endings": Endings(None, told, finals=True)})
        task = work.start()
        for item in (Started(RAW), tone(1.0), PauseRecording(), tone(1.0), ResumeRecording(), tone(1.0), Ended()):
            if isinstance(item, bytes):
                work.spool.append_audio(item)
            else:
                work.spool.append_command(item)
        await until(task.done)
        assert len(work.of(Transcription)) == 3
    finals = [data for kind, data in told.messages if kind == "transcription.final"]
    assert [(data["start"], data["end"]) for data in finals] == [(0.0, 1.0), (2.0, 3.0)]


async def test_a_session_as_it_is_noted(tmp_path: Path) -> None:
    catalogue, told = Failing(0), Told()
    async with Work(tmp_path) as work:
        given = {name: getattr(work.parts, name) for name in Parts.__slots__}
        work.parts = Parts(**{**given, "endings": Endings(catalogue, told, finals=True)})
        task = work.start()
        work.spool.append_command(Started(RAW))
        work.spool.append_audio(SPEECH)
        work.spool.append_command(Ended())
        await until(task.done)
    ((owner, entry),) = catalogue.noted
    assert (owner, entry.session_id, entry.utterances, entry.record) == ("", "id", 3, "audio+text")
    assert entry.duration_seconds == pytest.approx(len(SPEECH) / 32_000)
    assert 2 < entry.speech_seconds < entry.upstream_seconds
    assert (entry.dollars, entry.job) == (0.0, False)
    assert [kind for kind, _ in told.messages] == ["transcription.final"] * 3 + ["session.ended"]
