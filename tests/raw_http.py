"""HTTP byte by byte, for what no client library does."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Answer:
    status: int
    head: str
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Exchange:
    """One connection to a service on this machine."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def begun(cls, port: int, data: bytes) -> Self:
        """A connection on which so much was sent."""
        exchange = cls(*await asyncio.open_connection("127.0.0.1", port))
        await exchange.send(data)
        return exchange

    @classmethod
    async def of(cls, port: int, request: bytes) -> Answer:
        """The answer to a whole request."""
        exchange = await cls.begun(port, request)
        return await exchange.answer(body=not request.startswith(b"HEAD"))

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self, *, body: bool = True) -> Answer:
        """Head, and body as the head announces it; closes the connection."""
        async with asyncio.timeout(10):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            if " 100 " in head.split("\r\n")[0]:
                head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            fields = dict(line.lower().split(": ", 1) for line in head.strip().split("\r\n")[1:])
            content = await self._reader.readexactly(int(fields.get("content-length", "0")) if body else 0)
        self.reset()
        return Answer(int(head.split()[1]), head, content)

    def reset(self) -> None:
        """Be gone at once."""
        self._writer.transport.abort()
