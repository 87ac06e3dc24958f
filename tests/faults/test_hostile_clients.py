"""What one client can do to the others, and to the process: little, and not for long."""

import asyncio
import contextlib
import random
import socket
import statistics
import struct
import sys
import time
import zlib
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import psutil
import pytest

from tests import lj001
from tests.checked_client import client
from tests.http_get import get
from tests.service_process import ServiceProcess
from tests.stage import until
from tests.transport.raw_client import BINARY, TEXT, RawClient, connected, frame, handshake

SPEECH = lj001.wav(9.955, 11.9)
RAW = "/ws?encoding=pcm_s16le&sample_rate=16000"
MEGABYTE = 1 << 20
BLAST_BYTES = 500 * MEGABYTE


@pytest.fixture(params=["asyncio", "uvloop"])
def hurried(
    request: pytest.FixtureRequest, openai_settings: dict[str, str], tmp_path: Path
) -> Generator[ServiceProcess]:
    """A service that waits for nobody."""
    limits = {"max_connections": 100, "ping_seconds": 1, "pong_seconds": 1, "send_seconds": 1}
    with ServiceProcess(tmp_path, event_loop=request.param, **limits, **openai_settings) as running:
        yield running


class Memory:
    """A process's memory, watched."""

    def __init__(self, service: ServiceProcess) -> None:
        self._process = psutil.Process(service.pid)
        self.first = self.most = self.now()

    def now(self) -> int:
        return self._process.memory_info().rss

    @property
    def grown_mib(self) -> float:
        return (self.most - self.first) / MEGABYTE

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncGenerator[None]:
        async def watch() -> None:
            while True:
                self.most = max(self.most, self.now())
                await asyncio.sleep(0.02)

        self.first = self.most = self.now()
        watching = asyncio.create_task(watch())
        yield
        watching.cancel()


def tell(capsys: pytest.CaptureFixture[str], *lines: str) -> None:
    with capsys.disabled():
        sys.stdout.write("\n" + "\n  ".join(lines) + "\n")


def healthy(service: ServiceProcess) -> bool:
    return get(service.port, "/health")[0] == 200


async def all_stored(service: ServiceProcess) -> None:
    """Until every session is over, whatever its client left to be done."""
    async with asyncio.timeout(40):
        while any((service.data / "spool").iterdir()):  # noqa: ASYNC110 - a folder rings no bell
            await asyncio.sleep(0.1)


async def conversation(service: ServiceProcess, start_after: float) -> float:
    """Speech in real time; how long after its end everything is told."""
    await asyncio.sleep(start_after)
    async with client(service.url) as speaker:
        await speaker.stream(SPEECH, message_bytes=3200, pause_seconds=0.1)
        ended = time.monotonic()
        await speaker.say("END")
        assert await speaker.hear_all() == (1000, "complete")
        assert speaker.text == "in being comparatively modern."
        return time.monotonic() - ended


async def others(service: ServiceProcess) -> list[float]:
    """20 sessions, one after the other half of the time of one apart."""
    return await asyncio.gather(*(conversation(service, random.uniform(0, 2)) for _ in range(20)))


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


@pytest.mark.timeout(300)
async def test_a_blast_while_others_stream(hurried: ServiceProcess, capsys: pytest.CaptureFixture[str]) -> None:
    before = await others(hurried)
    memory, sent = Memory(hurried), 0

    async def blast() -> None:
        nonlocal sent
        async with connected(hurried.port, RAW) as attacker:
            reading = asyncio.create_task(attacker.closed(300))
            message = frame(BINARY, random.randbytes(64 << 10))
            while sent < BLAST_BYTES:
                await attacker.send(message)
                sent += len(message)
            reading.cancel()

    async with memory.watched():
        blasting = asyncio.create_task(blast())
        during = await others(hurried)
        with contextlib.suppress(ConnectionError):
            await blasting
    tell(
        capsys,
        f"{sent / MEGABYTE:.0f} MiB from one client while 20 others speak",
        f"memory {memory.first / MEGABYTE:.0f} MiB before, {memory.most / MEGABYTE:.0f} MiB at most",
        f"the others' last final p95 {p95(before):.2f} s before, {p95(during):.2f} s during",
    )
    assert sent >= BLAST_BYTES
    assert memory.grown_mib < 100
    assert p95(during) < p95(before) + 2


