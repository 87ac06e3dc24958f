"""A session's memory on local disk: three append-only logs that everything else reads with a cursor.

`audio` holds bytes as received; `commands` what audio alone does not determine, each with the byte at which it takes
effect, and message sizes as runs; `events` what the client is told, numbered by line. What is lost with the process is
at most what the operating system had not yet written; a torn last line is cut off when the spool is opened again.
"""

import asyncio
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from transcriber.events import Ack, Close, Command, Event, Partial, Suspended, dump, load
from transcriber.records import Log, RecordCursor, Records, SpoolDamaged, no_space

JOB_SUFFIX = ".job"
"""Of a file beside a spool whose session is a job: `jobs` takes it up, and not `sessions`."""
_RUN_MESSAGES = 256
"""A run of equal messages is written at least this often, so that a crash loses little of the count."""


@dataclass(frozen=True, slots=True)
class Messages:
    """A run of `count` messages of `size` bytes each; the first begins at byte `start`."""

    start: int
    size: int
    count: int


def make_root(root: Path) -> None:
    """The folder that spools are in. One that can't be written to is told at the start, not by each session.

    Raises:
        OSError: who may not use it, and why.
    """
    refusal = f"the spool {root} can't be used by user {os.geteuid()}"
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise OSError(f"{refusal}: {problem.strerror}") from None
    if not os.access(root, os.W_OK | os.X_OK):
        raise OSError(f"{refusal}: it may not write there")


class SpoolFull(Exception):
    """The session has used up the bytes it may keep."""


