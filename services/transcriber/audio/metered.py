"""How much computing decoders take: any decoder, with its work on the event loop counted; threads count their own."""

import threading
import time
from collections.abc import AsyncIterator, Awaitable, Generator
from typing import Any, Generic, TypeVar

from transcriber.audio.decoder import Block, Decoder

T = TypeVar("T")


class CpuMeter:
    """Seconds spent, from any thread. On the event loop one in `every` calls is timed and counts for all of them: a
    clock around each would cost half as much as decoding a message of raw samples."""

    def __init__(self, *, every: int = 16) -> None:
        self.every = every
        self._changing = threading.Lock()
        self._seconds = 0.0
        self._calls = 0

    @property
    def seconds(self) -> float:
        return self._seconds

    @property
    def due(self) -> bool:
        """Whether the call that comes now is to be timed."""
        self._calls += 1
        return self._calls % self.every == 0

    def add(self, seconds: float) -> None:
        with self._changing:
            self._seconds += seconds


class MeteredDecoder:
    """The same decoder, metered."""

    def __init__(self, decoder: Decoder, meter: CpuMeter) -> None:
        self._decoder = decoder
        self._meter = meter

    @property
    def tracks(self) -> int:
        return self._decoder.tracks

    def decode(self, data: bytes) -> AsyncIterator[Block]:
        blocks = self._decoder.decode(data)
        return self._blocks(blocks, self._meter.every) if self._meter.due else blocks

    def close(self) -> AsyncIterator[Block]:
        return self._blocks(self._decoder.close(), 1)

    async def flush(self) -> Block:
        return await _Metered(self._decoder.flush(), self._meter, 1)

    def release(self) -> None:
        self._decoder.release()

    async def _blocks(self, blocks: AsyncIterator[Block], counts: int) -> AsyncIterator[Block]:
        while True:
            try:
                block = await _Metered(anext(blocks), self._meter, counts)
            except StopAsyncIteration:
                return
            yield block


class _Metered(Generic[T]):
    """An awaitable whose own steps are timed, and not what others do while it waits.

    The wall clock is read, which costs a sixth of what the thread's own does: a step only computes.
    """

    def __init__(self, awaitable: Awaitable[T], meter: CpuMeter, counts: int) -> None:
        """Its time counts so many times."""
        self._awaitable = awaitable
        self._meter = meter
        self._counts = counts

    def __await__(self) -> Generator[Any, Any, T]:
        steps: Any = self._awaitable.__await__()
        thrown: BaseException | None = None
        while True:
            began = time.perf_counter()
            try:
                waits_for = steps.send(None) if thrown is None else steps.throw(thrown)
            except StopIteration as over:
                return over.value
            finally:
                self._meter.add((time.perf_counter() - began) * self._counts)
            try:
                yield waits_for
                thrown = None
            except BaseException as problem:
                thrown = problem
