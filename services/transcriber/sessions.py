"""The sessions of this process: who may begin one, and the runner and spool of each until it is stored."""

import asyncio
import logging
import math
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import transcriber
from transcriber.events import Disconnected, Draining, Ended, Error, Options, Started, Status, Warned
from transcriber.live import Admission, Limits, Live
from transcriber.parts import Parts
from transcriber.replay import statuses_told
from transcriber.retries import again_after
from transcriber.runner import Runner, Watch
from transcriber.session_ids import made_at, new_session_id
from transcriber.spool import JOB_SUFFIX, Quota, Spool, SpoolDamaged, make_root

log = logging.getLogger(__name__)

_OVERDUE_SECONDS = 300
"""How long after its end a session may take for its last texts and for being stored, before nothing waits for it."""
_LAST_COMMANDS = {command.__name__ for command in (Disconnected, Draining, Ended)}


@dataclass
class Sessions:
    """Owns spools and runners; connections come and go."""

    parts: Parts
    root: Path
    limits: Limits = field(default_factory=Limits)
    draining: bool = False
    on_over: Callable[[Live], None] = lambda _: None
    """Told of each session that is over."""

    def __post_init__(self) -> None:
        self._live: dict[str, Live] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        """Runners, by session."""
        self._refused: dict[str, int] = {}
        """How often the store has refused sessions that have ended."""
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
        # Sessions that were told their end only wait for the store, which may take long.
        going_on = (live for live in self._live.values() if not live.patient and live.spool.closed is None)
        if sum(1 for _ in going_on) >= self.limits.sessions:
            return Error("too_many_sessions", "The service has as many sessions as it may; try again later.")
        if self.parts.scheduler.lag_seconds > self.limits.lag_seconds:
            return Error("overloaded", "The engine can't keep up with the sessions there are; try again later.")
        return self.no_room()

    def no_room(self) -> Error | None:
        """Why nothing more can be spooled now, or None."""
        if self._quota.full or shutil.disk_usage(self.root).free < self.limits.free_bytes:
            return Error("storage_full", "The service has no room for another recording; try again later.")
        return None

    def running(self, owner: str) -> frozenset[str]:
        """The sessions of somebody that are not yet stored; jobs are not among them."""
        return frozenset(live.session_id for live in self._of(owner) if not live.patient)

    def has(self, session_id: str, owner: str) -> bool:
        """Whether a session of theirs is not yet stored."""
        live = self._live.get(session_id)
        return live is not None and live.status.owner == owner

    def living(self) -> tuple[Live, ...]:
        """Those that are not yet stored."""
        return tuple(self._live.values())

    def audio_seconds(self, owner: str) -> dict[str, float]:
        """How much audio somebody's sessions and jobs have had so far."""
        return {live.session_id: live.audio_seconds() for live in self._of(owner)}

    def _of(self, owner: str) -> Iterator[Live]:
        return (live for live in self._live.values() if live.status.owner == owner)

    def begin(self, options: Options, admission: Admission | None = None) -> Live:
        """A new session with a runner of its own."""
        admission = admission or Admission()
        status = self.status(options, owner=admission.owner)
        longest = status.max_session_seconds if admission.seconds is None else admission.seconds
        status = replace(
            status,
            resume_token=secrets.token_urlsafe(24),
            max_session_seconds=min(longest, status.max_session_seconds),
        )
        live = self._live_with(status, self.spool(status.session_id))
        live.admission = admission
        self._run(live, Runner(live.spool, status, self.parts))
        return live

    def status(self, options: Options, session_id: str | None = None, *, owner: str = "") -> Status:
        """What a session is, new or named before; it began when its id was made. No more is kept than of any."""
        description = self.parts.engine.description
        return Status(
            session_id=(named := session_id or str(new_session_id())),
            started_at=made_at(named) or "",
            engine=description.engine,
            model=description.model,
            options=options.within(self.limits.record),
            max_session_seconds=self.limits.session_seconds,
            version=transcriber.__version__,
            owner=owner,
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

    def resume(self, token: str, admission: Admission | None = None) -> Live | None:
        """The session of theirs that waits for the client with this token."""
        admission = admission or Admission()
        for live in self._live.values():
            if secrets.compare_digest((live.status.resume_token or "").encode(), token.encode()):
                if not live.resumable or live.status.owner != admission.owner:
                    return None
                live.admission = admission
                return live
        return None

    def spool(self, session_id: str) -> Spool:
        """The spool of a session; new, or as a process before this one left it. Raises SpoolDamaged."""
        pieces, limit = self.parts.recorder.piece_bytes(self.limits.session_bytes), self.limits.session_bytes
        return Spool(self.root / session_id, limit_bytes=limit, quota=self._quota, piece_bytes=pieces)

    def _live_with(self, status: Status, spool: Spool) -> Live:
        age = (datetime.now(UTC) - datetime.fromisoformat(status.started_at)).total_seconds()
        must_end_at = asyncio.get_running_loop().time() + status.max_session_seconds - age
        return Live(status, spool, status.options, self.limits, must_end_at)

    def _run(self, live: Live, runner: Runner) -> None:
        self._live[live.session_id] = live
        live.audio_seconds = lambda: runner.audio_seconds
        runner.away = lambda: live.waits_for_client
        if not live.ended:
            live.watch_clock()
        task = asyncio.create_task(runner.run(), name=f"session {live.session_id}")
        self._tasks[live.session_id] = task
        task.add_done_callback(lambda _: self._over(live, runner))

    def _over(self, live: Live, runner: Runner) -> None:
        live.ended = True
        self.on_over(live)
        live.stop_clocks()
        del self._live[live.session_id], self._tasks[live.session_id]
        live.release()
        if not live.patient and runner.storage is not None and runner.storage.state == "failed":
            self._store_later(live.session_id)
        else:
            self._refused.pop(live.session_id, None)

    def _store_later(self, session_id: str) -> None:
        """The store took no recording; what has it is the spool, as after a crash."""
        attempts = self._refused.get(session_id, 0)
        self._refused[session_id] = attempts + 1
        seconds = again_after(self.limits.restore_seconds, attempts)
        asyncio.get_running_loop().call_later(seconds, self._store_again, session_id)

    def _store_again(self, session_id: str) -> None:
        if not self.draining and (self.root / session_id).is_dir():
            self._recover(session_id)

    def recover(self) -> int:
        """Take up the sessions that a process before this one left unfinished; how many there are. Those that can be
        resumed wait for their clients."""
        found = 0
        for directory in sorted(path for path in self.root.iterdir() if path.is_dir() and path.name[0] != "."):
            if directory.with_suffix(JOB_SUFFIX).exists():
                continue
            found += self._recover(directory.name)
        return found

    def _recover(self, session_id: str) -> bool:
        """Whether there was a session to take up."""
        try:
            spool = self.spool(session_id)
            statuses = statuses_told(spool)
        except SpoolDamaged:
            log.error("spool damaged: left as it is", extra={"session": session_id})
            return False
        if statuses:
            self._take_up(spool, statuses[0], statuses[-1])
        else:
            spool.delete()
            spool.close()
        return bool(statuses)

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
        self.parts.recorder.give_up()
        await self._stored(None)

    async def _stored(self, seconds: float | None) -> None:
        """Until no session is left, but no longer than so many seconds."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=seconds)
