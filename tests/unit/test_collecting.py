"""What is kept of what a session told: its texts, gaps where there are none, and nothing that was said in a pause."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.corpus import encoded
from tests.stage import RAW, SPEECH
from transcriber.collecting import collect
from transcriber.events import (
    Error,
    Event,
    Failed,
    Options,
    RecordingPaused,
    RecordingResumed,
    Status,
    Transcription,
    TranscriptionLate,
    Warned,
)
from transcriber.spool import Spool
from transcriber.transcript import Missing

STATUS = Status("id", "2026-01-02T03:04:05+00:00", "fake", "length", Options(), 3600, "1")


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    made = Spool(tmp_path / "spool", limit_bytes=1 << 30)
    yield made
    made.close()


def final(utterance: int, text: str, *, channel: int = 0) -> Transcription:
    start = float(utterance)
    return Transcription(utterance, utterance, channel, text, start, start + 0.5, "silence", True, "en", (), "model")


def late(utterance: int, text: str) -> TranscriptionLate:
    return TranscriptionLate(utterance, utterance, 0, text, 1.0, 1.5, "en", (), "model")


def gap(utterance: int) -> Failed:
    start = float(utterance)
    return Failed(Error("engine_failed", "No text."), utterance, utterance, 0, start, start + 0.5)


async def test_a_late_text_fills_its_gap(spool: Spool) -> None:
    for event in (gap(1), gap(2), final(3, "Three."), late(1, "One.")):
        spool.append_event(event)
    transcript = collect(spool, STATUS, RAW, 4.5)
    assert [(line.utterance, line.text, line.gap) for line in transcript.ordered] == [
        (1, "One.", None),
        (2, "", "engine_failed"),
        (3, "Three.", None),
    ]
    assert transcript.text == "One. Three."


async def test_errors_that_are_no_gaps_are_no_part_of_the_transcript(spool: Spool) -> None:
    spool.append_event(Failed(Error("unknown_message", "No.", field="type")))
    assert collect(spool, STATUS, RAW, 4.5).lines == ()


PAUSED: list[Event] = [
    *(final(1, "Before."), RecordingPaused(2.0), final(2, "4111 1111"), gap(3)),
    replace(late(3, "1111"), start=3.0, end=3.5),
    *(RecordingResumed(4.0), final(5, "After."), final(8, "Later.")),
]


@pytest.mark.parametrize(
    ("audio", "kept"),
    [
        (SPEECH, ["Before.", None, None, "After.", "Later."]),
        (encoded("webm"), ["Before.", None, None, None, "Later."]),
        (b"caff" + bytes(60), [None] * 5),
    ],
    ids=["raw", "webm", "caf"],
)
async def test_what_was_said_in_a_pause_is_a_gap(spool: Spool, audio: bytes, kept: list[str | None]) -> None:
    for event in PAUSED:
        spool.append_event(event)
    spool.append_audio(audio)
    transcript = collect(spool, STATUS, RAW if audio is SPEECH else Options(), 9.0)
    assert [line.text or None for line in transcript.ordered] == kept
    assert {line.gap for line in transcript.ordered if not line.text} == {"recording_paused"}
    assert "1111" not in transcript.text + "".join(transcript.files().values())
    assert json.loads(transcript.to_json())["utterances"][1]["start"] == 2.0


async def test_a_pause_without_an_end_lasts_to_the_end(spool: Spool) -> None:
    for event in (final(1, "Before."), RecordingPaused(2.0), final(2, "4111"), final(100, "1111")):
        spool.append_event(event)
    assert collect(spool, STATUS, RAW, 101.0).text == "Before."


async def test_where_audio_is_damaged_and_when_it_was_spoken_is_kept(spool: Spool) -> None:
    spoken = "2026-01-02T03:05:00.000+00:00"
    warnings = [Warned("audio_damaged", "At 2.000 s.", 2.0), Warned("full_text_too_long", "Long.")]
    failed = replace(gap(2), heard_at=spoken)
    for event in (replace(final(1, "One."), heard_at=spoken), failed, late(2, "Two."), *warnings):
        spool.append_event(event)
    transcript = collect(spool, STATUS, RAW, 4.5)
    assert transcript.missing == (Missing(2.0),)
    assert [(line.text, line.heard_at) for line in transcript.ordered] == [("One.", spoken), ("Two.", spoken)]


@pytest.mark.parametrize(
    ("told", "missing"),
    [
        ([Warned("audio_damaged", "", 2.0, 2.5)], [Missing(2.0, 2.5)]),
        ([Warned("audio_damaged", "", 2.0), Warned("audio_damaged", "", 2.5, 3.0)], [Missing(2.5, 3.0)]),
        ([Warned("audio_damaged", "", 2.0), Warned("audio_damaged", "", 3.5, 4.0)], [Missing(2.0), Missing(3.5, 4.0)]),
        ([Warned("audio_damaged", "", 2.0), Warned("audio_damaged", "", 2.5)], [Missing(2.0), Missing(2.5)]),
        (
            [Warned("audio_not_transcribed", "", 2.0, cause="unsupported_audio")],
            [Missing(2.0, reason="unsupported_audio")],
        ),
        ([Warned("session_too_long", "", 4.0)], [Missing(4.0, reason="session_too_long")]),
        ([Warned("session_too_long", "")], [Missing(4.5, reason="session_too_long")]),
        ([Warned("draining", "")], []),
    ],
)
async def test_audio_without_text_is_known_from_what_was_told(
    spool: Spool, told: list[Warned], missing: list[Missing]
) -> None:
    for event in told:
        spool.append_event(event)
    assert collect(spool, STATUS, RAW, 4.5).missing == tuple(missing)
