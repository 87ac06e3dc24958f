"""A session's memory on local disk: three append-only logs that everything else reads with a cursor.

`audio` holds bytes as received, in pieces that can be let go of when they are safe in the store; `commands` what audio
alone does not determine, each with the byte at which it takes effect, and message sizes as runs; `events` what the
client is told, numbered by line. What is lost with the process is at most what the operating system had not yet
written; a torn last line is cut off when the spool is opened again.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from transcriber.cursors import EventCursor, InputCursor, Messages, input_of
from transcriber.events import (
    Ack,
    Close,
    Command,
    Event,
    Partial,
    PauseRecording,
    Recording,
    Suspended,
)
from transcriber.notation import dump
from transcriber.pauses import Pauses
from transcriber.pieces import Pieces
from transcriber.records import RecordCursor, Records, SpoolDamaged, no_space

JOB_SUFFIX = ".job"
"""Of a file beside a spool whose session is a job: `jobs` takes it up, and not `sessions`."""
_BESIDE = "beside-"
_RUN_MESSAGES = 256
"""A run of equal messages is written at least this often, so that a crash loses little of the count."""


def make_root(root: Path) -> None:
    """The folder that spools are in. One that can't be written to is told at the start, not by each session.

    Raises:
        OSError: who may not use it, and why.
    """
    refusal = f"the spool {root} can't be used by user {os.geteuid()}"
    try:
        root.mkdir(0o700, parents=True, exist_ok=True)
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

    def __init__(
        self, directory: Path, *, limit_bytes: int, quota: Quota | None = None, piece_bytes: int | None = None
    ) -> None:
        """`quota` is what it shares with the others; `piece_bytes` how large pieces of audio are that may be let go of.

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
        self._audio = Pieces(directory, piece_bytes or sys.maxsize)
        self._beside = {path.name: path.stat().st_size for path in directory.glob(f"{_BESIDE}*")}
        """Sizes of the files kept beside the logs."""
        self.pauses = Pauses()
        """Of the recording, in bytes of audio."""
        self.fetch: Callable[[int, int], Awaitable[bytes]] | None = None
        """Gets audio back that was let go of, from one position to another."""
        self._commands = Records(directory / "commands")
        self._events = Records(directory / "events")
        self._run = Messages(0, 0, 0)
        self.sealed = False
        """Whether the session listens no more."""
        self.messages = 0
        self.commands_left: list[str] = []
        """Kinds of the commands that were there when the spool was opened, each once."""
        self._survey()
        self._count()
        self.incoming = asyncio.Event()
        """Set when audio or a command was appended; the runner clears it."""
        self.grown = asyncio.Event()
        """Set when a piece of audio is whole; the recorder clears it."""
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
        return self._audio.disk_bytes + sum(self._beside.values()) + self._commands.log.size + self._events.log.size

    @property
    def _taken_bytes(self) -> int:
        """All that the session ever appended."""
        return self._audio.size + self._commands.log.size + self._events.log.size

    @property
    def full(self) -> bool:
        """Whether the session has used up the bytes it may send."""
        return self._taken_bytes >= self._limit_bytes

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
        if self._taken_bytes + len(data) > self._limit_bytes:
            raise SpoolFull
        self._ask_quota(len(data))
        start = self._audio.size
        self._audio.append(data)
        self._count()
        if self._audio.begun_at >= start:
            self.grown.set()
        self.incoming.set()

    def append_command(self, command: Command, *, byte: int | None = None) -> None:
        """A command, taking effect after the audio received so far, or at an earlier byte that none is behind."""
        self._flush_run()
        byte = self._audio.size if byte is None else byte
        self._commands.append({"byte": byte, **dump(command)})
        self._note(command, byte)
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
        self.closed, self.parting, self._ack = close, parting, None
        self.outgoing.set()

    def read_audio(self, offset: int, length: int) -> bytes:
        """Audio that is here; shorter than `length` only at the end.

        Raises:
            LetGo: it is not.
        """
        read = bytearray()
        while len(read) < length and (part := self._audio.read(offset + len(read), length - len(read))):
            read += part
        return bytes(read)

    def whole_piece(self, start: int) -> tuple[int, int] | None:
        """Where the piece of audio that begins at `start` begins and ends; None while it may grow."""
        return self._audio.whole_from(start)

    @property
    def all_audio_here(self) -> bool:
        return self._audio.disk_bytes == self._audio.size

    def has_audio(self, position: int) -> bool:
        """Whether the audio at a position is here."""
        return self._audio.missing(position) is None

    def release_audio(self, before: int) -> None:
        """Nobody here needs audio before a position: it is safe, and can be fetched. What was received in a pause of
        the recording is safe nowhere else, and stays."""
        self._audio.release(before, self.pauses.ranges)
        self._count()

    async def have_audio(self, position: int) -> None:
        """Have the audio at a position here, if it was let go of."""
        while self.fetch and (missing := self._audio.missing(position)):
            self._audio.restore(missing[0], await self.fetch(*missing))
            self._count()

    def put_beside(self, name: str, data: bytes) -> None:
        """Keep a small file with the logs. Raises OSError, also when the quota of all sessions is full."""
        self._ask_quota(len(data))
        (self.directory / f"{_BESIDE}{name}").write_bytes(data)
        self._beside[f"{_BESIDE}{name}"] = len(data)
        self._count()

    def read_beside(self, name: str) -> bytes:
        """Raises OSError."""
        return (self.directory / f"{_BESIDE}{name}").read_bytes()

    def drop_beside(self, name: str) -> None:
        self._beside.pop(f"{_BESIDE}{name}", None)
        (self.directory / f"{_BESIDE}{name}").unlink(missing_ok=True)
        self._count()

    def _ask_quota(self, more_bytes: int) -> None:
        if self._quota and self._quota.used_bytes + more_bytes > self._quota.limit_bytes:
            raise no_space()

    def _note(self, command: Command | Messages, byte: int) -> None:
        if byte > self._audio.size:
            raise SpoolDamaged
        if isinstance(command, Recording):
            self.pauses.mark(byte, paused=isinstance(command, PauseRecording))

    def _survey(self) -> None:
        """What a process before this one left."""
        try:
            cursor = RecordCursor(self._commands)
            while (record := cursor.next()) is not None:
                item = input_of(record)
                self.messages += item.count if isinstance(item, Messages) else 0
                self._note(item, record["byte"])
                if record["kind"] not in self.commands_left:
                    self.commands_left.append(record["kind"])
        except SpoolDamaged:
            self.close()
            raise

    def _count(self) -> None:
        if self._quota:
            size = self.size
            self._quota.used_bytes += size - self._counted_bytes
            self._counted_bytes = size

    def inputs(self) -> InputCursor:
        """A cursor at the start of audio and commands."""
        return InputCursor(self._audio, RecordCursor(self._commands))

    def events(self, after: int = 0) -> EventCursor:
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
