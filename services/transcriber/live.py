"""One session that is not yet stored: who it belongs to, its spool, and the clocks that end it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from transcriber.bounds import Bounds
from transcriber.events import (
    Close,
    Command,
    Disconnected,
    Ended,
    Error,
    Options,
    Reconfigure,
    Record,
    Rejected,
    Started,
    Status,
    Suspended,
    Warned,
)
from transcriber.spool import Spool

_NOTICE_SECONDS = 60
"""How long before its end a session is warned."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What this process takes on."""

    sessions: int = 200
    session_seconds: float = 14_400
    """In audio, and on the clock."""
    session_bytes: int = 4 << 30
    spool_bytes: int = 64 << 30
    """Of all sessions together."""
    free_bytes: int = 512 << 20
    """With less room on the disk, no session begins."""
    lag_seconds: float = 10
    resume_seconds: float = 60
    idle_seconds: float = 120
    """Without a message from a client that is connected."""
    messages_per_second: int = 2000
    """Of one connection."""
    record: Record = "audio+text"
    """The most that is kept of a session."""
    restore_seconds: float = 60
    """Until what the store refused is offered to it again; twice as long each time, up to an hour."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Whose session it is, and what they may do in it."""

    owner: str = ""
    """Empty where there are no keys."""
    key_id: str = ""
    """Of the key that they came with."""
    bounds: Bounds = field(default_factory=Bounds)
    seconds: float | None = None
    """The longest it may be; None leaves it to the limits."""


@dataclass(slots=True)
class Live:
    """A session that is not yet stored."""

    status: Status
    spool: Spool
    options: Options
    """As known so far."""
    limits: Limits
    must_end_at: float
    """On the event loop's clock."""
    admission: Admission = field(default_factory=Admission)
    audio_seconds: Callable[[], float] = float
    """How much audio it has had so far."""
    started: bool = False
    ended: bool = False
    left_over: bool = False
    """Whether a process before this one was asked to end it."""
    patient: bool = False
    """Whether nobody is connected who waits: what is not done goes on in the next process."""
    _holders: int = 1
    """The runner, until it is done, and every connection."""
    _give_way: Callable[[], None] | None = None
    _leaving: asyncio.TimerHandle | None = None
    _clocks: tuple[asyncio.TimerHandle, ...] = ()

    @property
    def session_id(self) -> str:
        return self.status.session_id

    @property
    def resumable(self) -> bool:
        """Whether the client may go away and come back."""
        return self.options.resume and not self.ended and not self.spool.sealed

    @property
    def waits_for_client(self) -> bool:
        """Whether nobody is connected, and the client may still come back."""
        return self._leaving is not None and not self.ended

    def bounded(self, command: Command) -> Command:
        """A command as far as its client may give it."""
        match command:
            case Started(options):
                found = self.admission.bounds.applied(options, self.status.model)
                return Rejected(replace(found, close_code=1008)) if isinstance(found, Error) else Started(found)
            case Reconfigure(changes):
                found = self.admission.bounds.applied(replace(self.options, **changes), self.status.model)
                if isinstance(found, Error):
                    return Rejected(found)
                return Reconfigure({name: getattr(found, name) for name in changes})
            case _:
                return command

    def command(self, command: Command) -> None:
        """Spool a command, unless no more may come."""
        if not self.ended:
            if isinstance(command, Started) and not self.started:
                command = replace(command, options=command.options.within(self.status.options.record))
                self.started, self.options = True, command.options
            self.spool.append_command(command)

    def end(self, command: Command) -> None:
        """Spool the last command; only the first one counts."""
        self.command(command)
        self.ended = True

    def tell(self, warning: Warned) -> None:
        """Tell what is not about the audio, unless the client was told the end."""
        if self.spool.closed is None:
            self.spool.append_event(warning)

    def watch_clock(self) -> None:
        """Tell the client before the session is too long, and end it then."""
        loop = asyncio.get_running_loop()
        clocks = [loop.call_at(self.must_end_at, self._end_too_long)]
        if (notice_at := self.must_end_at - _NOTICE_SECONDS) > loop.time():
            message = f"The session is nearly as long as sessions may be and ends in {_NOTICE_SECONDS} s."
            clocks.append(loop.call_at(notice_at, self.tell, Warned("session_ends_soon", message)))
        self._clocks = tuple(clocks)

    def _end_too_long(self) -> None:
        if not self.ended:
            self.tell(Warned("session_too_long", "The session is as long as sessions may be, and ends here."))
            self.end(Ended())

    def suspend(self) -> None:
        """Let the client go to whoever takes up the spool; nothing more is taken here."""
        if not self.started and self.options != self.status.options:
            self.command(Started(self.options))
        self.ended = True
        token = self.status.resume_token or ""
        self.spool.shut(Close(1012, "service restart"), Suspended(token, self.spool.received_bytes))

    def attach(self, give_way: Callable[[], None]) -> None:
        """A connection serves the client from now on; the one before it, if any, gives way."""
        self._holders += 1
        if self._leaving:
            self._leaving.cancel()
            self._leaving = None
            self.spool.incoming.set()  # From now on, silence is a pause again.
        if self._give_way:
            self._give_way()
        self._give_way = give_way

    def detach(self, give_way: Callable[[], None]) -> None:
        """The connection that attached so is over. Unless another one serves the client now, the client is gone: for
        good, or for a while where it may come back."""
        if self._give_way is give_way:
            self._give_way = None
            if self.resumable:
                self.wait_for_client()
            else:
                self.end(Disconnected())
        self.release()

    def wait_for_client(self) -> None:
        """Nobody is connected: end it unless the client comes back in time."""
        loop = asyncio.get_running_loop()
        self._leaving = loop.call_later(self.limits.resume_seconds, self.end, Disconnected())
        self.spool.incoming.set()

    def release(self) -> None:
        """The runner or a connection no longer needs the spool; the last one closes it."""
        self._holders -= 1
        if not self._holders:
            self.spool.close()

    def stop_clocks(self) -> None:
        for clock in (*self._clocks, self._leaving):
            if clock:
                clock.cancel()
