"""Rows about WebSockets: frames, messages, closing."""

import asyncio
import functools
import zlib
from functools import partial

from tests.transport.raw_client import BINARY, CLOSE, PING, PONG, TEXT, close_frame, connected, frame, handshake
from tests.transport.row import Rows
from tests.transport.server import Server

rows = Rows()

LIMIT = 64 << 10
MESSAGE = frame(BINARY, bytes(3200))
BLAST = 32 << 20
LOST = "last words may be lost"


async def _answer(server: Server, data: bytes) -> str:
    async with server.socket("/echo") as (client, name):
        await client.send(data)
        ending = await client.ending(0.6)
        return f"{ending}; app: {await server.ended(name, 0.3)}"


_CANCELLED = "no close frame, TCP closed; app: cancelled"

for _name, _data, _reason in (
    ("a frame without mask", frame(BINARY, b"x", masked=False), "server received unexpected unmasked frame"),
    ("an unknown opcode", frame(3), "Invalid opcode 0x3"),
    ("a reserved bit", bytes([0xC2, 0x80, 0, 0, 0, 0]), "Reserved bit set unexpectedly"),
    ("a fragmented ping", frame(PING, final=False), "Invalid attempt to fragment control frame"),
    ("a ping of 126 bytes", frame(PING, bytes(126)), "Control frame with payload len > 125"),
    ("a continuation of nothing", frame(0, b"x"), "unexpected CONTINUATION"),
    ("close code 999", close_frame(999), "CLOSE with invalid code"),
    ("a close frame of one byte", frame(CLOSE, b"x"), "CLOSE with 1 byte payload"),
):
    rows.row(_name, stock=_CANCELLED, ours=f"1002 {_reason}, TCP closed; app: closed 1002")(
        partial(_answer, data=_data)
    )

for _name, _data in (
    ("text that is not UTF-8", frame(TEXT, b"\xff")),
    ("half a character at the end of a text", frame(TEXT, "é".encode()[:1])),
    ("a close reason that is not UTF-8", frame(CLOSE, b"\x03\xe8\xff")),
):
    rows.row(_name, stock=_CANCELLED, ours="1007 text is not UTF-8, TCP closed; app: closed 1007")(
        partial(_answer, data=_data)
    )

_LARGE = f"1009 message of more than {LIMIT} bytes, TCP closed; app: closed 1009"

for _name, _data in (
    ("a message over the limit", frame(BINARY, bytes(LIMIT + 1))),
    ("one in fragments", frame(BINARY, bytes(LIMIT), final=False) + frame(0, b"x")),
    ("one that is announced as 10 GiB", frame(BINARY, bytes(LIMIT + 1), length=10 << 30)),
):
    rows.row(_name, stock="1009, TCP open; app: None", ours=_LARGE)(partial(_answer, data=_data))


