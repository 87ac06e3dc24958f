"""The sessions of this process: who may begin one, and the runner and spool of each until it is stored."""

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import transcriber
from transcriber.events import Command, Disconnected, Draining, Error, Options, Started, Status
from transcriber.runner import Parts, Runner
from transcriber.spool import Spool

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What this process takes on."""

    sessions: int = 200
    session_seconds: float = 14_400
    session_bytes: int = 4 << 30
    lag_seconds: float = 10
    resume_seconds: float = 60


@dataclass(slots=True)
class Live:
    """A session that is not yet stored."""

    status: Status
    spool: Spool
    options: Options
    """As known so far."""
    started: bool = False
    ended: bool = False
    _holders: int = 1
    """The runner, until it is done, and every connection."""
    _give_way: Callable[[], None] | None = None
    _leaving: asyncio.TimerHandle | None = None
    _resume_seconds: float = 60

    @property
    def session_id(self) -> str:
        return self.status.session_id

    @property
    def resumable(self) -> bool:
        """Whether the client may go away and come back."""
        return self.options.resume and not self.ended

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
                loop = asyncio.get_running_loop()
                self._leaving = loop.call_later(self._resume_seconds, self.end, Disconnected())
            else:
                self.end(Disconnected())
        self.release()

    def release(self) -> None:
        """The runner or a connection no longer needs the spool; the last one closes it."""
        self._holders -= 1
        if not self._holders:
            self.spool.close()


@dataclass
class Sessions:
    """Owns spools and runners; connections come and go."""

    parts: Parts
    root: Path
    limits: Limits = field(default_factory=Limits)
    draining: bool = False

    def __post_init__(self) -> None:
        self._live: dict[str, Live] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.root.mkdir(parents=True, exist_ok=True)

    def __len__(self) -> int:
        return len(self._live)

    def refusal(self) -> Error | None:
        """Why no session can begin now, or None."""
        if self.draining:
            return Error("draining", "The service is about to stop; connect again to reach another one.")
        if len(self._live) >= self.limits.sessions:
            return Error("too_many_sessions", "The service has as many sessions as it may; try again later.")
        if self.parts.scheduler.lag_seconds > self.limits.lag_seconds:
            return Error("overloaded", "The engine can't keep up with the sessions there are; try again later.")
        return None

    def begin(self, options: Options) -> Live:
        """A new session with a runner of its own."""
        description = self.parts.engine.description
        status = Status(
            session_id=str(new_session_id()),
            started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            engine=description.engine,
            model=description.model,
            options=options,
            max_session_seconds=self.limits.session_seconds,
            version=transcriber.__version__,
            resume_token=secrets.token_urlsafe(24),
        )
        return self._run(status, Spool(self.root / status.session_id, limit_bytes=self.limits.session_bytes))

    def resume(self, token: str) -> Live | None:
        """The session that waits for the client with this token."""
        for live in self._live.values():
            if secrets.compare_digest(live.status.resume_token or "", token):
                return live if live.resumable else None
        return None

    def _run(self, status: Status, spool: Spool, *, recovering: bool = False) -> Live:
        live = Live(status, spool, status.options, _resume_seconds=self.limits.resume_seconds)
        live.ended = recovering
        self._live[status.session_id] = live
        runner = Runner(spool, status, self.parts, recovering=recovering)
        task = asyncio.create_task(self._finish(runner, live), name=f"session {status.session_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return live

    async def _finish(self, runner: Runner, live: Live) -> None:
        try:
            await runner.run()
        finally:
            live.ended = True
            self._live.pop(live.session_id, None)
            live.release()

    def recover(self) -> int:
        """Take up the sessions that a process before this one left unfinished; how many there are."""
        found = 0
        for directory in sorted(self.root.iterdir()):
            spool = Spool(directory, limit_bytes=self.limits.session_bytes)
            first = spool.events().next()
            if first is None or not isinstance(first[1], Status):
                spool.close()
                spool.delete()
                continue
            spool.append_command(Disconnected())
            self._run(first[1], spool, recovering=True)
            found += 1
        return found

    async def drain(self, seconds: float) -> None:
        """Take on nothing more; end what is going on after so many seconds, and wait until all is stored."""
        self.draining = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for live in self._live.values():
            live.end(Draining())
        while self._tasks:
            await asyncio.wait(self._tasks)


def new_session_id() -> UUID:
    """A UUID version 7 (RFC 9562, section 5.7): sortable by the time it was made."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)
