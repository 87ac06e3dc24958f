"""Files to be transcribed: taken into spools, run a few at a time as sessions that nobody is connected to, kept apart
by owner, and carried over a restart."""

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from transcriber.events import Ended, Error, Options, Started
from transcriber.job import FileJob, Outcome, Record, RecordDamaged, Seen, State, now
from transcriber.job_archive import JobArchive, NotFound, StoreError
from transcriber.job_runs import Allowed, JobRuns
from transcriber.sessions import Sessions
from transcriber.spool import JOB_SUFFIX, SpoolDamaged, SpoolFull
from transcriber.wire.fields import OPTIONS, read_query

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobLimits:
    """What this process takes on."""

    jobs: int = 1000
    """That have not ended."""
    running: int = 4
    """Of those, at once."""
    upload_seconds: float = 86_400
    """How long an upload that broke off waits for its client."""


class JobRefused(Exception):
    """What was asked of a job can't be; carries the answer to the client."""

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.error = Error(code, message, field)


class Jobs:
    """Of all owners; an `owner` of None sees everybody's. Every method raises JobRefused where it can't do it."""

    def __init__(
        self,
        sessions: Sessions,
        archive: JobArchive,
        *,
        defaults: Options | None = None,
        limits: JobLimits | None = None,
        allowed: Allowed = lambda _: None,
    ) -> None:
        self.limits = limits or JobLimits()
        self._sessions = sessions
        self._archive = archive
        self._defaults = defaults or Options()
        self._jobs: dict[str, FileJob] = {}
        self._arriving = 0
        """Jobs that are forgotten if the request that brings them fails."""
        self._runs = JobRuns(sessions, archive, self._jobs, at_once=self.limits.running, allowed=allowed)

    @property
    def max_bytes(self) -> int:
        """Of one file."""
        return self._sessions.limits.session_bytes

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of this process that have not ended, by state."""
        states = [job.state for job in self._jobs.values()]
        return {state: states.count(state) for state in ("receiving", "queued", "running")}

    def options(self, pairs: Sequence[tuple[str, str]]) -> Options:
        """What names and values, as in a query, ask for. Raises FieldError, too."""
        asked = read_query(pairs, OPTIONS)
        if "none" in (asked.get("record"), self._sessions.limits.record):
            raise JobRefused("invalid_field", "A job yields what is kept of it: `record` can't be none.", "record")
        options = replace(self._defaults, **asked | {"resume": False, "interim_results": False})
        if error := self._sessions.parts.engine.refusal(options):
            raise JobRefused(error.code, error.message, error.field)
        return options

    def begin(self, owner: str | None, name: str | None) -> FileJob:
        """Room for a file. What becomes of it must be said: `keep`, `complete` or `drop`."""
        if self._sessions.draining:
            raise JobRefused("draining", "The service is about to stop; try again to reach another one.")
        if len(self._jobs) + self._arriving >= self.limits.jobs:
            raise JobRefused("too_many_jobs", "The service has as many jobs as it may; try again later.")
        if error := self._sessions.no_room():
            raise JobRefused(error.code, error.message)
        status = self._sessions.status(self._defaults)
        record = Record(status.session_id, status.started_at, self._defaults, owner, name and name[:500])
        self._arriving += 1
        return FileJob(record, self._sessions.spool(record.id))

    def take(self, job: FileJob, turn: int, data: bytes) -> None:
        """More of its audio."""
        if job.turn != turn or job.state != "receiving":
            raise _superseded()
        total_bytes = job.record.total_bytes
        if total_bytes is not None and job.spool.received_bytes + len(data) > total_bytes:
            raise JobRefused("wrong_length", f"More came than the {total_bytes} bytes that were announced.")
        job.heard_at = asyncio.get_running_loop().time()
        try:
            job.spool.append_bytes(data)
        except SpoolFull:
            raise self.too_large() from None
        except OSError as problem:
            log.error("spool failed", extra={"session": job.id, "reason": problem.strerror})
            raise JobRefused("storage_full", "The service can't store more audio now; try again later.") from None

    def too_large(self) -> JobRefused:
        return JobRefused("file_too_large", f"A file may have {self.max_bytes} bytes.")

    def keep(self, job: FileJob, options: Options, total_bytes: int | None) -> None:
        """Have a job whose audio comes in several requests."""
        job.record = replace(job.record, options=options, total_bytes=total_bytes)
        self._save(job)
        self._arriving -= 1
        self._jobs[job.id] = job
        self._wait_for_client(job)

    def complete(self, jobs: Sequence[FileJob], options: Options | None = None) -> None:
        """All their audio is there; either all of them go on or none. `options` of jobs that are not kept yet."""
        for job in jobs:
            _check_whole(job)
        if options is not None:
            for job in jobs:
                job.record = replace(job.record, options=options, total_bytes=job.spool.received_bytes)
                self._save(job)
            self._arriving -= len(jobs)
            self._jobs |= {job.id: job for job in jobs}
        for job in jobs:
            if Started.__name__ not in job.spool.commands_left:
                job.spool.append_command(Started(job.record.options), byte=0)
            job.spool.append_command(Ended())
            self._runs.enqueue(job)

    def drop(self, job: FileJob) -> None:
        """Forget one that is not kept."""
        self._arriving -= 1
        job.path.unlink(missing_ok=True)
        job.spool.delete()
        job.spool.close()

    def _save(self, job: FileJob) -> None:
        try:
            job.save()
        except OSError:
            raise JobRefused("storage_full", "The service can't store more audio now; try again later.") from None

    def _wait_for_client(self, job: FileJob) -> None:
        """Give up an upload with which nobody goes on."""
        if job.state != "receiving":
            return
        loop = asyncio.get_running_loop()
        job.heard_at = job.heard_at or loop.time()
        idle_at = job.heard_at + self.limits.upload_seconds
        if loop.time() < idle_at:
            loop.call_at(idle_at, self._wait_for_client, job)
        else:
            self._discard(job, "failed", Error("upload_abandoned", "Its upload broke off, and nobody went on with it."))

    def _discard(self, job: FileJob, state: State, error: Error | None = None) -> None:
        self._runs.discard(job, Outcome(state, now(), error))

    def find(self, job_id: str, owner: str | None) -> FileJob | None:
        """One that has not ended, or whose end is not stored yet."""
        job = self._jobs.get(job_id)
        return job if job and _visible(job.record, owner) else None

    async def see(self, job_id: str, owner: str | None) -> Seen:
        """What is known of a job."""
        if job := self.find(job_id, owner):
            return self._seen(job)
        record = await self._ended(job_id)
        if record is None or not _visible(record, owner):
            raise JobRefused("unknown_job", "There is no such job.")
        return Seen(record)

    async def _ended(self, job_id: str) -> Record | None:
        try:
            return await self._archive.record(job_id)
        except StoreError:
            raise _store_fails() from None

    def _seen(self, job: FileJob) -> Seen:
        if job.state in ("done", "failed", "cancelled"):
            return Seen(job.record)
        return Seen(job.record, self._runs.progress(job))

    async def file(self, job_id: str, owner: str | None, name: str) -> bytes:
        """What is kept under that name of a job that is done."""
        seen = await self.see(job_id, owner)
        outcome = seen.record.outcome
        if seen.progress or outcome is None:
            raise JobRefused("job_not_done", "The job has not ended yet; ask again later.")
        if outcome.state != "done":
            why = outcome.error.message if outcome.error else "It was cancelled."
            raise JobRefused(f"job_{outcome.state}", f"The job has no result. {why}")
        try:
            return await self._archive.file(job_id, name)
        except NotFound:
            raise JobRefused("unknown_job", "The result of the job is not there any more.") from None
        except StoreError:
            raise _store_fails() from None

    async def list(self, owner: str | None, since: date, limit: int) -> list[Seen]:
        """Those created since that day, newest first."""
        active = [job for job in self._jobs.values() if _visible(job.record, owner)]
        seen = {job.id: self._seen(job) for job in active if job.record.created_at >= since.isoformat()}
        ended = 0
        try:
            async for record in self._archive.records(since, datetime.now(UTC).date()):
                if ended >= limit:
                    break
                if _visible(record, owner) and record.id not in seen:
                    seen[record.id] = Seen(record)
                    ended += 1
        except StoreError:
            raise _store_fails() from None
        return sorted(seen.values(), key=lambda job: job.record.id, reverse=True)[:limit]

    async def delete(self, job_id: str, owner: str | None) -> None:
        """Cancel one that has not ended; of one that has, delete all that is kept."""
        await self.see(job_id, owner)
        job = self._jobs.get(job_id)
        if job and job.state == "running":
            await self._runs.cancel(job)
        elif job and job.state in ("receiving", "queued"):
            self._runs.withdraw(job)
            self._discard(job, "cancelled")
        if job is None or job.state in ("done", "failed"):
            await self._forget(job_id)

    async def _forget(self, job_id: str) -> None:
        await self._runs.settled()
        if job := self._jobs.pop(job_id, None):
            job.path.unlink(missing_ok=True)
            job.spool.delete()
        try:
            await self._archive.delete(job_id)
        except StoreError:
            raise _store_fails() from None

    def recover(self, wanted: Collection[str] | None = None) -> int:
        """Take up the jobs that a process before this one left, all or those that are `wanted`; how many there are."""
        paths = sorted(self._sessions.root.glob(f"*{JOB_SUFFIX}"))
        return sum(self._take_up(path) for path in paths if wanted is None or path.stem in wanted)

    def _take_up(self, path: Path) -> bool:
        try:
            record = Record.from_json(path.read_text("utf-8"))
            left = path.with_suffix("").is_dir()
            spool = self._sessions.spool(path.stem)
        except (RecordDamaged, SpoolDamaged, OSError, UnicodeError):
            log.error("job damaged: left as it is", extra={"session": path.stem})
            return False
        job = FileJob(record if not left else replace(record, outcome=None), spool)
        self._jobs[job.id] = job
        if not left or (record.outcome and record.outcome.state == "cancelled"):
            self._discard_left(job, record.outcome or Outcome("done", now()))
        elif Ended.__name__ in spool.commands_left:
            self._runs.enqueue(job)
        else:
            self._wait_for_client(job)
        return True

    def _discard_left(self, job: FileJob, outcome: Outcome) -> None:
        """One that had ended, but for its record."""
        job.spool.delete()
        job.spool.close()
        self._runs.conclude(job, outcome)

    async def close(self) -> None:
        """Wait until what has ended is stored; let go of the rest, which the next process takes up."""
        await self._runs.settled()
        for job in self._jobs.values():
            if job.state in ("receiving", "queued"):
                job.spool.close()
                job.state = "failed"


def _visible(record: Record, owner: str | None) -> bool:
    return owner is None or record.owner == owner


def _check_whole(job: FileJob) -> None:
    if job.state != "receiving":
        raise _superseded()
    total_bytes, received_bytes = job.record.total_bytes, job.spool.received_bytes
    if not received_bytes:
        raise JobRefused("empty_file", "There is no audio in it.")
    if total_bytes is not None and received_bytes != total_bytes:
        raise JobRefused("wrong_length", f"{total_bytes} bytes were announced, {received_bytes} came.")


def _superseded() -> JobRefused:
    return JobRefused("upload_superseded", "Another request has gone on with this upload, or it has ended.")


def _store_fails() -> JobRefused:
    return JobRefused("store_unavailable", "The store can't be reached now; try again later.")
