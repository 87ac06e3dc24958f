"""Carries connections between addresses, also from one network to another over Unix sockets, which belong to none.

`python -m tests.stacks.relay FROM TO ...`: an address is the path of a socket, or HOST:PORT.
"""

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

_NO_TASK = b"HTTP/1.1 503 Service Temporarily Unavailable\r\nServer: awselb/2.0\r\nContent-Length: 0\r\n\r\n"
_LONGEST_HEAD_BYTES = 64 << 10


@dataclass
class Relay:
    """`balances`: as a load balancer does, with its headers and an answer for who is not there. `source` is the address
    that connections come from."""

    source: str
    target: str
    balances: bool = False
    sender: str = ""
    _going_on: set[asyncio.Task[None] | None] = field(default_factory=set[asyncio.Task[None] | None])
    """Connections. A stream whose one end is gone is held by nothing else, and would be collected amid its work."""

    async def serve(self) -> asyncio.Server:
        if self.source.startswith("/"):
            return await asyncio.start_unix_server(self._connected, self.source)
        host, _, port = self.source.rpartition(":")
        return await asyncio.start_server(self._connected, host, int(port))

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        self._going_on.add(here := asyncio.current_task())
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                there = await self._reach()
                writers.append(there[1])
                await self._carry((reader, writer), there)
            if len(writers) == 1 and self.balances:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(_NO_TASK)
        finally:
            for each in writers:
                each.close()
            with contextlib.suppress(OSError):
                for each in writers:
                    await each.wait_closed()
            self._going_on.discard(here)

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.target.startswith("/"):
            return await asyncio.open_unix_connection(self.target)
        host, _, port = self.target.rpartition(":")
        return await asyncio.open_connection(host, int(port), local_addr=(self.sender, 0) if self.sender else None)

    async def _carry(
        self,
        here: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        there: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        if self.balances:
            head = await here[0].readuntil(b"\r\n\r\n")
            peer = here[1].get_extra_info("peername")[0]
            added = f"X-Forwarded-For: {peer}\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\n\r\n"
            there[1].write(head.removesuffix(b"\r\n") + added.encode())
        await asyncio.gather(_copy(here[0], there[1]), _copy(there[0], here[1]))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until one side has nothing more to say, which the other is told."""
    with contextlib.suppress(OSError):
        while data := await reader.read(_LONGEST_HEAD_BYTES):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        if writer.can_write_eof():
            writer.write_eof()


async def _serve(addresses: Sequence[str]) -> None:
    for source, target in zip(addresses[::2], addresses[1::2], strict=True):
        address, _, sender = target.partition("@")
        await Relay(source, address, sender=sender).serve()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(sys.argv[1:]))
