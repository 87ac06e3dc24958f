"""A client that does to a socket what no client library would."""

import asyncio
import base64
import contextlib
import os
import struct
from collections.abc import AsyncGenerator
from typing import Self

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(opcode: int, payload: bytes = b"", *, final: bool = True, masked: bool = True, length: int = -1) -> bytes:
    """One frame; the mask is zero, so that the payload shows. `length` may be announced otherwise than it is."""
    size = len(payload) if length < 0 else length
    if size < 126:
        head = struct.pack("!BB", 0x80 * final | opcode, 0x80 * masked | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", 0x80 * final | opcode, 0x80 * masked | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 * final | opcode, 0x80 * masked | 127, size)
    return head + bytes(4) * masked + payload


def close_frame(code: int, reason: str = "") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason.encode())


def handshake(path: str, *more: str, version: str = "1.1") -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/{version}",
        "Host: localhost",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
        *more,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin1")


class RawClient:
    """One TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> str:
        """A response's status line and headers; empty when the connection ends instead."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            return (await self.reader.readuntil(b"\r\n\r\n")).decode("latin1")
        return ""

    async def status(self) -> str:
        """A response's status, or "nothing"."""
        head = await self.head()
        return head.split()[1] if head else "nothing"

    async def open(self, path: str, *more: str) -> Self:
        """Shake hands; raises when that is refused."""
        await self.send(handshake(path, *more))
        head = await self.head()
        if " 101 " not in head:
            raise ConnectionRefusedError(head)
        return self

    async def frame(self) -> tuple[int, bytes]:
        """The next frame: opcode and payload. Raises IncompleteReadError at the end."""
        first, second = await self.reader.readexactly(2)
        size = second & 127
        if size == 126:
            (size,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
        return first & 15, await self.reader.readexactly(size)

    async def message(self) -> bytes:
        """The next message's payload, past pings."""
        while True:
            opcode, payload = await self.frame()
            if opcode in (TEXT, BINARY):
                return payload

    async def ending(self, seconds: float = 1.5) -> str:
        """How it ends within that time: the close frame's code and reason if there is one, and the end of TCP."""
        close = "no close frame"
        try:
            async with asyncio.timeout(seconds):
                while True:
                    opcode, payload = await self.frame()
                    if opcode == CLOSE:
                        code = struct.unpack("!H", payload[:2])[0] if payload else 1005
                        close = f"{code} {payload[2:].decode()}".strip()
        except TimeoutError:
            return f"{close}, TCP open"
        except asyncio.IncompleteReadError:
            return f"{close}, TCP closed"
        except ConnectionError:
            return f"{close}, TCP reset"

    async def closed(self, seconds: float = 1.5) -> bool:
        """Whether TCP is closed within that time."""
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(seconds):
                while await self.reader.read(1 << 16):
                    pass
                return True
        return False

    async def blast(self, data: bytes, total: int, seconds: float = 3) -> int:
        """Send `data` again and again; how many bytes the other side takes before it stops for a second, closes, or has
        all."""
        sent = 0
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(seconds):
                while sent < total:
                    async with asyncio.timeout(1):
                        await self.send(data)
                    sent += len(data)
        return sent

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()


@contextlib.asynccontextmanager
async def connected(port: int, path: str | None = None, *more: str) -> AsyncGenerator[RawClient]:
    """A TCP connection; with a path, a WebSocket."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with RawClient(reader, writer) as client:
        yield await client.open(path, *more) if path else client
