"""The sessions of this process: who may begin one, and the runner and spool of each until it is stored."""

import asyncio
import logging
import math
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import transcriber
from transcriber.events import (
    Close,
    Command,
    Disconnected,
    Draining,
    Ended,
    Error,
    Options,
    Started,
    Status,
    Suspended,
    Warned,
)
from transcriber.replay import statuses_told
from transcriber.runner import Parts, Runner, Watch
from transcriber.session_ids import made_at, new_session_id
from transcriber.spool import JOB_SUFFIX, Quota, Spool, SpoolDamaged, make_root

log = logging.getLogger(__name__)

_NOTICE_SECONDS = 60
"""How long before its end a session is warned."""
_OVERDUE_SECONDS = 300
"""How long after its end a session may take for its last texts and for being stored, before nothing waits for it."""
_LAST_COMMANDS = {command.__name__ for command in (Disconnected, Draining, Ended)}


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

    def command(self, command: Command) -> None:
        """Spool a command, unless no more may come."""
        if not self.ended:
            if isinstance(command, Started) and not self.started:
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

    def release(self) -> None:
        """The runner or a connection no longer needs the spool; the last one closes it."""
        self._holders -= 1
        if not self._holders:
            self.spool.close()

    def stop_clocks(self) -> None:
        for clock in (*self._clocks, self._leaving):
            if clock:
                clock.cancel()


