"""Channels to one: their mean; but of two of which one is the other upside down, nothing would be left of that."""

import numpy as np

from transcriber.audio.decoder import Block

_BLOCKS_PER_SECOND = 10
_MEMORY = 0.8
"""Of what was, at each block: about half a second."""
_CANCELLED = 10.0
"""So much louder the difference of two channels must be than their sum: 10 dB."""
_FLOOR = 10**-6.5
"""Mean square below which nothing is judged: digital silence, -65 dBFS."""


class Mixer:
    """Mixes one stream of samples at one rate. What was judged of whole blocks, counted from its beginning, counts for
    those behind them: so how samples come changes nothing."""

    def __init__(self, sample_rate: int) -> None:
        self._block_samples = max(1, sample_rate // _BLOCKS_PER_SECOND)
        self._judged: list[Block] = []
        """Of the block that is not yet whole."""
        self._judged_samples = 0
        self._sum = self._difference = 0.0
        """Mean squares, those of longer ago weighing less."""
        self._turned = False

    def mix(self, samples: Block) -> Block:
        """From shape (channels, samples) to (1, samples)."""
        if len(samples) != 2:
            return _mean(samples)
        mixed: list[Block] = []
        position = 0
        while position < samples.shape[1]:
            part = samples[:, position : position + self._block_samples - self._judged_samples]
            position += part.shape[1]
            second = -part[1] if self._turned else part[1]
            mixed.append(_mean(np.stack((part[0], second))))
            self._judge(part)
        return np.concatenate([np.empty((1, 0), np.float32), *mixed], axis=1)

    def _judge(self, part: Block) -> None:
        self._judged.append(part.copy())  # What it is a part of need not stay.
        self._judged_samples += part.shape[1]
        if self._judged_samples < self._block_samples:
            return
        first, second = np.concatenate(self._judged, axis=1).astype(np.float64)
        self._judged, self._judged_samples = [], 0
        self._sum = self._sum * _MEMORY + float(np.square(first + second).mean())
        self._difference = self._difference * _MEMORY + float(np.square(first - second).mean())
        if self._difference > max(_FLOOR, _CANCELLED * self._sum):
            self._turned = True
        elif self._sum > max(_FLOOR, self._difference):
            self._turned = False


def _mean(samples: Block) -> Block:
    """Summed one channel after the other, so that memory layout can't change a bit."""
    if samples.shape[0] == 1:
        return samples
    total = samples[0].copy()
    for channel in samples[1:]:
        total += channel
    total *= np.float32(1 / samples.shape[0])
    return total[np.newaxis]
