"""Clips joined to one recording with room tone between them: where each lies is known by construction."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench._speech import Clip
from transcriber.audio.pcm import SAMPLE_RATE

Audio = NDArray[np.int16]
"""16 kHz mono."""

_TONE_DBFS = (-65.0, -60.0)
_PAUSE_SECONDS = (0.2, 1.5)
_NO_PAUSE_SHARE = 0.25


@dataclass(frozen=True)
class Placed:
    """A clip and where it lies in a joining, in seconds."""

    clip: Clip
    start: float
    end: float


@dataclass(frozen=True)
class Joining:
    audio: Audio
    placed: tuple[Placed, ...]

    @property
    def seconds(self) -> float:
        return self.audio.size / SAMPLE_RATE

    @property
    def speech_seconds(self) -> float:
        """Of all clips."""
        return sum(place.end - place.start for place in self.placed)


def join(clips: Sequence[Clip], gaps_seconds: Sequence[float], rng: np.random.Generator) -> Joining:
    """The clips in this order, with a gap before each and one at the end: one gap more than clips."""
    parts: list[NDArray[np.float32]] = []
    placed: list[Placed] = []
    at = 0
    for clip, gap in zip(clips, gaps_seconds[:-1], strict=True):
        tone = room_tone(gap, rng)
        start = at + tone.size
        at = start + clip.samples.size
        parts += [tone, clip.samples]
        placed.append(Placed(clip, start / SAMPLE_RATE, at / SAMPLE_RATE))
    parts.append(room_tone(gaps_seconds[-1], rng))
    scaled = np.round(np.concatenate(parts) * 32768)
    return Joining(np.clip(scaled, -32768, 32767).astype(np.int16), tuple(placed))


def room_tone(seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """White noise as loud as a quiet room is in a recording."""
    level = 10 ** (rng.uniform(*_TONE_DBFS) / 20)
    return (level * rng.standard_normal(round(seconds * SAMPLE_RATE))).astype(np.float32)


def shuffled(clips: Sequence[Clip], rng: np.random.Generator) -> list[Clip]:
    return [clips[index] for index in rng.permutation(len(clips))]


def conversation(clips: Sequence[Clip], seed: int) -> Joining:
    """All clips in an order of the seed's, with pauses of 0.2 to 1.5 s between them, a quarter of them without any."""
    rng = np.random.default_rng(seed)
    pauses = rng.uniform(*_PAUSE_SECONDS, len(clips) + 1)
    pauses[1:-1][rng.random(len(clips) - 1) < _NO_PAUSE_SHARE] = 0
    return join(shuffled(clips, rng), pauses.tolist(), rng)


def half_silent(clips: Sequence[Clip], seconds: float, seed: int) -> Joining:
    """A session of so many seconds that is half speech, as nearly as whole clips come to that."""
    rng = np.random.default_rng(seed)
    chosen = _filling(clips, seconds / 2, rng)
    silence = seconds - sum(clip.samples.size for clip in chosen) / SAMPLE_RATE
    shares = rng.uniform(0.5, 1.5, len(chosen) + 1)
    return join(chosen, (shares / shares.sum() * silence).tolist(), rng)


def _filling(clips: Sequence[Clip], seconds: float, rng: np.random.Generator) -> list[Clip]:
    """Clips in random order that together last almost so long; some more than once if there are too few."""
    left = round(seconds * SAMPLE_RATE)
    rounds = math.ceil(left / sum(clip.samples.size for clip in clips)) + 1
    chosen: list[Clip] = []
    for clip in (clip for _ in range(rounds) for clip in shuffled(clips, rng)):
        if clip.samples.size <= left:
            chosen.append(clip)
            left -= clip.samples.size
    if not chosen:
        raise ValueError(f"no clip is shorter than {seconds:g} s")
    return chosen


def conversation_of(clips: Sequence[Clip], seconds: float, seed: int) -> Joining:
    """Conversations with the seeds from `seed` on, one after the other, as long as asked for; the last clip that does
    not fit is cut off and not listed."""
    audio: list[Audio] = []
    placed: list[Placed] = []
    at = 0.0
    while at < seconds:
        part = conversation(clips, seed + len(audio))
        audio.append(part.audio)
        placed += [Placed(place.clip, at + place.start, at + place.end) for place in part.placed]
        at += part.seconds
    fitting = tuple(place for place in placed if place.end <= seconds)
    return Joining(np.concatenate(audio)[: round(seconds * SAMPLE_RATE)], fitting)
