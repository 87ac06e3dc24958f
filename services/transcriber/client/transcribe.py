"""`transcriber transcribe`: files to transcripts, by a service or by an engine in this process."""

import argparse
import asyncio
import errno
import json
import os
import stat
import sys
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

from transcriber.client.display import Display
from transcriber.client.errors import ConnectionFailed, ConnectionLost, Refused, TranscriberError
from transcriber.client.jobs import ATTEMPTS, FIRST_PAUSE_SECONDS, HttpService, Job, Service, is_passing, texts_of
from transcriber.client.ledger import Ledger, cache_folder, key_of, replace_file
from transcriber.client.outputs import distinct, outputs
from transcriber.client.stream import (
    API_KEY_VARIABLE,
    COMPLETE,
    DISCONNECTED,
    GAPS,
    GATEWAY_FAILURES,
    INTERRUPTED,
    OUTPUT_CLOSED,
    REFUSED,
    URL_VARIABLE,
    USAGE,
    add_raw_samples,
    comma_separated,
    discard,
    positive,
    use_utf8,
)

FORMATS = ("txt", "json", "srt", "vtt")
PIECE_BYTES = 2 << 20
_POLL_SECONDS = (0.1, 2.0)
"""Between two looks at a job: at first, and at last."""
_SENT_SHARE = 0.1
"""Of the progress of a file that is sent but not transcribed."""

EXIT_CODES = """\
exit codes:
  0    all files are transcribed
  1    all are, but some speech has no text
  2    wrong usage, or a file cannot be read or written
  3    a file was refused or failed: unsupported audio, limits, options, credentials
  4    the service could not be reached, or the engine could not be started
  130  interrupted; the same command again goes on where it stopped
  141  nobody reads the output any more"""

