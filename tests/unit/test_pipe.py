"""Bytes to a thread, blocks back."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import pytest

from transcriber.audio.pipe import READ_BYTES, Cancelled, Pipe

T = TypeVar("T")
BLOCK = np.zeros((1, 10), np.float32)


class Other:
    """A pipe with a thread at its other end; `news` rings when it is woken."""

    def __init__(self) -> None:
        self.news = threading.Event()
        self.pipe = Pipe(self.news.set)
        self._thread = ThreadPoolExecutor(1)

    def do(self, work: Callable[[], T]) -> Future[T]:
        return self._thread.submit(work)

    def hear(self) -> None:
        assert self.news.wait(5)
        self.news.clear()


@pytest.fixture
def other() -> Other:
    return Other()


def test_reads_come_in_pieces_that_do_not_depend_on_writes(other: Other) -> None:
    reads = other.do(lambda: [other.pipe.read(READ_BYTES * 2), other.pipe.read(100), other.pipe.read(5000)])
    other.hear()
    for _ in range(2):
        assert other.pipe.idle
        other.pipe.write(bytes(READ_BYTES - 1))
    assert other.pipe.readable
    other.pipe.write(bytes(2))
    assert [len(read) for read in reads.result(5)] == [READ_BYTES, 100, READ_BYTES - 100]


def test_the_end_gives_what_is_left_and_then_nothing(other: Other) -> None:
    other.pipe.write(b"abc")
    assert not other.pipe.readable
    other.pipe.end()
    assert [other.pipe.read(10), other.pipe.read(10)] == [b"abc", b""]


def test_a_thread_does_not_get_ahead(other: Other) -> None:
    putting = other.do(lambda: [other.pipe.put(BLOCK) for _ in range(3)])
    taken = 0
    while taken < 3:
        other.hear()
        assert not other.pipe.idle
        while other.pipe.take() is not None:
            taken += 1
    putting.result(5)
    assert other.pipe.take() is None


@pytest.mark.parametrize("work", [lambda pipe: pipe.read(1), lambda pipe: [pipe.put(BLOCK), pipe.put(BLOCK)]])
def test_who_waits_is_cancelled(other: Other, work: Callable[[Pipe], object]) -> None:
    waiting = other.do(lambda: work(other.pipe))
    other.hear()
    other.pipe.cancel()
    with pytest.raises(Cancelled):
        waiting.result(5)
    assert other.pipe.cancelled


def test_after_the_end_of_the_thread_nothing_is_kept_and_nothing_comes(other: Other) -> None:
    other.pipe.finish()
    other.pipe.write(bytes(5000))
    assert other.pipe.idle
    other.pipe.end()
    assert other.pipe.idle
    assert other.pipe.take() is None
