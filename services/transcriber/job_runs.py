"""Which jobs run, which wait for that, and what becomes of them in the end."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from transcriber.events import Error, Event, Status
from transcriber.job import FileJob, Outcome, Progress, now
from transcriber.job_archive import JobArchive, StoreError
from transcriber.replay import statuses_told
from transcriber.retries import again_after
from transcriber.runner import Runner
from transcriber.sessions import Sessions
from transcriber.spool import SpoolDamaged

log = logging.getLogger(__name__)

Allowed = Callable[[str | None], float | Error | None]
"""How many seconds of audio an owner's next file may have; why it may have none; None leaves it to the service."""


@dataclass(slots=True)
class _Run:
    runner: Runner
    task: asyncio.Task[None]


class JobRuns:
    """So many at once, owners in turn. `jobs` are those of this process; what is stored leaves it."""

    def __init__(
        self, sessions: Sessions, archive: JobArchive, jobs: dict[str, FileJob], *, at_once: int, allowed: Allowed
    ) -> None:
        self._sessions = sessions
        self._archive = archive
        self._jobs = jobs
        self._at_once = at_once
        self._allowed = allowed
        self._queue: list[FileJob] = []
        """In the order in which they came."""
        self._runs: dict[str, _Run] = {}
        self._storing: set[asyncio.Task[None]] = set()

    def enqueue(self, job: FileJob) -> None:
        """All its audio is there."""
        job.state = "queued"
        self._queue.append(job)
        self._start()

    def _start(self) -> None:
        while len(self._runs) < self._at_once and not self._sessions.draining and (next_ones := self._startable()):
            job = next_ones[0]
            self._queue.remove(job)
            # What was told once is told again, and only what is left is done.
            allowed = None if job.spool.events_told else self._allowed(job.record.owner)
            if isinstance(allowed, Error):
                self.discard(job, Outcome("failed", now(), allowed))
            else:
                self._run(job, allowed)

    def _startable(self) -> list[FileJob]:
        """Those that wait, the next first. Where an owner's audio is limited each file waits for the one before it,
        which may leave nothing for it."""
        running = {self._jobs[job_id].record.owner for job_id in self._runs}
        limited = {owner for owner in running if self._allowed(owner) is not None}
        return [job for job in self._in_turn() if job.record.owner not in limited]

    def _in_turn(self) -> list[FileJob]:
        return in_turn(self._queue, Counter(self._jobs[job_id].record.owner for job_id in self._runs))

    def _run(self, job: FileJob, allowed_seconds: float | None) -> None:
        job.state = "running"
        cursor = job.spool.events()
        while (numbered := cursor.next()) is not None:
            job.told(numbered[1])
        told = statuses_told(job.spool)
        status = told[0] if told else self._status(job, allowed_seconds)

        def hear(event: Event) -> None:
            if outcome := job.told(event):
                job.note(outcome)

        runner, task = self._sessions.run_patiently(status, job.spool, hear)
        self._runs[job.id] = _Run(runner, task)
        task.add_done_callback(lambda task: self._over(job, runner, cancelled=task.cancelled()))

    def _status(self, job: FileJob, allowed_seconds: float | None) -> Status:
        status = self._sessions.status(job.record.options, job.id, owner=job.record.owner or "")
        if allowed_seconds is None:
            return status
        return replace(status, max_session_seconds=min(status.max_session_seconds, allowed_seconds))

    def _over(self, job: FileJob, runner: Runner, *, cancelled: bool) -> None:
        del self._runs[job.id]
        outcome = job.record.outcome
        if cancelled:
            if outcome and outcome.state == "cancelled":
                self.conclude(job, outcome)
        else:
            outcome = outcome or Outcome("failed", now(), Error("internal_error", "The service failed."))
            storage = runner.storage
            if storage is None or storage.state == "failed":
                error = Error("not_stored", "The service could not store it; it tries again later.")
                outcome = replace(outcome, state="failed", error=outcome.error or error, storage=storage)
                job.state, job.record = "failed", replace(job.record, outcome=outcome)
                self._later(job, self._run_again)
            else:
                if outcome.storage:
                    outcome = replace(outcome, storage=storage)
                self.conclude(job, outcome)
        self._start()

    def discard(self, job: FileJob, outcome: Outcome) -> None:
        """End one that does not run, and let go of its audio."""
        self.conclude(job, outcome)
        job.spool.delete()
        job.spool.close()

    def conclude(self, job: FileJob, outcome: Outcome) -> None:
        """It has ended; its record goes to the store."""
        job.note(outcome)
        job.state = outcome.state
        self._do(self._store_record(job))

    async def _store_record(self, job: FileJob) -> None:
        try:
            await self._archive.put(job.record)
        except StoreError:
            log.error("job record not stored", extra={"session": job.id})
            self._later(job, lambda job: self._do(self._store_record(job)))
            return
        job.path.unlink(missing_ok=True)
        self._jobs.pop(job.id, None)

    def _later(self, job: FileJob, attempt: Callable[[FileJob], None]) -> None:
        """Try again, if it is still there then and nobody stops."""

        def wanted() -> None:
            if self._jobs.get(job.id) is job and not self._sessions.draining:
                attempt(job)

        seconds = again_after(self._sessions.limits.restore_seconds, job.attempts)
        job.attempts += 1
        asyncio.get_running_loop().call_later(seconds, wanted)

    def _run_again(self, job: FileJob) -> None:
        """What was told is told as it was; so this is storing it, and no more."""
        try:
            spool = self._sessions.spool(job.id)
        except (SpoolDamaged, OSError):
            log.error("job damaged: left as it is", extra={"session": job.id})
            return
        again = FileJob(replace(job.record, outcome=None), spool)
        again.attempts = job.attempts
        self._jobs[job.id] = again
        self.enqueue(again)

    def withdraw(self, job: FileJob) -> None:
        """It is not to run."""
        if job in self._queue:
            self._queue.remove(job)

    def progress(self, job: FileJob) -> Progress:
        """How far it is."""
        position = self._in_turn().index(job) + 1 if job.state == "queued" else None
        run = self._runs.get(job.id)
        done_seconds, fraction = run.runner.progress if run else (0.0, 0.0)
        return Progress(job.state, job.spool.received_bytes, position, done_seconds, fraction)

    async def cancel(self, job: FileJob) -> None:
        """End one that runs; what is just being stored is stored first."""
        run = self._runs[job.id]
        if not run.runner.storing:
            job.note(Outcome("cancelled", now()))
            job.spool.delete()
            run.runner.give_up("cancelled")
            run.task.cancel()
        await asyncio.wait((run.task,))
        if not run.runner.storing:
            await run.runner.recording.discard()

    async def settled(self) -> None:
        """Until what has ended is stored."""
        if self._storing:
            await asyncio.wait(tuple(self._storing))

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._storing.add(task)
        task.add_done_callback(self._storing.discard)


def in_turn(waiting: Sequence[FileJob], running: Mapping[str | None, int]) -> list[FileJob]:
    """Those that wait, the next first: of each owner in the order in which they came, and owners by how many jobs they
    have before it, `running` ones among them. So a thousand files of one hold up no single file of another."""
    before = Counter(running)
    turns: dict[str, int] = {}
    for job in waiting:
        turns[job.id] = before[job.record.owner]
        before[job.record.owner] += 1
    return sorted(waiting, key=lambda job: turns[job.id])
