"""How much computing decoders take: any decoder, with its work on the event loop counted; threads count their own."""

import threading
import time
from collections.abc import AsyncIterator, Awaitable, Generator
from typing import Any, Generic, TypeVar

from transcriber.audio.decoder import Block, Decoder

T = TypeVar("T")


class CpuMeter:
    """Seconds spent, from any thread."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._seconds = 0.0

    @property
    def seconds(self) -> float:
        return self._seconds

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
        return self._blocks(self._decoder.decode(data))

    def close(self) -> AsyncIterator[Block]:
        return self._blocks(self._decoder.close())

    async def flush(self) -> Block:
        return await _Metered(self._decoder.flush(), self._meter)

    def release(self) -> None:
        self._decoder.release()

    async def _blocks(self, blocks: AsyncIterator[Block]) -> AsyncIterator[Block]:
        while True:
            try:
                block = await _Metered(anext(blocks), self._meter)
            except StopAsyncIteration:
                return
            yield block


class _Metered(Generic[T]):
    """An awaitable whose own steps are timed, and not what others do while it waits.

    The wall clock is read, which costs a sixth of what the thread's own does: a step only computes.
    """

    def __init__(self, awaitable: Awaitable[T], meter: CpuMeter) -> None:
        self._awaitable = awaitable
        self._meter = meter

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
                self._meter.add(time.perf_counter() - began)
            try:
                yield waits_for
                thrown = None
            except BaseException as problem:
                thrown = problem