class Quota:
    """The bytes that all spools of a process may take together."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.used_bytes = 0

    @property
    def full(self) -> bool:
        return self.used_bytes >= self.limit_bytes


class Spool:
    """One session's logs, and the bells that ring when something is appended."""

    def __init__(self, directory: Path, *, limit_bytes: int, quota: Quota | None = None) -> None:
        """`quota` is what it shares with the others.

        Raises:
            SpoolDamaged: what is there can't be read; it stays as it is.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._limit_bytes = limit_bytes
        self._quota = quota
        self._counted_bytes = 0
        """Bytes of it that the quota knows of."""
        self._deleted = self._closed = False
        self._audio = Log(directory / "audio")
        self._commands = Records(directory / "commands")
        self._events = Records(directory / "events")
        self._run = Messages(0, 0, 0)
        self.sealed = False
        """Whether the session listens no more."""
        self.messages = 0
        self.commands_left: list[str] = []
        """Kinds of the commands that were there when the spool was opened, each once."""
        try:
            self._survey()
        except SpoolDamaged:
            self.close()
            raise
        self._count()
        self.incoming = asyncio.Event()
        """Set when audio or a command was appended; the runner clears it."""
        self.outgoing = asyncio.Event()
        """Set when an event, partial or ack is there to be told, or the session closed; the connection clears it."""
        self.closed: Close | None = None
        """How the connection is to be closed, once every event is told."""
        self.parting: Suspended | None = None
        """What a connection is told last when the session goes on without it: no event of the session."""
        self._newest: dict[int, Partial] = {}
        self._ack: Ack | None = None

    @property
    def received_bytes(self) -> int:
        return self._audio.size

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._audio.size + self._commands.log.size + self._events.log.size

    @property
    def full(self) -> bool:
        """Whether the session has used up the bytes it may keep."""
        return self.size >= self._limit_bytes

    @property
    def events_told(self) -> int:
        return self._events.count

    def append_audio(self, data: bytes) -> None:
        """One message's audio; raises as `append_bytes` does."""
        if self.sealed:
            return
        start = self._audio.size
        self.append_bytes(data)
        self.messages += 1
        if self._run.size != len(data) or self._run.count == _RUN_MESSAGES:
            self._flush_run()
            self._run = Messages(start, len(data), 0)
        self._run = Messages(self._run.start, self._run.size, self._run.count + 1)

    def append_bytes(self, data: bytes) -> None:
        """Audio that did not come in messages.

        Raises:
            SpoolFull: the session's limit is reached; nothing was appended.
            OSError: the disk or the quota of all sessions is full, or the disk is broken; nothing was appended.
        """
        if self.size + len(data) > self._limit_bytes:
            raise SpoolFull
        if self._quota and self._quota.used_bytes + len(data) > self._quota.limit_bytes:
            raise no_space()
        self._audio.append(data)
        self._count()
        self.incoming.set()

    def append_command(self, command: Command, *, byte: int | None = None) -> None:
        """A command, taking effect after the audio received so far, or at an earlier byte that none is behind."""
        self._flush_run()
        self._commands.append({"byte": self._audio.size if byte is None else byte, **dump(command)})
        self._count()
        self.incoming.set()

    def append_event(self, event: Event) -> int:
        """The event's number, counted from 1."""
        self._newest.pop(getattr(event, "utterance", None) or 0, None)
        number = self._events.append(dump(event))
        self._count()
        self.outgoing.set()
        return number

    def offer(self, passing: Partial | Ack) -> None:
        """Tell this unless something newer of its kind comes first."""
        if isinstance(passing, Ack):
            self._ack = passing
        else:
            self._newest[passing.utterance] = passing
        self.outgoing.set()

    def take_offers(self) -> list[Partial | Ack]:
        """What was offered and not yet taken."""
        offers: list[Partial | Ack] = [*self._newest.values()]
        self._newest.clear()
        if self._ack:
            offers.append(self._ack)
            self._ack = None
        return offers

    def seal(self) -> None:
        """The session listens no more: audio that still comes is left, and the recording has its final size."""
        self.sealed = True

    def shut(self, close: Close, parting: Suspended | None = None) -> None:
        """No event comes any more."""
        self.closed, self.parting = close, parting
        self.outgoing.set()

    def read_audio(self, offset: int, length: int) -> bytes:
        return self._audio.read(offset, length)

    def audio_pieces(self, start: int = 0, piece_bytes: int = 1 << 20) -> Iterator[bytes]:
        """The audio from `start` to where it ends now."""
        for offset in range(start, self._audio.size, piece_bytes):
            yield self._audio.read(offset, piece_bytes)

    def _survey(self) -> None:
        """What a process before this one left."""
        cursor = RecordCursor(self._commands)
        while (record := cursor.next()) is not None:
            item = _input(record)
            if record["byte"] > self._audio.size:
                raise SpoolDamaged
            self.messages += item.count if isinstance(item, Messages) else 0
            if record["kind"] not in self.commands_left:
                self.commands_left.append(record["kind"])

    def _count(self) -> None:
        if self._quota:
            size = self.size
            self._quota.used_bytes += size - self._counted_bytes
            self._counted_bytes = size

    def inputs(self) -> "InputCursor":
        """A cursor at the start of audio and commands."""
        return InputCursor(self._audio, RecordCursor(self._commands))

    def events(self, after: int = 0) -> "EventCursor":
        """A cursor behind the event with that number."""
        return EventCursor(RecordCursor(self._events), after)

    @property
    def open_run(self) -> Messages:
        """The newest run of messages, which may still grow and is not among the commands yet."""
        return self._run

    def _flush_run(self) -> None:
        if self._run.count:
            run = self._run
            self._commands.append({"byte": run.start, "kind": "Messages", "size": run.size, "count": run.count})
            self._run = Messages(self._audio.size, 0, 0)

    def close(self) -> None:
        """Give back the files; what they hold stays, unless they were deleted."""
        self._flush_run()
        for log in (self._audio, self._commands.log, self._events.log):
            log.close()
        self._closed = True
        self._give_back()

    def delete(self) -> None:
        """Remove the logs for good; the disk has their room back when they are closed."""
        self._deleted = True
        shutil.rmtree(self.directory, ignore_errors=True)
        self._give_back()

    def _give_back(self) -> None:
        if self._quota and self._deleted and self._closed:
            self._quota.used_bytes -= self._counted_bytes
            self._counted_bytes = 0


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

    def __init__(self, audio: Log, records: RecordCursor) -> None:
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
                    return _input(record)
            elif bound <= self.position:
                self._record = None
                return _input(record)
        data = self._audio.read(self.position, min(limit_bytes, bound - self.position))
        self.position += len(data)
        return data or None


def _loaded(values: dict[str, Any]) -> Any:
    try:
        return load(values)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise SpoolDamaged from None


def _input(record: dict[str, Any]) -> Messages | Command:
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
