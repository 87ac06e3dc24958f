"""The service without a server: jobs in this process, for `transcriber transcribe`."""

import contextlib
import fcntl
import shutil
import time
from collections.abc import AsyncGenerator, Collection, Generator, Mapping
from dataclasses import replace
from pathlib import Path

from transcriber.app import UNUSABLE, Service
from transcriber.client.errors import ConnectionFailed, Refused
from transcriber.client.jobs import Job
from transcriber.client.ledger import cache_folder
from transcriber.jobs import JobRefused, Jobs
from transcriber.settings import Settings, SettingsError
from transcriber.spool import JOB_SUFFIX
from transcriber.wire.fields import FieldError

KEPT_DAYS = 7
"""How long what was interrupted waits for its command."""
_FOLDERS = 64
"""Commands at the same time, each with files of its own."""


@contextlib.asynccontextmanager
async def in_process(at_once: int, begun: Collection[str] = ()) -> AsyncGenerator["OfflineService"]:
    """Jobs of an engine that the environment's settings choose. Of what was interrupted before, the jobs in `begun` go
    on; others wait for the command that asks for them, and not longer than `KEPT_DAYS`.

    Raises:
        ConnectionFailed: there is no such engine here.
    """
    with own_folder(cache_folder() / "offline", begun) as folder:
        try:
            settings = local(Settings.from_environment(), folder, at_once)
            drop_abandoned(settings.spool_root)
            service = await Service.start(settings, noted=False, begun=begun)
        except SettingsError as wrong:
            raise ConnectionFailed("wrong_settings", "; ".join(wrong.problems)) from None
        except UNUSABLE as problem:
            raise ConnectionFailed("no_engine", str(problem)) from None
        try:
            yield OfflineService(service.jobs)
        finally:
            await service.stop()


def local(settings: Settings, folder: Path, at_once: int) -> Settings:
    """The same engine, with everything else in that folder and nobody told."""
    return replace(
        settings,
        data_dir=folder,
        spool_dir=None,
        s3_bucket="",
        max_running_jobs=at_once,
        retention_days=KEPT_DAYS,
        api_keys="",
        api_keys_file=None,
        webhook_url="",
        webhook_secret="",
        emf_namespace="",
        otel_exporter_otlp_endpoint="",
    )


@contextlib.contextmanager
def own_folder(root: Path, begun: Collection[str] = ()) -> Generator[Path]:
    """The first of some folders that no other command works in now, those before that have jobs in `begun`. Raises
    ConnectionFailed."""
    folders = [root / str(number) for number in range(_FOLDERS)]
    for folder in sorted(folders, key=lambda folder: not _has(folder, begun)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "lock").open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield folder
                return
        except BlockingIOError:
            continue
        except OSError as problem:
            raise ConnectionFailed("no_cache", f"{folder}: {problem.strerror}") from None
    raise ConnectionFailed("no_cache", f"{_FOLDERS} commands are at work in {root} already")


def _has(folder: Path, jobs: Collection[str]) -> bool:
    return any(next(folder.glob(f"{place}{job}*"), None) for job in jobs for place in ("spool/", "*/*/*/*-"))


def drop_abandoned(spool_root: Path) -> None:
    """Let go of jobs that were interrupted more than `KEPT_DAYS` ago."""
    since = time.time() - KEPT_DAYS * 24 * 3600
    for record in spool_root.glob(f"*{JOB_SUFFIX}"):
        if record.stat().st_mtime < since:
            shutil.rmtree(record.with_suffix(""), ignore_errors=True)
            record.unlink()


class OfflineService:
    """What the client asks of a service, done at once."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    async def begin(self, name: str, size: int, options: Mapping[str, str]) -> Job:
        with _refusals():
            asked = self._jobs.options([*options.items(), *([] if "record" in options else [("record", "text")])])
            if size > self._jobs.max_bytes:
                raise self._jobs.too_large()
            job = self._jobs.begin(None, name)
            self._jobs.keep(job, asked, size)
        return await self.job(job.id)

    async def append(self, job_id: str, data: bytes, offset: int, *, complete: bool) -> None:
        with _refusals():
            job = self._jobs.find(job_id, None)
            if job is None or job.spool.received_bytes != offset:
                raise JobRefused("wrong_offset", "The file is not as far as that.")
            self._jobs.take(job, job.turn, data)
            if complete:
                self._jobs.complete([job])

    async def job(self, job_id: str) -> Job:
        with _refusals():
            return Job.of((await self._jobs.see(job_id, None)).document())

    async def result(self, job_id: str, kind: str) -> bytes:
        with _refusals():
            return await self._jobs.file(job_id, None, f"transcript.{kind}")

    async def forget(self, job_id: str) -> None:
        """Nothing is kept here."""
        with _refusals():
            await self._jobs.delete(job_id, None)


@contextlib.contextmanager
def _refusals() -> Generator[None]:
    """Refusals as the client knows them."""
    try:
        yield
    except (JobRefused, FieldError) as refused:
        error = refused.error
        raise Refused(400, error.code, error.message, error.field) from None
