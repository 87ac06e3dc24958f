"""One file to be transcribed: what is known of it, and the record that outlives the process.

The record lies beside the job's spool from when the job is taken until its end is stored; from then on, in the store.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast

from transcriber.events import Complete, Error, Event, Failed, Options, Storage, Warned
from transcriber.events import TranscriptionLate as Late
from transcriber.spool import JOB_SUFFIX, Spool

State = Literal["receiving", "queued", "running", "done", "failed", "cancelled"]

RECORD_VERSION = 1
"""Of job.json; grows when a field changes its meaning."""
_MAX_WARNINGS = 50


class RecordDamaged(Exception):
    """What should be the record of a job is none."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended."""

    state: State
    finished_at: str
    """UTC, ISO 8601."""
    error: Error | None = None
    duration_seconds: float | None = None
    gaps: int = 0
    """Utterances without text."""
    warnings: tuple[Warned, ...] = ()
    storage: Storage | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept of a job beside its transcript."""

    id: str
    created_at: str
    """UTC, ISO 8601."""
    options: Options
    owner: str | None = None
    """Whose key it came with; None where keys are not asked for."""
    name: str | None = None
    """What its file is called where it came from."""
    total_bytes: int | None = None
    """As announced."""
    received_bytes: int = 0
    outcome: Outcome | None = None

    def to_json(self) -> str:
        return json.dumps({"version": RECORD_VERSION, **asdict(self)}, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "Record":
        """Raises RecordDamaged."""
        try:
            values = cast("dict[str, Any]", json.loads(text))
            del values["version"]
            options, outcome = values.pop("options"), values.pop("outcome")
            options["keywords"] = tuple(options["keywords"])
            return cls(**values, options=Options(**options), outcome=_outcome(outcome) if outcome else None)
        except (ValueError, TypeError, KeyError, RecursionError):
            raise RecordDamaged from None


def _outcome(values: dict[str, Any]) -> Outcome:
    error, storage = values.pop("error"), values.pop("storage")
    warnings = tuple(Warned(**warning) for warning in values.pop("warnings"))
    return Outcome(
        **values,
        warnings=warnings,
        error=Error(**error) if error else None,
        storage=Storage(**storage) if storage else None,
    )


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class FileJob:
    """A job of this process, until its end is stored. Its spool is open as long."""

    def __init__(self, record: Record, spool: Spool) -> None:
        self.record = record
        self.spool = spool
        self.state: State = "receiving"
        self.turn = 0
        """Counts the requests that have sent it audio; the newest one may."""
        self.attempts = 0
        """At storing it, that failed."""
        self.heard_at = 0.0
        """When audio last came, on the event loop's clock."""
        self._gaps: set[int] = set()
        self._late: set[int] = set()
        self._warnings: dict[tuple[str, float | None], Warned] = {}

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def path(self) -> Path:
        """Of its record on the local disk."""
        return self.spool.directory.with_suffix(JOB_SUFFIX)

    def save(self) -> None:
        """Keep the record beside the spool. Raises OSError."""
        temporary = self.path.with_suffix(".new")
        with temporary.open("w", encoding="utf-8") as file:
            file.write(self.record.to_json())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)

    def told(self, event: Event) -> Outcome | None:
        """Take note of what its session tells; how it ended, if that is the last event. One that is told again, by the
        process that takes it up, counts once."""
        match event:
            case Late():
                self._late.add(event.utterance)
            case Failed(utterance=int(utterance)):
                self._gaps.add(utterance)
            case Failed() if event.error.close_code is not None:
                return self._ended("failed", Error(event.error.code, event.error.message))
            case Warned() if len(self._warnings) < _MAX_WARNINGS:
                self._warnings[event.code, event.at] = event
            case Complete():
                ended = self._ended("done")
                return replace(ended, duration_seconds=event.duration, storage=event.storage)
            case _:
                pass
        return None

    def _ended(self, state: State, error: Error | None = None) -> Outcome:
        return Outcome(state, now(), error, gaps=len(self._gaps - self._late), warnings=tuple(self._warnings.values()))

    def note(self, outcome: Outcome | None) -> None:
        """Have the record say how it ended. Where the disk does not take that, the next process has less to tell."""
        self.record = replace(self.record, outcome=outcome, received_bytes=self.spool.received_bytes)
        with contextlib.suppress(OSError):
            self.save()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is that has not ended."""

    state: State
    received_bytes: int
    queue_position: int | None = None
    """1 for the one that runs next."""
    done_seconds: float = 0.0
    fraction: float = 0.0
    """Of all its audio, estimated."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A job as its owner sees it."""

    record: Record
    progress: Progress | None = field(default=None)
    """None when it has ended."""

    def document(self) -> Mapping[str, Any]:
        """As the API shows it; null is what is not known, or does not apply."""
        record, progress, outcome = self.record, self.progress, self.record.outcome
        shown: dict[str, Any] = {
            "id": record.id,
            "state": progress.state if progress else outcome.state if outcome else "done",
            "name": record.name,
            "created_at": record.created_at,
            "finished_at": outcome.finished_at if outcome and not progress else None,
            "options": asdict(record.options),
            "received_bytes": progress.received_bytes if progress else record.received_bytes,
            "total_bytes": record.total_bytes,
            "queue_position": progress.queue_position if progress else None,
            "progress": None,
            "duration_seconds": None,
            "gaps": 0,
            "warnings": [],
            "storage": None,
            "error": None,
        }
        del shown["options"]["resume"], shown["options"]["interim_results"]
        if progress and progress.state == "running":
            shown["progress"] = {"seconds": round(progress.done_seconds, 3), "fraction": round(progress.fraction, 4)}
        if outcome and not progress:
            shown |= _ending(outcome)
        return shown


def _ending(outcome: Outcome) -> dict[str, Any]:
    error, storage = outcome.error, outcome.storage
    return {
        "duration_seconds": outcome.duration_seconds,
        "gaps": outcome.gaps,
        "warnings": [asdict(warning) for warning in outcome.warnings],
        "storage": asdict(storage) if storage else None,
        "error": {"code": error.code, "message": error.message} if error else None,
    }
