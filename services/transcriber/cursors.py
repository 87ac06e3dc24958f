"""Readers of a spool's logs, as they grow: events in order, and audio with commands between."""

from dataclasses import dataclass
from typing import Any, TypeGuard

from transcriber.events import Command, Event
from transcriber.notation import load
from transcriber.pieces import Pieces
from transcriber.records import RecordCursor, SpoolDamaged


@dataclass(frozen=True, slots=True)
class Messages:
    """A run of `count` messages of `size` bytes each; the first begins at byte `start`."""

    start: int
    size: int
    count: int


class EventCursor:
    """Reads numbered events in order, as they are appended."""

    def __init__(self, records: RecordCursor, after: int) -> None:
        self._records = records
        self._number = 0
        self._after = after

    def next(self) -> tuple[int, Event] | None:
        """The next event with its number, or None when there is none yet."""
        while (values := self._records.next()) is not None:
            self._number += 1
            if self._number > self._after:
                return self._number, _loaded(values)
        return None


class InputCursor:
    """Reads audio and commands in the order in which they came: audio up to the next command, then the command."""

    def __init__(self, audio: Pieces, records: RecordCursor) -> None:
        self._audio = audio
        self._records = records
        self._record: dict[str, Any] | None = None
        self.position = 0
        """The byte of audio that is read next."""

    def next(self, limit_bytes: int) -> bytes | Messages | Command | None:
        """At most `limit_bytes` of audio, or a command that takes effect here, or a run of messages that begins within
        the limit; None when there is nothing yet."""
        if self._record is None:
            self._record = self._records.next()
        bound = self._audio.size
        if (record := self._record) is not None:
            bound = record["byte"]
            if record["kind"] == "Messages":
                if bound < self.position + limit_bytes:
                    self._record = None
                    return input_of(record)
            elif bound <= self.position:
                self._record = None
                return input_of(record)
        data = self._audio.read(self.position, min(limit_bytes, bound - self.position))
        self.position += len(data)
        return data or None


def _loaded(values: dict[str, Any]) -> Any:
    try:
        return load(values)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise SpoolDamaged from None


def input_of(record: dict[str, Any]) -> Messages | Command:
    """What a record of the commands stands for."""
    values = dict(record)
    byte = values.pop("byte", None)
    if not _is_count(byte):
        raise SpoolDamaged
    if values.get("kind") != "Messages":
        return _loaded(values)
    size, count = values.get("size"), values.get("count")
    if not _is_count(size) or not _is_count(count):
        raise SpoolDamaged
    return Messages(byte, size, count)


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and value >= 0
