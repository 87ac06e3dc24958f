"""What was told before wins over what is computed again, and nothing is told twice."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from transcriber.events import (
    Complete,
    EngineFailed,
    Error,
    Event,
    Failed,
    Hypothesis,
    Options,
    SpeechStarted,
    SpeechStopped,
    Status,
    Storage,
    Transcription,
)
from transcriber.replay import Replay
from transcriber.spool import Spool
from transcriber.transcript import Word

STATUS = Status("id", "2026-01-02T03:04:05Z", "fake", "length", Options(keywords=("a", "b")), 3600, "1")
FINAL = Transcription(
    1, 1, 0, "Said.", 0.5, 1.5, "silence", True, "en", (Word("Said.", 0.5, 1.4, 0.9),), "model", (1, 4)
)
GAP = Failed(Error("engine_failed", "No text for 2-3 s: down (engine_timeout)"), 2, 2, 0, 2.0, 3.0, (5, 9))
NONSENSE = Failed(Error("unknown_message", "There is none.", field="type"))


@pytest.fixture
async def spool(tmp_path: Path) -> Iterable[Spool]:  # type: ignore[misc]
    made = Spool(tmp_path / "spool", limit_bytes=1 << 20)
    yield made
    made.close()


def replay(spool: Spool, *events: Event) -> Replay:
    for event in events:
        spool.append_event(event)
    return Replay(spool)


async def test_a_new_session_was_told_nothing(spool: Spool) -> None:
    new = replay(spool)
    assert not new.told(STATUS)
    assert not new.told(FINAL)
    assert new.result(1) is None


async def test_each_event_was_told_as_often_as_it_was(spool: Spool) -> None:
    old = replay(spool, STATUS, SpeechStarted(1, 0, 0.5), NONSENSE, FINAL, NONSENSE)
    for event in (STATUS, SpeechStarted(1, 0, 0.5), FINAL, NONSENSE, NONSENSE):
        assert old.told(event)
    for event in (STATUS, SpeechStarted(1, 0, 0.5), FINAL, NONSENSE):
        assert not old.told(event)


async def test_events_of_one_kind_are_told_apart_by_what_they_are_about(spool: Spool) -> None:
    old = replay(spool, STATUS, SpeechStarted(1, 0, 0.5), SpeechStopped(1, 0, 1.5), FINAL, NONSENSE)
    assert not old.told(SpeechStarted(2, 0, 2.0))
    assert not old.told(SpeechStopped(2, 0, 3.0))
    assert not old.told(replace(FINAL, utterance=2))
    assert not old.told(Failed(Error("invalid_field", "No.", field="language")))
    assert not old.told(replace(STATUS, options=Options(language="de")))
    assert not old.told(Complete("Said.", 1, 1, 1.0, 1.0, 1, Storage("stored")))


async def test_a_text_that_was_told_is_not_asked_for_again(spool: Spool) -> None:
    old = replay(spool, FINAL)
    assert old.result(1) == Hypothesis(1, "Said.", FINAL.words, True, "en", "model")
    assert old.result(1) is None
    assert old.result(2) is None


async def test_a_failure_that_was_told_stays_one_though_the_engine_may_work_now(spool: Spool) -> None:
    old = replay(spool, GAP)
    assert old.result(2) == EngineFailed(2, Error("engine_failed", GAP.error.message))
    assert old.told(replace(FINAL, utterance=2)), "an utterance is told once, as a text or as a failure"