@dataclass
class Sessions:
    """Owns spools and runners; connections come and go."""

    parts: Parts
    root: Path
    limits: Limits = field(default_factory=Limits)
    draining: bool = False

    def __post_init__(self) -> None:
        self._live: dict[str, Live] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        """Runners, by session."""
        self._quota = Quota(self.limits.spool_bytes)
        make_root(self.root)

    def __len__(self) -> int:
        return len(self._live)

    @property
    def spool_bytes(self) -> int:
        """What they take on the disk."""
        return self._quota.used_bytes

    @property
    def remaining_seconds(self) -> float:
        """How long the sessions there are may still take; 0 when there is none, or none but those that should long be
        stored."""
        now = asyncio.get_running_loop().time()
        remaining = [live.must_end_at - now for live in self._live.values()]
        return max([1.0, *remaining]) if max(remaining, default=-math.inf) > -_OVERDUE_SECONDS else 0

    def refusal(self) -> Error | None:
        """Why no session can begin now, or None."""
        if self.draining:
            return Error("draining", "The service is about to stop; connect again to reach another one.")
        if sum(not live.patient for live in self._live.values()) >= self.limits.sessions:
            return Error("too_many_sessions", "The service has as many sessions as it may; try again later.")
        if self.parts.scheduler.lag_seconds > self.limits.lag_seconds:
            return Error("overloaded", "The engine can't keep up with the sessions there are; try again later.")
        return self.no_room()

    def no_room(self) -> Error | None:
        """Why nothing more can be spooled now, or None."""
        if self._quota.full or shutil.disk_usage(self.root).free < self.limits.free_bytes:
            return Error("storage_full", "The service has no room for another recording; try again later.")
        return None

    def begin(self, options: Options) -> Live:
        """A new session with a runner of its own."""
        status = replace(self.status(options), resume_token=secrets.token_urlsafe(24))
        live = self._live_with(status, self.spool(status.session_id))
        self._run(live, Runner(live.spool, status, self.parts))
        return live

    def status(self, options: Options, session_id: str | None = None) -> Status:
        """What a session is, new or named before; it began when its id was made."""
        description = self.parts.engine.description
        return Status(
            session_id=(named := session_id or str(new_session_id())),
            started_at=made_at(named) or "",
            engine=description.engine,
            model=description.model,
            options=options,
            max_session_seconds=self.limits.session_seconds,
            version=transcriber.__version__,
        )

    def run_patiently(self, status: Status, spool: Spool, told: Watch) -> tuple[Runner, asyncio.Task[None]]:
        """Work on a session whose audio is all there and that nobody is connected to; `told` gets each of its events.
        The task ends when it is stored, and is cancelled when the next process is to go on with it."""
        live = self._live_with(status, spool)
        live.must_end_at = asyncio.get_running_loop().time() + self.limits.session_seconds
        live.started = live.ended = live.patient = True
        runner = Runner(spool, status, self.parts, recovering=spool.events_told > 0, watch=told)
        self._run(live, runner)
        return runner, self._tasks[status.session_id]

    def resume(self, token: str) -> Live | None:
        """The session that waits for the client with this token."""
        for live in self._live.values():
            if secrets.compare_digest((live.status.resume_token or "").encode(), token.encode()):
                return live if live.resumable else None
        return None

    def spool(self, session_id: str) -> Spool:
        """The spool of a session; new, or as a process before this one left it. Raises SpoolDamaged."""
        return Spool(self.root / session_id, limit_bytes=self.limits.session_bytes, quota=self._quota)

    def _live_with(self, status: Status, spool: Spool) -> Live:
        age = (datetime.now(UTC) - datetime.fromisoformat(status.started_at)).total_seconds()
        must_end_at = asyncio.get_running_loop().time() + self.limits.session_seconds - age
        return Live(status, spool, status.options, self.limits, must_end_at)

    def _run(self, live: Live, runner: Runner) -> None:
        self._live[live.session_id] = live
        if not live.ended:
            live.watch_clock()
        task = asyncio.create_task(runner.run(), name=f"session {live.session_id}")
        self._tasks[live.session_id] = task
        task.add_done_callback(lambda _: self._over(live))

    def _over(self, live: Live) -> None:
        live.ended = True
        live.stop_clocks()
        del self._live[live.session_id], self._tasks[live.session_id]
        live.release()

    def recover(self) -> int:
        """Take up the sessions that a process before this one left unfinished; how many there are. Those that can be
        resumed wait for their clients."""
        found = 0
        for directory in sorted(path for path in self.root.iterdir() if path.is_dir()):
            if directory.with_suffix(JOB_SUFFIX).exists():
                continue
            try:
                spool = self.spool(directory.name)
                statuses = statuses_told(spool)
            except SpoolDamaged:
                log.error("spool damaged: left as it is", extra={"session": directory.name})
                continue
            if statuses:
                self._take_up(spool, statuses[0], statuses[-1])
                found += 1
            else:
                spool.delete()
                spool.close()
        return found

    def _take_up(self, spool: Spool, first: Status, last: Status) -> None:
        """Run a session again from its beginning. The `last` status has the token, if the client was given one."""
        live = self._live_with(replace(first, resume_token=last.resume_token), spool)
        live.options, live.started = last.options, Started.__name__ in spool.commands_left
        live.ended = last.resume_token is None or not _LAST_COMMANDS.isdisjoint(spool.commands_left)
        if live.ended:
            live.left_over = True
            spool.append_command(Disconnected())
        else:
            live.wait_for_client()
        self._run(live, Runner(spool, live.status, self.parts, recovering=True))

    async def drain(self, seconds: float, text_seconds: float = 20) -> None:
        """Take on nothing more, and wait until everything is stored.

        Sessions that can be resumed are suspended, and those of a process before this one are left as they are: the
        next process has their spools. The others are told, and end after so many seconds. What has no text
        `text_seconds` later gets none.
        """
        self.draining = True
        for live in tuple(self._live.values()):
            if live.resumable:
                live.suspend()
                self._tasks[live.session_id].cancel()
            elif live.left_over:
                self._tasks[live.session_id].cancel()
            elif seconds and not live.ended:
                message = f"The service is about to stop and ends the session in {seconds:.0f} s."
                live.tell(Warned("draining", message))
        await self._stored(seconds)
        for live in self._live.values():
            if live.patient:
                self._tasks[live.session_id].cancel()
            else:
                live.end(Draining())
        await self._stored(text_seconds)
        if self._tasks:
            log.warning("sessions end without their last texts", extra={"sessions": len(self._tasks)})
            await self.parts.scheduler.close()
        await self._stored(None)

    async def _stored(self, seconds: float | None) -> None:
        """Until no session is left, but no longer than so many seconds."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=seconds)
