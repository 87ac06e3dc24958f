"""What is known of a job, kept and shown."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from transcriber.events import (
    Complete,
    Error,
    Failed,
    Options,
    Storage,
    Transcription,
    TranscriptionLate,
    Warned,
)
from transcriber.job import FileJob, Outcome, Progress, Record, RecordDamaged, Seen
from transcriber.spool import Spool

RECORD = Record("id", "2026-01-02T03:04:05.678+00:00", Options(keywords=("a", "b"), language="en"), "ann", "ü.wav", 10)
OUTCOME = Outcome(
    "done", "2026-01-02T04:00:00.000+00:00", None, 4.5, 1, (Warned("w", "Look.", 1.5),), Storage("stored", {"a": "b"})
)


@pytest.fixture
def job(tmp_path: Path) -> FileJob:
    return FileJob(RECORD, Spool(tmp_path / "id", limit_bytes=1 << 20))


def gap(utterance: int) -> Failed:
    return Failed(Error("engine_failed", "No text."), utterance, utterance, 0, 1.0, 2.0)


def late(utterance: int) -> TranscriptionLate:
    return TranscriptionLate(utterance, 1, 0, "late", 1.0, 2.0, None, (), "model")


COMPLETE = Complete(None, 10, 1, 4.5, 1.0, 1, Storage("stored"))


@pytest.mark.parametrize(
    "record",
    [
        RECORD,
        replace(RECORD, outcome=OUTCOME),
        replace(RECORD, outcome=Outcome("failed", "2026-01-02T04:00:00Z", Error("unsupported_audio", "No."))),
    ],
)
def test_a_record_is_read_as_it_was_written(record: Record) -> None:
    assert Record.from_json(record.to_json()) == record


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"version":1}', RECORD.to_json().replace('"id"', '"ib"'), b"\xff", "[" * 10_000]
)
def test_what_is_no_record(text: str | bytes) -> None:
    with pytest.raises(RecordDamaged):
        Record.from_json(text)


def test_a_record_is_kept_beside_the_spool(job: FileJob, tmp_path: Path) -> None:
    job.save()
    assert Record.from_json((tmp_path / "id.job").read_bytes()) == RECORD
    job.note(OUTCOME)
    assert Record.from_json((tmp_path / "id.job").read_bytes()).outcome == OUTCOME
    assert sorted(path.name for path in tmp_path.iterdir()) == ["id", "id.job"]


def test_how_a_session_ends_is_how_its_job_ends(job: FileJob) -> None:
    assert job.told(Transcription(1, 1, 0, "a", 0.0, 1.0, "end", True, None, (), "model")) is None
    for event in (gap(2), gap(3), Warned("audio_damaged", "There.", 2.0), late(2), gap(2), gap(3)):
        assert job.told(event) is None
    outcome = job.told(COMPLETE)
    assert outcome is not None
    assert (outcome.state, outcome.gaps, outcome.duration_seconds) == ("done", 1, 4.5), "told twice counts once"
    assert [warning.code for warning in outcome.warnings] == ["audio_damaged"]


def test_what_ends_a_session_early_fails_its_job(job: FileJob) -> None:
    assert job.told(Failed(Error("already_started", "No.", field="type"))) is None
    outcome = job.told(Failed(Error("unsupported_audio", "What is it?", close_code=1003)))
    assert outcome is not None
    assert (outcome.state, outcome.error) == ("failed", Error("unsupported_audio", "What is it?"))


def test_warnings_are_no_way_to_use_up_memory(job: FileJob) -> None:
    for number in range(1000):
        job.told(Warned("audio_damaged", "There.", float(number)))
    outcome = job.told(COMPLETE)
    assert outcome is not None
    assert len(outcome.warnings) == 50


def test_a_job_is_shown_with_the_same_names_whatever_its_state() -> None:
    progress = Progress("running", 10, None, 1.23456, 0.333333)
    running, ended = Seen(RECORD, progress).document(), Seen(replace(RECORD, outcome=OUTCOME)).document()
    assert running.keys() == ended.keys()
    assert (running["state"], running["progress"]) == ("running", {"seconds": 1.235, "fraction": 0.3333})
    assert (ended["state"], ended["progress"], ended["gaps"], ended["duration_seconds"]) == ("done", None, 1, 4.5)
    warning = {"code": "w", "message": "Look.", "at": 1.5, "end": None, "cause": None}
    assert ended["warnings"] == [warning]
    assert "owner" not in running
    assert not {"resume", "interim_results"} & running["options"].keys()
    json.dumps(running)
    failed = Seen(replace(RECORD, outcome=Outcome("failed", "now", Error("c", "m", "f", 1003)))).document()
    assert failed["error"] == {"code": "c", "message": "m"}


def test_a_job_whose_end_is_being_stored_still_runs() -> None:
    shown = Seen(replace(RECORD, outcome=OUTCOME), Progress("running", 10)).document()
    assert (shown["state"], shown["finished_at"], shown["duration_seconds"]) == ("running", None, None)