@pytest.mark.timeout(120)
async def test_readers_that_stop_reading(hurried: ServiceProcess, capsys: pytest.CaptureFixture[str]) -> None:
    """Every wrong message is answered; nobody takes the answers."""
    memory = Memory(hurried)
    wrong = frame(TEXT, b'{"type": "sing"}') * 100

    async def stop_reading() -> float:
        small = socket.socket()
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        small.setblocking(False)
        await asyncio.get_running_loop().sock_connect(small, ("127.0.0.1", hurried.port))
        began = time.monotonic()
        async with RawClient(*await asyncio.open_connection(sock=small)) as attacker:
            await attacker.open(RAW)
            attacker.writer.transport.pause_reading()
            with contextlib.suppress(OSError):
                async with asyncio.timeout(60):
                    while True:
                        await attacker.send(wrong)
                        await asyncio.sleep(0.1)
        return time.monotonic() - began

    async with memory.watched():
        attacks = [asyncio.create_task(stop_reading()) for _ in range(5)]
        lags = await others(hurried)
        seconds = await asyncio.gather(*attacks)
    tell(
        capsys,
        f"5 clients that read no answer: cut after {min(seconds):.0f} to {max(seconds):.0f} s",
        f"memory {memory.first / MEGABYTE:.0f} MiB before, {memory.most / MEGABYTE:.0f} MiB at most",
        f"the others' last final p95 {p95(lags):.2f} s",
    )
    assert max(seconds) < 50
    assert memory.grown_mib < 60
    await all_stored(hurried)


@pytest.mark.timeout(120)
async def test_slow_heads(hurried: ServiceProcess, capsys: pytest.CaptureFixture[str]) -> None:
    """Nine of ten connections trickle headers, or say nothing."""

    async def trickle(number: int) -> float:
        began = time.monotonic()
        async with connected(hurried.port) as attacker:
            closed = asyncio.create_task(attacker.closed(60))
            while not closed.done():
                if number % 2:
                    attacker.writer.write(b"X" if number % 4 == 1 else b"GET /health HTTP/1.1\r\nX: y\r\n")
                await asyncio.wait((closed,), timeout=0.5)
        return time.monotonic() - began

    attacks = [asyncio.create_task(trickle(number)) for number in range(90)]
    await asyncio.sleep(1)
    assert healthy(hurried)
    seconds = await asyncio.gather(*attacks)
    tell(capsys, f"90 slow heads of 100 connections: closed after {min(seconds):.1f} to {max(seconds):.1f} s")
    assert 5 < max(seconds) < 20
    assert healthy(hurried)


@pytest.mark.timeout(120)
async def test_no_room_for_a_connection(hurried: ServiceProcess) -> None:
    """All connections taken: whoever comes is told so, and those that were there go on."""
    async with client(hurried.url) as speaker, contextlib.AsyncExitStack() as stack:
        await speaker.hear()
        clients = [await stack.enter_async_context(connected(hurried.port)) for _ in range(120)]
        refused = 0
        for each in clients:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    refused += await each.status() == "503"
        assert 20 <= refused <= 25
        await speaker.say(SPEECH, "END")
        assert await speaker.hear_all() == (1000, "complete")
    await until(lambda: healthy(hurried))


