"""A decoder that is metered decodes as before, and its own computing is counted alone."""

import asyncio
import time
from collections.abc import AsyncIterator

import numpy as np
import pytest

from tests.decoding import Block
from transcriber.audio.decoder import DecodeError, unsupported
from transcriber.audio.metered import CpuMeter, MeteredDecoder


def work(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


class Worker:
    """Computes for 20 ms, waits for 100 ms, computes for 20 ms."""

    tracks = 2

    def __init__(self) -> None:
        self.released = False
        self.cancelled = False

    async def decode(self, data: bytes) -> AsyncIterator[Block]:
        if data == b"bad":
            raise unsupported("No.")
        work(0.02)
        yield np.zeros((2, 3), np.float32)
        try:
            await asyncio.sleep(0.1)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        work(0.02)
        yield np.ones((2, 3), np.float32)

    async def flush(self) -> Block:
        work(0.02)
        return np.zeros((2, 1), np.float32)

    async def close(self) -> AsyncIterator[Block]:
        yield await self.flush()

    def release(self) -> None:
        self.released = True


async def taken(blocks: AsyncIterator[Block]) -> list[tuple[int, ...]]:
    return [block.shape async for block in blocks]


async def test_all_comes_through_and_waiting_is_not_counted() -> None:
    meter, worker = CpuMeter(every=1), Worker()
    decoder = MeteredDecoder(worker, meter)
    busy = asyncio.create_task(asyncio.sleep(0.03))
    assert await taken(decoder.decode(b"x")) == [(2, 3), (2, 3)]
    await busy
    assert 0.04 <= meter.seconds < 0.09
    assert (await decoder.flush()).shape == (2, 1)
    assert await taken(decoder.close()) == [(2, 1)]
    assert 0.08 <= meter.seconds < 0.15
    assert decoder.tracks == 2
    decoder.release()
    assert worker.released


async def test_errors_and_cancelling_come_through() -> None:
    worker = Worker()
    decoder = MeteredDecoder(worker, CpuMeter(every=1))
    with pytest.raises(DecodeError):
        await taken(decoder.decode(b"bad"))
    task = asyncio.create_task(taken(decoder.decode(b"x")))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert worker.cancelled


async def test_one_in_many_calls_is_timed_for_all() -> None:
    meter = CpuMeter(every=4)
    decoder = MeteredDecoder(Worker(), meter)
    for _ in range(3):
        await taken(decoder.decode(b"x"))
    assert meter.seconds == 0
    assert await taken(decoder.decode(b"x")) == [(2, 3), (2, 3)]
    assert 4 * 0.04 <= meter.seconds < 4 * 0.09
    meter.add(1.0)
    assert meter.seconds > 1
