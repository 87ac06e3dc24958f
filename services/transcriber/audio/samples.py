"""The one place where decoded audio lies, by track and position, while somebody needs it."""

import numpy as np
from numpy.typing import NDArray

from transcriber.audio.decoder import Block
from transcriber.audio.pcm import FRAME_SAMPLES, SAMPLE_RATE

_LEAST_ROOM = 2 * SAMPLE_RATE


class Samples:
    """Audio of one session from `start` to `end`, positions counted from its first sample, on every track alike.

    Memory lies in one piece, twice what is kept when it was last outgrown. Nothing in it is written twice: what is
    outgrown is copied elsewhere, so views of it stay right.
    """

    def __init__(self, limit_seconds: float = 30.0) -> None:
        self.limit_seconds = limit_seconds
        self._tracks: int | None = None
        self._room: Block | None = None
        self._first = 0
        """The position of the first sample in `_room`."""
        self._start = 0
        self._end = 0

    @property
    def start(self) -> int:
        """The first position that is kept."""
        return self._start

    @property
    def end(self) -> int:
        """The position after the last sample."""
        return self._end

    @property
    def kept_seconds(self) -> float:
        return (self._end - self._start) / SAMPLE_RATE

    @property
    def full(self) -> bool:
        """Whether decoding has to wait until something is released."""
        return self.kept_seconds >= self.limit_seconds

    def append(self, block: Block) -> None:
        """`block` has shape (tracks, samples), tracks as in the first one.

        Raises:
            ValueError: it has not.
        """
        tracks, count = block.shape
        if self._tracks is None:
            self._tracks = tracks
        elif tracks != self._tracks:
            raise ValueError(f"a block of {tracks} tracks among blocks of {self._tracks}")
        if count == 0:
            return
        if self._room is None or self._end + count - self._first > self._room.shape[1]:
            self._room = self._larger(tracks, count)
            self._first = self._start
        offset = self._end - self._first
        self._room[:, offset : offset + count] = block
        self._end += count

    def read(self, track: int, start: int, stop: int) -> NDArray[np.float32]:
        """A copy of the samples from `start` up to `stop`.

        Raises:
            IndexError: they are not all kept, any more or yet.
        """
        return self._view(track, start, stop).copy()

    def frames(self, track: int, first_sample: int, count: int) -> NDArray[np.float32]:
        """`count` frames from `first_sample` on, shape (count, 512); a view, not to be written to.

        Raises:
            IndexError: they are not all kept, any more or yet.
        """
        return self._view(track, first_sample, first_sample + count * FRAME_SAMPLES).reshape(count, FRAME_SAMPLES)

    def release(self, before: int) -> None:
        """Nobody needs what lies before this position any more."""
        self._start = min(max(self._start, before), self._end)
        if self._start == self._end:
            self._room = None

    def _view(self, track: int, start: int, stop: int) -> NDArray[np.float32]:
        if not self._start <= start <= stop <= self._end:
            raise IndexError(f"samples {start} to {stop} asked for, {self._start} to {self._end} are kept")
        if self._room is None:
            return np.empty(0, np.float32)
        view = self._room[track, start - self._first : stop - self._first]
        view.flags.writeable = False
        return view

    def _larger(self, tracks: int, count: int) -> Block:
        kept = self._end - self._start
        room = np.empty((tracks, max(_LEAST_ROOM, 2 * (kept + count))), np.float32)
        if self._room is not None:
            room[:, :kept] = self._room[:, self._start - self._first : self._end - self._first]
        return room
