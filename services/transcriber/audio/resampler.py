"""Any sample rate to 16 kHz, streaming, with exact sample counts."""

import numpy as np
import soxr

from transcriber.audio.decoder import Block
from transcriber.audio.pcm import SAMPLE_RATE

BLOCK_MS = 20
"""What soxr is fed at a time: in blocks of one size, what comes out depends on how much was fed, not on how it was
cut."""


class Resampler:
    """soxr HQ. At 16 kHz blocks pass as they are.

    Sample k lies at k / 16 000 seconds, within half a sample after a flush. After `flush`, exactly round(frames fed in
    all * 16 000 / rate) samples have come out, halves rounded up, so positions never drift.
    """

    def __init__(self, source_rate: int, tracks: int = 1) -> None:
        self._rate = source_rate
        self._tracks = tracks
        self._block_frames = max(1, source_rate * BLOCK_MS // 1000)
        self._held: Block = np.empty((tracks, 0), np.float32)
        """Less than one block, for soxr to get later."""
        self._fed = 0
        self._emitted = 0
        self._flushed_at = 0
        """Frames fed before the last flush; what soxr knows begins here."""
        self._soxr = None if source_rate == SAMPLE_RATE else _stream(source_rate, tracks)

    def feed(self, block: Block) -> Block:
        """The samples that are ready; shape (tracks, samples), as `block`."""
        if self._soxr is None:
            return block
        self._fed += block.shape[1]
        waiting = np.concatenate([self._held, block], axis=1)
        whole = waiting.shape[1] - waiting.shape[1] % self._block_frames
        # A copy, so that the remainder does not keep all of `waiting` alive.
        self._held = waiting[:, whole:].copy()
        return self._emit(
            [
                self._soxr.resample_chunk(_interleaved(waiting[:, start : start + self._block_frames]))
                for start in range(0, whole, self._block_frames)
            ]
        )

    def flush(self) -> Block:
        """All samples held back, computed as if the source ended here; it may go on."""
        if self._soxr is None or self._fed == self._flushed_at:
            return np.empty((self._tracks, 0), np.float32)
        last = self._soxr.resample_chunk(_interleaved(self._held), last=True)
        self._soxr.clear()
        self._held = self._held[:, :0]
        self._flushed_at = self._fed
        return self._emit([self._to_exact_count(last)])

    def _to_exact_count(self, last: Block) -> Block:
        """soxr rounds each stretch between flushes by itself; their sum is put right here, by one sample at most."""
        due = (self._fed * SAMPLE_RATE + self._rate // 2) // self._rate - self._emitted
        if len(last) >= due:
            return last[:due]
        padding = np.zeros((1, self._tracks), np.float32) if len(last) == 0 else last[-1:]
        return np.concatenate([last, np.repeat(padding, due - len(last), axis=0)])

    def _emit(self, pieces: list[Block]) -> Block:
        """Pieces as soxr makes them, (samples, tracks), as one block."""
        if not pieces:
            return np.empty((self._tracks, 0), np.float32)
        block = np.concatenate(pieces).T
        self._emitted += block.shape[1]
        return np.ascontiguousarray(block)


def _stream(source_rate: int, tracks: int) -> soxr.ResampleStream:
    return soxr.ResampleStream(source_rate, SAMPLE_RATE, tracks, dtype="float32", quality="HQ")


def _interleaved(block: Block) -> Block:
    return np.ascontiguousarray(block.T)
