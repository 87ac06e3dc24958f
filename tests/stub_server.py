"""An HTTP server on loopback that answers as it is told: late, byte by byte, not at all, or hanging up in between."""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True)
class Reply:
    """An answer and the manner of giving it."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    drip_seconds: float | None = None
    """Between single bytes of the body."""
    cut: bool = False
    """Hang up in the middle of the body."""
    answer: bool = True
    """False: keep the connection and never say anything."""


def json_reply(answer: dict[str, Any], status: int = 200, **headers: str) -> Reply:
    """Header names with underscores for hyphens."""
    hyphened = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps(answer).encode(), hyphened)


class StubServer:
    """HTTP/1.1 with connections that are kept; a context manager that is reachable inside."""

    def __init__(self, *, port: int = 0) -> None:
        self.port = port
        """0 takes a free one."""
        self.most_in_flight = 0
        """Requests that waited for their answers at once."""
        self._in_flight = 0
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    def reply(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        """What to answer; header names are lower case."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        # Cancelled by the end of the server, and asyncio reports a connection that is.
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._exchange(reader, writer):
                pass
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; whether the connection goes on."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            return await _send(writer, self.reply(method, path, headers, body))
        finally:
            self._in_flight -= 1


async def _send(writer: asyncio.StreamWriter, reply: Reply) -> bool:
    """Whether the connection goes on."""
    if not reply.answer:
        await asyncio.Event().wait()
    await asyncio.sleep(reply.delay_seconds)
    headers = {"Content-Type": "application/json", "Content-Length": str(len(reply.body)), **reply.headers}
    lines = [f"HTTP/1.1 {reply.status} Stub", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    writer.write("\r\n".join(lines).encode())
    if reply.cut:
        writer.write(reply.body[: len(reply.body) // 2])
        await writer.drain()
        return False
    step = len(reply.body) if reply.drip_seconds is None else 1
    for start in range(0, len(reply.body), step or 1):
        writer.write(reply.body[start : start + step])
        await writer.drain()
        await asyncio.sleep(reply.drip_seconds or 0)
    return True
