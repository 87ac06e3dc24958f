"""`transcriber demo`: starts a service, streams a recording to it as it was spoken, and says where the results lie."""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from typing import IO

from transcriber.client import stream
from transcriber.client.display import Display

START_TIMEOUT_SECONDS = 180
"""A first start may read the speech model from a cold disk."""
STOP_TIMEOUT_SECONDS = 30
POLL_SECONDS = 0.1
LOG_TAIL_BYTES = 2000

_QUICK_STOP = {"DRAIN_SECONDS": "5"}
"""Nobody but the demo uses the service."""


class ServiceFailed(Exception):
    """The service did not start, or not in time."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything `run` reads."""
    parser.add_argument("audio", nargs="?", default="demo/lj001.wav", help="the recording (%(default)s)")
    parser.add_argument("--data-dir", default="data", help="where the service keeps what it makes (%(default)s)")


async def run(arguments: argparse.Namespace) -> int:
    """The whole command; its exit codes are those of `transcriber stream`."""
    port = _free_port()
    command = [sys.executable, "-m", "transcriber", "serve"]
    settings = {"ENGINE": "local", "HOST": "127.0.0.1", "PORT": str(port), "DATA_DIR": arguments.data_dir}
    try:
        with _cancelled_by_signals():
            print("Starting the service with the local engine …", file=sys.stderr, flush=True)
            async with service(command, {**settings, **_QUICK_STOP}, port):
                return await run_demo(f"ws://127.0.0.1:{port}/ws", arguments.audio)
    except ServiceFailed as failure:
        print(f"transcriber: service_failed: {failure}", file=sys.stderr)
        return stream.DISCONNECTED
    except asyncio.CancelledError:
        return stream.INTERRUPTED


async def run_demo(url: str, path: str) -> int:
    """Stream `path` at the speed it was spoken, show its text as it comes, then where recording and transcript lie."""
    parser = argparse.ArgumentParser()
    stream.add_arguments(parser)
    arguments = parser.parse_args([path, "--url", url, "--realtime", "--interim"])
    stream.use_utf8()
    return await stream.transcribe(arguments, Display(sys.stdout, sys.stderr, summary=True))


@contextlib.asynccontextmanager
async def service(command: Sequence[str], settings: Mapping[str, str], port: int) -> AsyncGenerator[None, None]:
    """A service as a child process, from when it is healthy to the end of the block.

    It gets a session of its own: Ctrl-C in the terminal is for the streaming, which ends the audio and waits for its
    text.

    Raises:
        ServiceFailed: it ends before it is healthy, or takes too long.
    """
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, **settings}, stdout=log, stderr=log, start_new_session=True
        )
        try:
            await _until_healthy(process, port, log)
            yield
        finally:
            await stop(process)


async def _until_healthy(process: asyncio.subprocess.Process, port: int, log: IO[bytes]) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if process.returncode is not None:
            log.seek(0)
            last = log.read()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
            raise ServiceFailed(f"it ended with exit code {process.returncode}, having said:\n{last}")
        with contextlib.suppress(OSError):  # not listening yet, or 503; both are OSErrors of urllib
            await asyncio.to_thread(_get, direct, f"http://127.0.0.1:{port}/health")
            return
        await asyncio.sleep(POLL_SECONDS)
    raise ServiceFailed(f"it does not answer after {START_TIMEOUT_SECONDS} s")


def _get(opener: urllib.request.OpenerDirector, url: str) -> None:
    with opener.open(url, timeout=5):
        pass


async def stop(process: asyncio.subprocess.Process, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> None:
    """SIGTERM, and a kill if that does not end it, or if nobody waits any more."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(timeout_seconds):
            await process.wait()
    except TimeoutError:
        pass
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@contextlib.contextmanager
def _cancelled_by_signals() -> Generator[None, None, None]:
    """Have the end of this process end the child first: SIGTERM and a closed terminal cancel the current task."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    signals = (signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, task.cancel)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
