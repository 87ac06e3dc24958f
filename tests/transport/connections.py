"""Rows about TCP connections: how many, and for how long."""

import asyncio
import contextlib
from functools import partial

from tests.transport.app import LIMITS
from tests.transport.heads import GET, asked
from tests.transport.raw_client import RawClient, connected, frame, handshake
from tests.transport.row import Rows
from tests.transport.server import Server, own_server

rows = Rows()


async def _trickled(server: Server, data: bytes) -> str:
    """A client that sends a byte now and then."""
    async with connected(server.port) as client:
        began = asyncio.get_running_loop().time()
        trickling = asyncio.create_task(_trickle(client, data))
        closed = await client.closed(LIMITS.keep_alive_seconds + 1)
        trickling.cancel()
        took = asyncio.get_running_loop().time() - began
    in_time = took < (LIMITS.head_seconds + LIMITS.keep_alive_seconds) / 2
    return f"closed after the time for {'heads' if in_time else 'keep-alive'}" if closed else "open"


async def _trickle(client: RawClient, data: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        for byte in data:
            await client.send(bytes([byte]))
            await asyncio.sleep(0.05)


for _name, _data in (("a connection that says nothing", b""), ("headers byte by byte", GET * 2)):
    rows.row(_name, stock="closed after the time for keep-alive", ours="closed after the time for heads")(
        partial(_trickled, data=_data)
    )


@rows.same("a second request within the keep-alive time", "200 200")
async def keep_alive(server: Server) -> str:
    async with connected(server.port) as client:
        statuses: list[str] = []
        for pause in (0, LIMITS.head_seconds + 0.2):
            await asyncio.sleep(pause)
            await client.send(GET)
            statuses.append(await client.status())
            await client.reader.readexactly(3)
        return " ".join(statuses)


async def _left_behind(server: Server, *, at_once: bool) -> str:
    ports: set[int] = set()

    async def ask() -> None:
        async with connected(server.port) as client:
            ports.add(client.writer.get_extra_info("sockname")[1])
            await client.send(GET)
            if at_once:
                client.writer.write_eof()
            assert await client.status() == "200"
            assert await client.reader.readexactly(3) == b"{}\n"

    await asyncio.gather(*(ask() for _ in range(20)))
    await asyncio.sleep(0.2)
    kept = ports.intersection((await server.state())["clients"])
    return "kept for the keep-alive time" if len(kept) > 10 else f"{len(kept) or 'nothing'} is kept"


for _name, _at_once in (
    ("20 clients that close between requests", False),
    ("20 clients that close their side right behind a request", True),
):
    rows.row(_name, stock="kept for the keep-alive time", ours="nothing is kept")(
        partial(_left_behind, at_once=_at_once)
    )


@rows.row("60 connections where 40 may be", stock="60 served", ours="40 served, the others get 503")
async def too_many(server: Server) -> str:
    async with contextlib.AsyncExitStack() as stack:
        statuses: list[str] = []
        for _ in range(60):
            client = await stack.enter_async_context(connected(server.port))
            await client.send(handshake("/echo"))
            statuses.append(await client.status())
    served, refused = statuses.count("101"), statuses.count("503")
    if not refused:
        return f"{served} served"
    await asyncio.sleep(0.2)
    again = await asked(server, GET, 0.2)
    assert again.startswith("200"), "it serves again"
    return f"{served} served, the others get {'503' if served + refused == 60 else statuses}"


@rows.row("a client that reads nothing of an answer", stock="waited for", ours="cut")
async def unread_answer(server: Server) -> str:
    async with connected(server.port) as client:
        client.writer.transport.pause_reading()
        name = f"unread{client.writer.get_extra_info('sockname')[1]}"
        await client.send(f"GET /large/{name} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return "waited for" if await server.ended(name) is None else "cut"


@rows.row("a close frame from a client that reads nothing", stock="waited for", ours="cut")
async def unread_close(server: Server) -> str:
    async with server.socket("/flood-alone") as (client, name):
        client.writer.transport.pause_reading()
        await asyncio.sleep(0.3)
        await client.send(frame(8, b"\x03\xe8"))
        return "waited for" if await server.ended(name) is None else "cut"


async def _stopped(server: Server, path: str, *, reads: bool) -> str:
    """SIGTERM to a server of its own."""
    async with own_server(server) as own, own.socket(path) as (client, _):
        if not reads:
            client.writer.transport.pause_reading()
        await asyncio.sleep(0.3)
        leaving = asyncio.create_task(own.exit_code(4))
        close = f"{(await client.ending(3)).partition(',')[0]}, " if reads else ""
        code = await leaving
        return f"{close}{'goes on' if code is None else f'ends with {code}'}"


# From Python 3.12 on asyncio waits for every client when a server is closed: Hypercorn's graceful time never begins.
rows.row(
    "SIGTERM while a client is connected",
    stock="1011, ends with 0",
    stock_newer="no close frame, goes on",
    ours="1011 internal error, ends with 0",
)(partial(_stopped, path="/echo", reads=True))
rows.row("SIGTERM while a client reads nothing", stock="goes on", ours="ends with 0")(
    partial(_stopped, path="/flood", reads=False)
)
