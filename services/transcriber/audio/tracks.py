"""From decoded channels at any rate to tracks at 16 kHz: mixed or kept apart, made sound, in blocks of bounded size."""

from collections.abc import Iterator

import numpy as np

from transcriber.audio.decoder import Block, DecodeError, unsupported
from transcriber.audio.mixing import Mixer
from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.audio.resampler import Resampler
from transcriber.events import Error

SAMPLE_RATES = (1_000, 192_000)
"""Hz, the slowest and the fastest that is taken."""

MAX_CHANNELS = 32

MAX_TRACKS = 8

_BLOCK_SECONDS = 2


class TrackStream:
    """Gathers decoded samples at their own rate until they are taken; then they are tracks.

    What a stream starts with says how many tracks there are. When its number of channels changes later, those beyond
    the first count are left out, and those that are missing are silent.
    """

    def __init__(self, *, separate: bool) -> None:
        self._separate = separate
        self._tracks: int | None = None
        self._rate = 0
        self._resampler: Resampler | None = None
        self._mixer: Mixer | None = None
        self._gathered: list[Block] = []
        """As decoded, all of as many channels."""
        self._gathered_samples = 0
        self._behind: list[Block] = []
        """At 16 kHz, from before the rate changed."""

    @property
    def tracks(self) -> int:
        return self._tracks or 1

    @property
    def held_seconds(self) -> float:
        """How much was gathered since it was last taken."""
        return self._gathered_samples / self._rate if self._rate else 0.0

    def add(self, samples: Block, rate: int) -> None:
        """Decoded samples, shape (channels, samples).

        Raises:
            DecodeError: the rate or the number of channels is none that is taken.
        """
        if self._tracks is None:
            self._tracks = self._count(samples.shape[0])
        if rate != self._rate:
            self._change_rate(rate)
        if self._gathered and len(self._gathered[0]) != len(samples):
            self._behind += self._resampled()
        self._gathered.append(samples)
        self._gathered_samples += samples.shape[1]

    def take(self) -> Iterator[Block]:
        """Blocks of what was gathered, none longer than about 2 s; to be taken before anything is added."""
        behind, self._behind = self._behind, []
        yield from behind
        yield from self._resampled()

    def flush(self) -> Block:
        """What was gathered, and all that the resampler holds back."""
        blocks = [*self.take()]
        if self._resampler is not None:
            blocks.append(self._resampler.flush())
        return np.concatenate([nothing(self.tracks), *blocks], axis=1)

    def _resampled(self) -> Iterator[Block]:
        if self._resampler is None or not self._gathered:
            return
        gathered = self._gathered[0] if len(self._gathered) == 1 else np.concatenate(self._gathered, axis=1)
        gathered = self._as_tracks(_sound(gathered))
        self._gathered, self._gathered_samples = [], 0
        step = _BLOCK_SECONDS * self._rate
        for start in range(0, gathered.shape[1], step):
            block = self._resampler.feed(gathered[:, start : start + step])
            if block.shape[1]:
                yield block

    def _count(self, channels: int) -> int:
        if not 1 <= channels <= MAX_CHANNELS:
            raise unsupported(f"The audio has {channels} channels; 1 to {MAX_CHANNELS} are understood.")
        if not self._separate:
            return 1
        if channels > MAX_TRACKS:
            message = f"The audio has {channels} channels; at most {MAX_TRACKS} can be kept apart."
            raise DecodeError(Error("too_many_channels", message, field="channels", close_code=1003))
        return channels

    def _change_rate(self, rate: int) -> None:
        low, high = SAMPLE_RATES
        if not low <= rate <= high:
            raise unsupported(f"The audio has {rate} samples a second; {low} to {high} are understood.")
        if self._resampler is not None:
            before = self.flush()
            self._behind = _bounded(before)
        self._rate = rate
        self._resampler = Resampler(rate, self.tracks)
        self._mixer = Mixer(rate)

    def _as_tracks(self, samples: Block) -> Block:
        if not self._separate:
            assert self._mixer is not None
            return self._mixer.mix(samples)
        return fitted(samples, self.tracks)


def _bounded(block: Block) -> list[Block]:
    step = _BLOCK_SECONDS * SAMPLE_RATE
    return [block[:, start : start + step] for start in range(0, block.shape[1], step)]


def fitted(samples: Block, tracks: int) -> Block:
    """So many tracks: those beyond are left out, missing ones are silent."""
    if samples.shape[0] == tracks:
        return samples
    made = np.zeros((tracks, samples.shape[1]), np.float32)
    kept = min(tracks, samples.shape[0])
    made[:kept] = samples[:kept]
    return made


def nothing(tracks: int = 1) -> Block:
    return np.empty((tracks, 0), np.float32)


def _sound(samples: Block) -> Block:
    """Within [-1, 1]: codecs overshoot, and floats in files may be anything."""
    peak = max(samples.max(initial=0.0), -samples.min(initial=0.0))
    if peak <= 1:  # which is false for what is no number
        return samples
    return np.clip(np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0), -1.0, 1.0)
