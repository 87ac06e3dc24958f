"""Which messages the text of an utterance came from: from samples back to bytes, from bytes back to messages."""

from bisect import bisect_left
from collections import deque

from transcriber.cursors import Messages


class Chunks:
    """Follows one session's decoding; ranges must be asked for in the order in which finals are told."""

    def __init__(self) -> None:
        self._runs: deque[tuple[int, Messages]] = deque()
        """Number of the first message of each run, and the run."""
        self._marks: deque[tuple[int, int]] = deque([(0, 0)])
        """(bytes decoded, samples that came of them)."""
        self._messages = 0
        self._told_byte = 0
        """The first byte after the last range."""
        self._first: int | None = None
        """The message that holds that byte, once it is looked up."""

    def add(self, run: Messages) -> None:
        """The next run of messages."""
        self._runs.append((self._messages + 1, run))
        self._messages += run.count

    def decoded(self, position_bytes: int, samples: int) -> None:
        """All bytes before the position gave so many samples, and perhaps some more to come."""
        if samples > self._marks[-1][1]:
            if len(self._marks) > 1 and self._marks[-1][0] == position_bytes:
                self._marks.pop()
            self._marks.append((position_bytes, samples))

    def range_to(self, sample: int, open_run: Messages) -> tuple[int, int] | None:
        """From the message with the first sample after the previous range to the one with the last before `sample`;
        None when no message is known."""
        last_byte = max(self._told_byte, self._byte(sample) - 1)
        first, last = self._first or self._number(self._told_byte, open_run), self._number(last_byte, open_run)
        self._told_byte, self._first = last_byte + 1, None
        return (first, max(first, last)) if first else None

    def forget(self, sample: int) -> None:
        """No range will be asked for that ends before `sample`."""
        byte = self._byte(sample)
        while len(self._marks) > 2 and self._marks[1][1] <= sample:
            self._marks.popleft()
        if self._first is None and self._runs and _end(self._runs[-1][1]) > self._told_byte:
            self._first = self._number(self._told_byte, Messages(0, 0, 0))
        while self._first and self._runs and _end(self._runs[0][1]) < byte:
            self._runs.popleft()

    def _byte(self, sample: int) -> int:
        """The byte at which the given sample begins, interpolated between marks."""
        index = bisect_left(self._marks, sample, key=lambda mark: mark[1])
        if index == 0:
            return self._marks[0][0]
        if index == len(self._marks):
            return self._marks[-1][0]
        (byte, at), (next_byte, next_at) = self._marks[index - 1], self._marks[index]
        return byte + -(-(next_byte - byte) * (sample - at) // (next_at - at))

    def _number(self, byte: int, open_run: Messages) -> int:
        """The message that holds the byte; the last one when the byte is behind all."""
        number = 0
        for first, run in (*self._runs, (self._messages + 1, open_run)):
            if run.count and (run.start <= byte or not number):
                number = first + min(run.count - 1, max(0, byte - run.start) // run.size)
        return number


def _end(run: Messages) -> int:
    return run.start + run.size * run.count
