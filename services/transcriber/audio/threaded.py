"""The decoder of formats that FFmpeg takes apart: in a thread of its own, which blocks where it waits for bytes."""

import asyncio
import contextlib
import io
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable

from transcriber.audio.allowance import Spent
from transcriber.audio.decoder import Block, DecodeError, ReadAt, unsupported
from transcriber.audio.libav import Form, decode_container
from transcriber.audio.metered import CpuMeter
from transcriber.audio.pipe import Cancelled, Pipe
from transcriber.audio.tracks import TrackStream

log = logging.getLogger(__name__)


class DecodingThreads:
    """How many threads decode at once; who comes after them waits, with what it has received on disk."""

    def __init__(self, limit: int = 64, meter: CpuMeter | None = None) -> None:
        self._free = asyncio.Semaphore(limit)
        self.meter = meter or CpuMeter()
        """Counts the CPU time of all of them."""

    async def acquire(self) -> None:
        await self._free.acquire()

    def release(self) -> None:
        self._free.release()


class ThreadedDecoder:
    """Decodes as bytes come; or, given `read_at`, the received stream as a whole when it has ended."""

    def __init__(
        self,
        form: Form,
        threads: DecodingThreads,
        *,
        separate: bool = False,
        read_at: ReadAt | None = None,
        spent: Spent | None = None,
    ) -> None:
        """`spent` is what came of the stream before this part of it."""
        self._form = form
        self._threads = threads
        self._read_at = read_at
        self._spent = spent
        self._received_bytes = 0
        self.stream = TrackStream(separate=separate)
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._pipe = Pipe(self._wake)
        self._thread: threading.Thread | None = None
        self._metered_seconds = 0.0
        """Of the thread's CPU time."""

    @property
    def tracks(self) -> int:
        return self.stream.tracks

    async def decode(self, data: bytes) -> AsyncIterator[Block]:
        self._received_bytes += len(data)
        if self._read_at is None:
            await self._start()
            self._pipe.write(data)
            async for block in self._blocks():
                yield block

    async def flush(self) -> Block:
        """What is decoded. The demuxer keeps what it has not seen the end of."""
        return self.stream.flush()

    async def close(self) -> AsyncIterator[Block]:
        if not self._received_bytes:
            return
        await self._start()
        self._pipe.end()
        async for block in self._blocks():
            yield block
        last = self.stream.flush()
        if last.shape[1]:
            yield last

    def release(self) -> None:
        self._pipe.cancel()

    async def _start(self) -> None:
        if self._thread is None:
            await self._threads.acquire()
            self._thread = threading.Thread(target=self._work, name="decoder", daemon=True)
            self._thread.start()

    async def _blocks(self) -> AsyncIterator[Block]:
        """What the thread makes, until it waits for more bytes."""
        while True:
            self._news.clear()
            item = self._pipe.take()
            if isinstance(item, DecodeError):
                raise item
            if item is not None:
                yield item
            elif self._pipe.idle:
                return
            else:
                await self._news.wait()

    # In the thread.

    def _work(self) -> None:
        try:
            self._decode()
        except Cancelled:
            pass
        finally:
            self._meter()
            self._pipe.finish()
            self._call(self._threads.release)

    def _decode(self) -> None:
        source = (
            _Stream(self._pipe, self.hand_over)
            if self._read_at is None
            else _File(self._pipe, self._read_at, self._received_bytes)
        )
        try:
            decode_container(source, self._form, self, self._spent)
        except DecodeError as problem:
            self._pipe.put(problem)
        except Cancelled:
            raise
        except Exception as problem:
            log.error("decoder failed", extra={"format": self._form.demuxer, "reason": type(problem).__name__})
            self._pipe.put(unsupported("The file is damaged."))

    def hand_over(self) -> None:
        self._meter()
        for block in self.stream.take():
            self._pipe.put(block)

    def tell(self, problem: DecodeError) -> None:
        last = self.stream.flush()
        if last.shape[1]:
            self._pipe.put(last)
        self._pipe.put(problem)

    def _meter(self) -> None:
        now = time.thread_time()
        self._threads.meter.add(now - self._metered_seconds)
        self._metered_seconds = now

    def _wake(self) -> None:
        self._call(self._news.set)

    def _call(self, callback: Callable[[], object]) -> None:
        """In the event loop; if it is closed, nobody waits there."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback)


class _Stream:
    """The stream as it comes. Before a read has to wait, what is decoded is handed over."""

    def __init__(self, pipe: Pipe, hand_over: Callable[[], None]) -> None:
        self.read_bytes = 0
        self.check: Callable[[], None] = lambda: None
        self._pipe = pipe
        self._hand_over = hand_over

    def read(self, count: int, /) -> bytes:
        if not self._pipe.readable:
            self._hand_over()
        data = self._pipe.read(count)
        self.read_bytes += len(data)
        self.check()
        return data


class _File:
    """The whole stream, as a file to go about in."""

    def __init__(self, pipe: Pipe, read_at: ReadAt, size: int) -> None:
        self.read_bytes = 0
        self.check: Callable[[], None] = lambda: None
        self._pipe = pipe
        self._read_at = read_at
        self._size = size
        self._position = 0

    def read(self, count: int, /) -> bytes:
        if self._pipe.cancelled:
            raise Cancelled
        data = self._read_at(self._position, min(count, max(0, self._size - self._position)))
        self._position += len(data)
        self.read_bytes += len(data)
        self.check()
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position
