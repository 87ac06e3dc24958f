"""Between the event loop and a thread that decodes: bytes there, blocks back, neither more than is asked for."""

import threading
from collections import deque
from collections.abc import Callable

from transcriber.audio.decoder import Block, DecodeError

READ_BYTES = 1024
"""The thread reads in pieces of this size, counted from the start: so what it makes of a stream can't depend on how
the stream was cut."""

_MAX_BLOCKS = 1
"""Blocks that wait to be taken; the thread does not decode ahead of them."""


class Cancelled(Exception):
    """Nobody wants what the thread would make."""


class Pipe:
    """Holds what one side has given and the other not taken; `wake` is called, in the thread, when there is news."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._changed = threading.Condition()
        self._bytes = bytearray()
        self._blocks: deque[Block | DecodeError] = deque()
        self._ended = False
        self._cancelled = False
        self._finished = False
        self._waiting = False
        """Whether the thread does nothing until more is written."""
        self._position = 0

    # The event loop's side; nothing here waits.

    def write(self, data: bytes) -> None:
        with self._changed:
            if self._finished:
                return
            self._bytes += data
            self._waiting = self._waiting and not self._readable()
            self._changed.notify_all()

    def end(self) -> None:
        """No more bytes come."""
        with self._changed:
            self._ended = True
            self._waiting = self._finished
            self._changed.notify_all()

    def cancel(self) -> None:
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()

    def take(self) -> Block | DecodeError | None:
        with self._changed:
            self._changed.notify_all()
            return self._blocks.popleft() if self._blocks else None

    @property
    def idle(self) -> bool:
        """Whether nothing comes until more is written."""
        with self._changed:
            return self._waiting and not self._blocks

    # The thread's side.

    @property
    def cancelled(self) -> bool:
        return self._cancelled

    @property
    def readable(self) -> bool:
        """Whether the next read need not wait."""
        with self._changed:
            return self._readable()

    def read(self, count: int) -> bytes:
        """Up to `count` bytes; none at the end.

        Raises:
            Cancelled: instead of waiting on.
        """
        with self._changed:
            if not self._readable():
                self._waiting = True
                self._wake()
            while not self._readable() and not self._cancelled:
                self._changed.wait()
            if self._cancelled:
                raise Cancelled
            taken = bytes(self._bytes[: min(count, self._piece())])
            del self._bytes[: len(taken)]
            self._position += len(taken)
            return taken

    def put(self, item: Block | DecodeError) -> None:
        """Hand over a block.

        Raises:
            Cancelled: instead of waiting on.
        """
        with self._changed:
            while len(self._blocks) >= _MAX_BLOCKS and not self._cancelled:
                self._changed.wait()
            if self._cancelled:
                raise Cancelled
            self._blocks.append(item)
            self._wake()

    def finish(self) -> None:
        """The thread reads no more."""
        with self._changed:
            self._finished = self._waiting = True
            self._bytes.clear()
            self._wake()

    def _readable(self) -> bool:
        return self._ended or len(self._bytes) >= self._piece()

    def _piece(self) -> int:
        """Bytes from here to the end of a piece."""
        return READ_BYTES - self._position % READ_BYTES
