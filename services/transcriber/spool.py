"""A session's memory on local disk: three append-only logs that everything else reads with a cursor.

`audio` holds bytes as received; `commands` what audio alone does not determine, each with the byte at which it takes
effect, and message sizes as runs; `events` what the client is told, numbered by line. What is lost with the process is
at most what the operating system had not yet written; a torn last line is cut off when the spool is opened again.
"""

import asyncio
import json
import os
import shutil
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transcriber.events import Ack, Close, Command, Event, Partial, dump, load

_READ_BYTES = 1 << 16
_RUN_MESSAGES = 256
"""A run of equal messages is written at least this often, so that a crash loses little of the count."""


@dataclass(frozen=True, slots=True)
class Messages:
    """A run of `count` messages of `size` bytes each; the first begins at byte `start`."""

    start: int
    size: int
    count: int


class SpoolFull(Exception):
    """The session has used up the bytes it may keep."""


class Log:
    """An append-only file."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.size = os.fstat(self._file).st_size

    def append(self, data: bytes) -> None:
        """Raises OSError, also when only a part could be written; what was written of it is taken back."""
        written = os.write(self._file, data)
        if written != len(data):
            os.ftruncate(self._file, self.size)
            raise OSError(28, os.strerror(28))
        self.size += written

    def read(self, offset: int, length: int) -> bytes:
        """What is there; shorter than `length` only at the end."""
        return os.pread(self._file, min(length, max(0, self.size - offset)), offset)

    def cut(self, size: int) -> None:
        os.ftruncate(self._file, size)
        self.size = size

    def close(self) -> None:
        os.close(self._file)


class Records:
    """An append-only file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self.log = Log(path)
        self.count = 0
        self.unwritten: list[bytes] = []
        """Lines that the disk did not take: they are few, since a session whose audio it does not take ends."""
        self._mend()

    def append(self, values: dict[str, Any]) -> int:
        """The record's number, counted from 1. Never fails: a session must be able to end on a full disk."""
        line = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        if not self._written(line):
            self.unwritten.append(line)
        self.count += 1
        return self.count

    def _written(self, line: bytes) -> bool:
        if self.unwritten:
            return False
        try:
            self.log.append(line)
        except OSError:
            return False
        return True

    def _mend(self) -> None:
        """Count the lines; cut off a last one that was not wholly written."""
        whole = 0
        for offset in range(0, self.log.size, _READ_BYTES):
            piece = self.log.read(offset, _READ_BYTES)
            self.count += piece.count(b"\n")
            if (newline := piece.rfind(b"\n")) >= 0:
                whole = offset + newline + 1
        if whole != self.log.size:
            self.log.cut(whole)


class RecordCursor:
    """Reads records in order, as they are appended."""

    def __init__(self, records: Records) -> None:
        self._log = records.log
        self._unwritten = records.unwritten
        self._offset = 0
        self._beyond = 0
        """Lines read that are not in the file."""
        self._lines: deque[bytes] = deque()
        self._torn = b""

    def next(self) -> dict[str, Any] | None:
        """The next record, or None when there is none yet."""
        while not self._lines:
            if piece := self._log.read(self._offset, _READ_BYTES):
                self._offset += len(piece)
                *lines, self._torn = (self._torn + piece).split(b"\n")
                self._lines.extend(lines)
            elif self._beyond < len(self._unwritten):
                self._lines.append(self._unwritten[self._beyond])
                self._beyond += 1
            else:
                return None
        return json.loads(self._lines.popleft())


class Spool:
    """One session's logs, and the bells that ring when something is appended."""

    def __init__(self, directory: Path, *, limit_bytes: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._limit_bytes = limit_bytes
        self._audio = Log(directory / "audio")
        self._commands = Records(directory / "commands")
        self._events = Records(directory / "events")
        self._run = Messages(0, 0, 0)
        self._sealed = False
        self.messages = sum(record.get("count", 0) for record in self._all_commands())
        self.incoming = asyncio.Event()
        """Set when audio or a command was appended; the runner clears it."""
        self.outgoing = asyncio.Event()
        """Set when an event, partial or ack is there to be told, or the session closed; the connection clears it."""
        self.closed: Close | None = None
        """How the connection is to be closed, once every event is told."""
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
        """One message's audio.

        Raises:
            SpoolFull: the session's limit is reached; nothing was appended.
            OSError: the disk is full or broken; nothing was appended.
        """
        if self._sealed:
            return
        if self.size + len(data) > self._limit_bytes:
            raise SpoolFull
        start = self._audio.size
        self._audio.append(data)
        self.messages += 1
        if self._run.size != len(data) or self._run.count == _RUN_MESSAGES:
            self._flush_run()
            self._run = Messages(start, len(data), 0)
        self._run = Messages(self._run.start, self._run.size, self._run.count + 1)
        self.incoming.set()

    def append_command(self, command: Command) -> None:
        """A command, taking effect after the audio received so far."""
        self._flush_run()
        self._commands.append({"byte": self._audio.size, **dump(command)})
        self.incoming.set()

    def append_event(self, event: Event) -> int:
        """The event's number, counted from 1."""
        self._newest.pop(getattr(event, "utterance", None) or 0, None)
        number = self._events.append(dump(event))
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
        self._sealed = True

    def shut(self, close: Close) -> None:
        """No event comes any more."""
        self.closed = close
        self.outgoing.set()

    def read_audio(self, offset: int, length: int) -> bytes:
        return self._audio.read(offset, length)

    def audio_pieces(self, start: int = 0, piece_bytes: int = 1 << 20) -> Iterator[bytes]:
        """The audio from `start` to where it ends now."""
        for offset in range(start, self._audio.size, piece_bytes):
            yield self._audio.read(offset, piece_bytes)

    def _all_commands(self) -> Iterator[dict[str, Any]]:
        cursor = RecordCursor(self._commands)
        while (record := cursor.next()) is not None:
            yield record

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
        """Give back the files; what they hold stays."""
        for log in (self._audio, self._commands.log, self._events.log):
            log.close()

    def delete(self) -> None:
        """Remove the logs for good."""
        shutil.rmtree(self.directory, ignore_errors=True)


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
                return self._number, load(values)
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
                    return Messages(record["byte"], record["size"], record["count"])
            elif bound <= self.position:
                self._record = None
                return load({name: value for name, value in record.items() if name != "byte"})
        data = self._audio.read(self.position, min(limit_bytes, bound - self.position))
        self.position += len(data)
        return data or None