async def quick(port: int, number: int) -> None:
    """Connect and be gone, in one of the ways there are."""
    with contextlib.suppress(OSError):
        async with connected(port) as visitor:
            match number % 4:
                case 0:
                    await visitor.send(handshake(RAW))
                    await visitor.head()
                case 1:
                    await visitor.send(handshake(RAW) + frame(BINARY, bytes(640)))
                case 2:
                    await visitor.send(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n")
                    await visitor.head()
                case _:
                    pass
            reset(visitor)


def reset(visitor: RawClient) -> None:
    """Close without the usual farewell."""
    linger = struct.pack("ii", 1, 0)
    visitor.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


@pytest.mark.timeout(300)
async def test_ten_thousand_quick_connects(hurried: ServiceProcess, capsys: pytest.CaptureFixture[str]) -> None:
    process, memory = psutil.Process(hurried.pid), Memory(hurried)
    descriptors = process.num_fds()
    left, began = iter(range(10_000)), time.monotonic()

    async def visit() -> None:
        for number in left:
            await quick(hurried.port, number)

    async with memory.watched():
        await asyncio.gather(*(visit() for _ in range(50)))
        seconds = time.monotonic() - began
        await until(lambda: healthy(hurried))
        await all_stored(hurried)
    await until(lambda: process.num_fds() <= descriptors + 3)
    tell(
        capsys,
        f"10,000 quick connects in {seconds:.0f} s, half of them for a session",
        f"memory {memory.first / MEGABYTE:.0f} MiB before, {memory.most / MEGABYTE:.0f} MiB at most",
        f"descriptors {descriptors} before, {process.num_fds()} after",
    )
    assert memory.grown_mib < 100


async def test_a_compression_bomb(hurried: ServiceProcess) -> None:
    deflate = zlib.compressobj(9, wbits=-15)
    data = deflate.compress(bytes(200_000_000)) + deflate.flush(zlib.Z_SYNC_FLUSH)
    bomb = bytearray(frame(BINARY, data[:-4]))
    bomb[0] |= 0x40
    memory = Memory(hurried)
    async with (
        memory.watched(),
        connected(hurried.port, RAW, "Sec-WebSocket-Extensions: permessage-deflate") as attacker,
    ):
        await attacker.send(bytes(bomb))
        assert (await attacker.ending(5)).startswith("1002 ")
    assert memory.grown_mib < 20


async def test_text_that_is_not_utf_8_ends_with_what_was_said(hurried: ServiceProcess) -> None:
    async with connected(hurried.port, "/ws") as attacker:
        await attacker.message()
        await attacker.send(frame(BINARY, SPEECH) + frame(TEXT, b"\xc3\x28"))
        assert await attacker.ending(5) == "1007 text is not UTF-8, TCP closed"
    await until(lambda: any(hurried.data.rglob("transcript.txt")))
    (transcript,) = hurried.data.rglob("transcript.txt")
    assert transcript.read_text() == "in being comparatively modern.\n"


@pytest.mark.timeout(120)
async def test_noise_is_no_traceback(hurried: ServiceProcess) -> None:
    """Seeded bytes where heads, handshakes and frames should be."""
    rng = random.Random(5)
    valid = [
        handshake("/ws"),
        handshake(RAW) + frame(TEXT, b'{"type": "start"}') + frame(BINARY, bytes(640)),
        b"POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
        b"GET /health?x=%ff HTTP/1.1\r\nHost: x\r\nCookie: a=b\r\nAccept: */*\r\n\r\n",
    ]
    for _ in range(1500):
        data = bytearray(rng.choice(valid))
        for _ in range(rng.choice((1, 1, 2, 5))):
            place = rng.randrange(len(data))
            data[place : place + rng.choice((0, 1, 1, 4))] = rng.randbytes(rng.choice((0, 1, 1, 8)))
        with contextlib.suppress(OSError):
            async with connected(hurried.port) as attacker:
                await attacker.send(bytes(data))
                attacker.writer.write_eof()
                await attacker.closed(0.01)
    assert healthy(hurried)
    assert [line for line in hurried.log() if "exception" in line or line["level"] == "error"] == []