@rows.row("text over the limit in bytes, not in characters", stock="taken", ours=_LARGE)
async def wide_text(server: Server) -> str:
    async with server.socket("/echo") as (client, name):
        await client.send(frame(TEXT, "é".encode() * (LIMIT * 3 // 4)))
        try:
            async with asyncio.timeout(1):
                await client.message()
                return "taken"
        except asyncio.IncompleteReadError:
            return f"{_LARGE.partition(';')[0]}; app: {await server.ended(name)}"


@rows.same("a message at the limit", "echoed")
async def largest(server: Server) -> str:
    async with server.socket("/echo") as (client, _):
        await client.send(frame(BINARY, bytes(LIMIT)))
        return "echoed" if len(await client.message()) == LIMIT else "not echoed"


async def _grown(server: Server, path: str, first: bytes, data: bytes) -> tuple[int, float]:
    """Bytes taken of a blast, and MiB of memory that it took."""
    before = await server.idle_memory()
    async with server.socket(path) as (client, _):
        await client.send(first)
        taken = await client.blast(data, BLAST, 6)
        after = (await server.state())["memory"]
    return taken, (after - before) / (1 << 20)


async def _bounded(server: Server, path: str, first: bytes, data: bytes) -> str:
    taken, grown = await _grown(server, path, first, data)
    return f"{'all' if taken >= BLAST else 'little'} taken, memory {'grows with it' if grown > 16 else 'stays'}"


rows.row("32 MiB of one endless message", stock="all taken, memory grows with it", ours="little taken, memory stays")(
    partial(_bounded, path="/echo", first=frame(BINARY, length=10 << 30), data=bytes(LIMIT))
)
rows.row(
    "32 MiB to a handler that does not receive",
    stock="all taken, memory grows with it",
    ours="little taken, memory stays",
)(partial(_bounded, path="/deaf", first=b"", data=MESSAGE * 20))
rows.row("32 MiB to a handler that has closed", stock="little taken, memory stays", ours="little taken, memory stays")(
    partial(_bounded, path="/close", first=b"", data=MESSAGE * 20)
)
rows.row(
    "32 MiB to a handler that has closed and goes on",
    stock="all taken, memory grows with it",
    ours="little taken, memory stays",
)(partial(_bounded, path="/close-and-stay", first=b"", data=MESSAGE * 20))


@rows.row("compression offered", stock="negotiated", ours="not negotiated")
async def compression(server: Server) -> str:
    async with connected(server.port) as client:
        await client.send(handshake("/echo", "Sec-WebSocket-Extensions: permessage-deflate"))
        return "negotiated" if "permessage-deflate" in await client.head() else "not negotiated"


@functools.cache
def _bomb() -> bytes:
    """60 MB of zeros in 60 KB, flagged as compressed."""
    deflate = zlib.compressobj(9, wbits=-15)
    data = deflate.compress(bytes(60_000_000)) + deflate.flush(zlib.Z_SYNC_FLUSH)
    bomb = bytearray(frame(BINARY, data[:-4]))
    bomb[0] |= 0x40
    return bytes(bomb)


@rows.row("a compression bomb of 60 MB", stock="memory grows with it", ours="1002, memory stays")
async def bomb(server: Server) -> str:
    data = await asyncio.to_thread(_bomb)
    before = await server.idle_memory()
    async with server.socket("/echo", "Sec-WebSocket-Extensions: permessage-deflate") as (client, _):
        await client.send(data)
        ending = await client.ending(0.5)
        grown = (await server.state())["memory"] - before
    return "memory grows with it" if grown > 30 << 20 else f"{ending[:4]}, memory stays"


@rows.row("an empty binary message", stock="received as None", ours="received as b''")
async def empty(server: Server) -> str:
    async with server.socket("/echo") as (client, name):
        await client.send(frame(BINARY))
        await client.message()
        nones = (await server.get(f"/seen/{name}"))["nones"]
        return "received as None" if nones else "received as b''"


@rows.row("100 messages, then at once a close frame", stock="some are lost", ours="100 received, then closed 4000")
async def trailing(server: Server) -> str:
    async with server.socket("/count") as (client, name):
        await client.send(MESSAGE * 100 + close_frame(4000))
        noted = await server.noted(name, "end", bool, 3)
        return f"{noted['messages']} received, then {noted['end']}" if noted["messages"] == 100 else "some are lost"


@rows.row("100 messages, then at once the end of TCP", stock="some are lost", ours="100 received, then closed 1006")
async def vanished(server: Server) -> str:
    async with server.socket("/count") as (client, name):
        await client.send(MESSAGE * 100)
        client.writer.write_eof()
        noted = await server.noted(name, "end", bool, 3)
        return f"{noted['messages']} received, then {noted['end']}" if noted["messages"] == 100 else "some are lost"


@rows.row("the client's close code", stock="not visible: cancelled", ours="closed 4321")
async def close_code(server: Server) -> str:
    async with server.socket("/echo") as (client, name):
        await client.send(close_frame(4321))
        assert await client.ending() == "4321, TCP closed"
        end = await server.ended(name)
        return "not visible: cancelled" if end == "cancelled" else str(end)


@rows.row("a handler fails", stock="1000, TCP closed", ours="1011 internal error, TCP closed")
async def failure(server: Server) -> str:
    async with server.socket("/raise") as (client, _):
        return await client.ending()


@rows.same("the server closes, the client says nothing", "4001 bye, TCP closed")
async def closed_silent(server: Server) -> str:
    async with server.socket("/close") as (client, _):
        return await client.ending()


@rows.row("the server closes, the client goes on sending", stock=LOST, ours="last words heard, TCP closed")
async def closed_streaming(server: Server) -> str:
    """What the server sent last must be readable although the client reads it late."""

    async def heard() -> bool:
        async with connected(server.port, "/close") as client:
            for _ in range(10):
                client.writer.write(MESSAGE)
                await asyncio.sleep(0.01)
            return await client.ending() == "4001 bye, TCP closed"

    return "last words heard, TCP closed" if all(await asyncio.gather(*(heard() for _ in range(5)))) else LOST


@rows.row(
    "the server closes and goes on, the client says nothing",
    stock="4001 bye, TCP open",
    ours="4001 bye, TCP closed",
)
async def closed_staying(server: Server) -> str:
    async with server.socket("/close-and-stay") as (client, _):
        return await client.ending()


@rows.row(
    "a client that is silent, pongs included",
    stock="kept",
    ours="1011 no answer to a ping, TCP closed; app: closed 1011",
)
async def silent(server: Server) -> str:
    async with server.socket("/echo") as (client, name):
        ending = await client.ending(3)
        return "kept" if "open" in ending else f"{ending}; app: {await server.ended(name)}"


async def _living(server: Server, data: bytes) -> str:
    async with server.socket("/count") as (client, _):
        for _ in range(10):
            await client.send(data)
            await asyncio.sleep(0.15)
        return "kept" if not await client.closed(0.05) else "cut"


@rows.same("a client that answers pings at once, and is silent else", "kept")
async def answering(server: Server) -> str:
    async with server.socket("/echo") as (client, _), asyncio.timeout(8):
        for _ in range(4):
            opcode, payload = await client.frame()
            assert opcode == PING, (opcode, payload)
            await client.send(frame(PONG, payload))
        return "cut" if await client.closed(0.5) else "kept"


rows.same("a client that sends pongs, and is silent else", "kept")(partial(_living, data=frame(PONG)))
rows.same("a client that streams, and answers no ping", "kept")(partial(_living, data=frame(BINARY, bytes(640))))
rows.same("a client that sends half a frame byte by byte", "kept")(partial(_living, data=bytes([0x82])))


@rows.row("10,000 pings at once", stock="10,000 pongs", ours="few pongs")
async def pings(server: Server) -> str:
    async with server.socket("/echo") as (client, _):
        await client.send(frame(PING) * 10_000 + frame(BINARY, b"x"))
        pongs = 0
        while (opcode := (await client.frame())[0]) != BINARY:
            pongs += opcode == PONG
        return "few pongs" if pongs < 100 else f"{pongs:,} pongs"


@rows.row("20 clients connect and go", stock="kept until the next ping is due", ours="nothing is kept")
async def retained(server: Server) -> str:
    before = (await server.state())["tasks"]

    async def come_and_go() -> None:
        async with connected(server.port, "/echo") as client:
            await client.send(close_frame(1000))
            await client.ending()

    await asyncio.gather(*(come_and_go() for _ in range(20)))
    await asyncio.sleep(0.1)
    kept = (await server.state())["tasks"] - before
    return "kept until the next ping is due" if kept > 15 else "nothing is kept" if kept < 3 else f"{kept} tasks"


@rows.row("data right behind the handshake", stock="400", ours="101 and heard")
async def pipelined(server: Server) -> str:
    async with connected(server.port) as client:
        await client.send(handshake("/echo") + frame(BINARY, b"early"))
        status = await client.status()
        return (
            f"101 and {'heard' if await client.message() == b'early' else 'not heard'}" if status == "101" else status
        )


@rows.row("a client that reads nothing, the handler sends", stock="for ever", ours="cut")
async def slow_reader(server: Server) -> str:
    async with server.socket("/flood") as (client, name):
        client.writer.transport.pause_reading()
        pong = asyncio.create_task(_pong(client.writer))
        end = await server.ended(name)
        pong.cancel()
        return "for ever" if end is None else "cut"


async def _pong(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(frame(PONG))
        await asyncio.sleep(0.2)


async def _refused(server: Server, path: str) -> str:
    async with connected(server.port) as client:
        await client.send(handshake(path))
        status = await client.status()
        return f"{status}, TCP {'closed' if await client.closed(1) else 'open'}"


rows.same("a handshake that the app refuses", "401, TCP closed")(partial(_refused, path="/refuse"))
rows.same("a handshake for a path that is not there", "404, TCP closed")(partial(_refused, path="/nowhere"))
rows.same("a handler that returns without accepting", "500, TCP closed")(partial(_refused, path="/nothing"))
