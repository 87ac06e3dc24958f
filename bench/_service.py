"""The service as its own process, on a free port and with a folder of its own, and what it costs."""

import asyncio
import contextlib
import os
import socket
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import psutil

from transcriber.settings import Settings

_START_SECONDS = 60
_STOP_SECONDS = 15
_POLL_SECONDS = 0.05
_LOG_TAIL_CHARACTERS = 2000


class ServiceFailed(Exception):
    """It did not start."""


@dataclass(frozen=True)
class Service:
    """A running service."""

    port: int
    process: psutil.Process

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    def cpu_seconds(self) -> float:
        """User and system time of all its threads so far."""
        times = self.process.cpu_times()
        return times.user + times.system

    def memory_bytes(self) -> int:
        """Its resident set."""
        return self.process.memory_info().rss

    async def health_seconds(self) -> float:
        """Round trip of `GET /health`, connecting included.

        Raises:
            OSError: it does not answer, or not with 200.
        """
        started = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
        finally:
            writer.close()
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise ConnectionError("unhealthy")
        return time.perf_counter() - started


@contextlib.asynccontextmanager
async def running(**settings: str) -> AsyncGenerator[Service, None]:
    """A service with these settings and otherwise the defaults, from when it answers to the end of the block."""
    with tempfile.TemporaryDirectory() as folder:
        port = _free_port()
        log = Path(folder) / "log"
        process = await _start(log, {"PORT": str(port), "DATA_DIR": f"{folder}/data", **settings})
        try:
            service = Service(port, psutil.Process(process.pid))
            await _until_healthy(service, process)
            yield service
        except Exception as failure:
            failure.add_note(f"The service's last words:\n{log.read_text(errors='replace')[-_LOG_TAIL_CHARACTERS:]}")
            raise
        finally:
            await _stop(process)


async def _start(log: Path, settings: Mapping[str, str]) -> asyncio.subprocess.Process:
    """Beside `log`, where no `.env` is; Ctrl-C in the terminal does not reach it."""
    known = {setting.name.upper() for setting in fields(Settings)}
    inherited = {name: value for name, value in os.environ.items() if name not in known}
    environment = {**inherited, "LOG_LEVEL": "WARNING", "DRAIN_SECONDS": "0", **settings}
    command = [sys.executable, "-m", "transcriber", "serve"]
    with log.open("wb") as output:
        return await asyncio.create_subprocess_exec(
            *command, env=environment, cwd=log.parent, stdout=output, stderr=output, start_new_session=True
        )


async def _until_healthy(service: Service, process: asyncio.subprocess.Process) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.returncode is None:
        with contextlib.suppress(OSError):
            await service.health_seconds()
            return
        await asyncio.sleep(_POLL_SECONDS)
    raise ServiceFailed("the service did not start")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