InProcess = Callable[[int, Collection[str]], AbstractAsyncContextManager[Service]]
"""An engine in this process, for so many files at once, that goes on with these jobs. Raises TranscriberError where it
can't be had."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything `run` reads."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        f"{EXIT_CODES}\n\nenvironment:\n  {URL_VARIABLE}      what --url is where it is not given\n"
        f"  {API_KEY_VARIABLE}  the key to show to the service\n"
        "  without a service, the settings of `transcriber serve` choose the engine"
    )
    parser.add_argument("files", nargs="+", metavar="FILE", type=Path, help="audio or video files")
    parser.add_argument("--url", help="address of a service; without one, the engine runs in this process")
    parser.add_argument("--format", choices=FORMATS, default="txt", help="what to write (%(default)s)")
    parser.add_argument("--output", default="-", metavar="DIR|-", help="a folder, or - for standard output")
    parser.add_argument("--jobs", type=positive, default=4, metavar="N", help="files at once (%(default)s)")
    speech = parser.add_argument_group("speech")
    speech.add_argument("--language", help="ISO 639-1 code, such as en")
    speech.add_argument("--translate", action="store_true", help="write English whatever is spoken")
    speech.add_argument("--prompt", help="text that comes before, for names and style")
    speech.add_argument("--keywords", type=comma_separated, metavar="A,B", help="words to expect")
    speech.add_argument("--model", help="a model that the service has")
    speech.add_argument("--separate-channels", action="store_true", help="transcribe each channel by itself")
    speech.add_argument("--no-audio", action="store_true", help="let the service keep the text, and not the file")
    add_raw_samples(parser)


async def run(arguments: argparse.Namespace, in_process: InProcess) -> int:
    """The whole command; its exit code is one of EXIT_CODES."""
    use_utf8()
    display = Display(sys.stdout, sys.stderr)
    try:
        return await _run(arguments, in_process, display)
    except TranscriberError as failure:
        display.complain(failure.code, failure.message)
        return exit_code(failure)
    except BrokenPipeError:
        discard(sys.stdout)
        return OUTPUT_CLOSED
    except asyncio.CancelledError:
        display.complain("interrupted", "the same command again goes on where this one stopped")
        return INTERRUPTED
    finally:
        display.close()


async def _run(arguments: argparse.Namespace, in_process: InProcess, display: Display) -> int:
    files = distinct(arguments.files)
    several = len(files) > 1
    if several and arguments.output == "-" and arguments.format in ("srt", "vtt"):
        raise _usage(f"several files as {arguments.format} need --output DIR")
    url = arguments.url or os.environ.get(URL_VARIABLE)
    options = _options(arguments)
    batch = Batch(
        [_File(path, key_of_file(path, url or "", options)) for path in files],
        options,
        arguments.format,
        None if arguments.output == "-" else _folder(arguments.output),
        display,
    )
    if url:
        return await batch.run(HttpService(url, os.environ.get(API_KEY_VARIABLE)), arguments.jobs)
    async with in_process(arguments.jobs, batch.begun) as service:
        return await batch.run(service, arguments.jobs)


@dataclass(slots=True)
class _File:
    path: Path
    key: str
    fraction: float = 0.0


@dataclass(slots=True)
class Batch:
    """The files of one command."""

    files: list[_File]
    options: Mapping[str, str]
    kind: str
    folder: Path | None
    display: Display
    ledger: Ledger = field(default_factory=lambda: Ledger(cache_folder() / "transcribe"))

    @property
    def begun(self) -> Collection[str]:
        """Jobs that an interrupted command has left of these files."""
        return [job for file in self.files if (job := self.ledger.job(file.key)) is not None]

    async def run(self, service: Service, at_once: int) -> int:
        """All of them, results in their order; the worst exit code."""
        slots = asyncio.Semaphore(at_once)
        paths = [file.path for file in self.files]
        results: Mapping[Path, Path] = outputs(paths, self.folder, self.kind) if self.folder else {}
        codes: list[int] = []
        tasks = [asyncio.create_task(self._one(file, results.get(file.path), service, slots)) for file in self.files]
        try:
            for file, task in zip(self.files, tasks, strict=True):
                code, text = await task
                codes.append(code)
                if text is not None:
                    self._print(file.path, text)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if max(codes) <= GAPS:
            # What is printed has no other place: until all of it is, the next command may need it again.
            for job in self.begun:
                await service.forget(job)
            for file in self.files:
                self.ledger.forget(file.key)
        return max(codes)

    async def _one(
        self, file: _File, output: Path | None, service: Service, slots: asyncio.Semaphore
    ) -> tuple[int, bytes | None]:
        """Exit code, and what is to be printed."""
        if output and self.ledger.is_done(file.key, output):
            self._progress(file, 1.0)
            return COMPLETE, None
        async with slots:
            try:
                job = await self._transcribed(file, service)
                if job.state != "done":
                    self.ledger.forget(file.key)
                    await service.forget(job.id)
                    raise Refused(0, *(job.error or ("cancelled", "somebody has cancelled it")))
                result = await service.result(job.id, self.kind)
                if output:
                    output.parent.mkdir(parents=True, exist_ok=True)
                    await asyncio.to_thread(replace_file, output, result)
                    self.ledger.done(file.key, output)
                    await service.forget(job.id)
            except TranscriberError as failure:
                self.display.complain(failure.code, f"{file.path}: {failure.message}")
                return exit_code(failure), None
            except OSError as failure:
                self.display.complain("file_error", f"{file.path}: {failure.strerror}")
                return USAGE, None
        self._progress(file, 1.0)
        return (GAPS if job.gaps else COMPLETE), None if output else result

    async def _transcribed(self, file: _File, service: Service) -> Job:
        """The job of a file, when it has ended."""
        job = await self._known(file, service)
        size = file.path.stat().st_size
        if job is None:
            job = await service.begin(file.path.name, size, self.options)
            self.ledger.begun(file.key, job.id)
        if job.state == "receiving":
            async for sent in _send(file.path, size, job, service):
                self._progress(file, _SENT_SHARE * sent / max(1, size))
        pause_seconds = _POLL_SECONDS[0]
        while not (job := await service.job(job.id)).ended:
            self._progress(file, _SENT_SHARE + (1 - _SENT_SHARE) * job.fraction)
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(1.5 * pause_seconds, _POLL_SECONDS[1])
        return job

    async def _known(self, file: _File, service: Service) -> Job | None:
        """The job that an interrupted command began, if the service still has it."""
        job_id = self.ledger.job(file.key)
        if job_id is None:
            return None
        try:
            job = await service.job(job_id)
        except Refused:
            return None
        return None if job.ended and job.state != "done" else job

    def _print(self, path: Path, text: bytes) -> None:
        self.display.clear()
        written = text.decode(errors="replace")
        if len(self.files) > 1:
            if self.kind == "json":
                written = json.dumps(json.loads(written), ensure_ascii=False) + "\n"
            else:
                written = f"==> {path} <==\n{written}\n"
        sys.stdout.write(written)
        sys.stdout.flush()

    def _progress(self, file: _File, fraction: float) -> None:
        file.fraction = max(file.fraction, fraction)
        self.display.progress(sum(file.fraction for file in self.files) / len(self.files))


async def _send(path: Path, size: int, job: Job, service: Service) -> AsyncIterator[int]:
    """What the service lacks of a file, piece by piece; how much it has by then."""
    offset, failures = job.received_bytes, 0
    with path.open("rb") as file:
        while True:
            file.seek(offset)
            # What is added to the file meanwhile is none of what was announced.
            data = await asyncio.to_thread(file.read, min(PIECE_BYTES, size - offset))
            if not data and offset < size:
                raise OSError(errno.ESTALE, "it became shorter while it was sent")
            try:
                await service.append(job.id, data, offset, complete=offset + len(data) >= size)
                offset, failures = offset + len(data), 0
            except TranscriberError as failure:
                failures += 1
                if failures == ATTEMPTS or not (is_passing(failure) or failure.code == "wrong_offset"):
                    raise
                await asyncio.sleep(FIRST_PAUSE_SECONDS * 2 ** (failures - 1))
                now = await service.job(job.id)
                if now.state != "receiving":
                    return
                offset = now.received_bytes
                continue
            yield offset
            if offset >= size:
                return


def key_of_file(path: Path, where: str, options: Mapping[str, str]) -> str:
    """Of the ledger. Raises TranscriberError where there is no such file."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise _usage(f"{path} is a folder")
        if not stat.S_ISREG(status.st_mode):
            raise _usage(f"{path} is no file that can be read again: write it to one, or use `transcriber stream -`")
        if not status.st_size:
            raise _usage(f"{path} is empty")
        return key_of(path, where, options)
    except OSError as failure:
        raise _usage(f"{path}: {failure.strerror}") from None


def exit_code(failure: TranscriberError) -> int:
    if failure.code in ("usage", "invalid_url"):
        return USAGE
    broken = isinstance(failure, ConnectionFailed | ConnectionLost)
    broken |= isinstance(failure, Refused) and failure.status in GATEWAY_FAILURES
    return DISCONNECTED if broken else REFUSED


def _usage(message: str) -> TranscriberError:
    return TranscriberError("usage", message)


def _folder(name: str) -> Path:
    folder = Path(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise _usage(f"{name}: {failure.strerror}") from None
    return folder


def _options(arguments: argparse.Namespace) -> Mapping[str, str]:
    keywords: Sequence[str] | None = arguments.keywords
    return texts_of(
        {
            "language": arguments.language,
            "translate": arguments.translate or None,
            "prompt": arguments.prompt,
            "keywords": keywords,
            "model": arguments.model,
            "separate_channels": arguments.separate_channels or None,
            "record": "text" if arguments.no_audio else None,
            "encoding": arguments.encoding,
            "sample_rate": arguments.sample_rate,
            "channels": arguments.channels,
        }
    )
