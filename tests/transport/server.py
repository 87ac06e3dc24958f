"""The app in a process of its own, behind one of the stacks."""

import asyncio
import contextlib
import json
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any, Self

from tests.transport.raw_client import RawClient, connected

VARIANTS = (("stock", "asyncio"), ("ours", "asyncio"), ("ours", "uvloop"))
_START_SECONDS = 30
_POLL_SECONDS = 0.03


class Server:
    """Use as a context manager."""

    def __init__(self, variant: str, loop: str) -> None:
        self.variant = variant
        self.loop = loop
        self.port = 0
        self._first_memory: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = (sys.executable, "-m", "tests.transport.app", self.variant, self.loop)
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.kill()
        self._process.wait()

    async def up(self) -> Self:
        """Once it answers."""
        if not self.port:
            assert self._process is not None
            assert self._process.stdout is not None
            self.port = int(await asyncio.to_thread(self._process.stdout.readline))
        async with asyncio.timeout(_START_SECONDS):
            memory = (await self.state())["memory"]
        if self._first_memory is None:
            self._first_memory = memory
        return self

    async def get(self, path: str) -> dict[str, Any]:
        async with connected(self.port) as client:
            await client.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            await client.head()
            return json.loads(await client.reader.read())

    async def state(self) -> dict[str, Any]:
        return await self.get("/state")

    async def idle_memory(self) -> int:
        """Its memory, when that of clients before is given back."""
        assert self._first_memory is not None
        for _ in range(20):
            if (await self.state())["memory"] < self._first_memory + (16 << 20):
                break
            await asyncio.sleep(0.05)
        return (await self.state())["memory"]

    async def ended(self, name: str, seconds: float = 1.5) -> str | None:
        """How a handler ended, given that time to do so."""
        return (await self.noted(name, "end", lambda end: end is not None, seconds))["end"]

    async def noted(
        self, name: str, field: str, satisfied: Callable[[Any], bool], seconds: float = 1.5
    ) -> dict[str, Any]:
        """What a handler noted, given that time for one of the fields."""
        deadline = time.monotonic() + seconds
        while True:
            noted = {"messages": 0, "nones": 0, "end": None, **await self.get(f"/seen/{name}")}
            if satisfied(noted[field]) or time.monotonic() > deadline:
                return noted
            await asyncio.sleep(_POLL_SECONDS)

    @contextlib.asynccontextmanager
    async def socket(self, path: str, *headers: str) -> AsyncGenerator[tuple[RawClient, str]]:
        """A WebSocket, and the name under which its handler makes notes."""
        name = secrets.token_hex(4)
        async with connected(self.port, f"{path}?id={name}", *headers) as client:
            yield client, name

    async def exit_code(self, seconds: float) -> int | None:
        """With what it ends after SIGTERM, given that time."""
        assert self._process is not None
        deadline = time.monotonic() + seconds
        self._process.terminate()
        while self._process.poll() is None and time.monotonic() < deadline:  # noqa: ASYNC110 - a process rings no bell
            await asyncio.sleep(_POLL_SECONDS)
        return self._process.returncode


@contextlib.asynccontextmanager
async def own_server(like: Server) -> AsyncGenerator[Server]:
    """Another one, for a probe that ends it."""
    with Server(like.variant, like.loop) as server:
        yield await server.up()
