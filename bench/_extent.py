"""Where the speech in a clip begins and ends, as the detector finds it offline: on the whole clip, and it alone."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from bench._speech import Clip
from numpy.typing import NDArray

from transcriber.audio.pcm import FRAME_SAMPLES, SAMPLE_RATE
from transcriber.vad.silero import SileroDetector

_SPEECH = 0.5


async def extents(clips: Sequence[Clip]) -> list[tuple[float, float]]:
    """Seconds at which the first frame of speech of each clip begins and the last one ends.

    Raises:
        ValueError: a clip has none.
    """
    detector = SileroDetector()
    try:
        return [extent(clip, await detector.track().detect(frames(clip.samples))) for clip in clips]
    finally:
        await detector.close()


def frames(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The detector's frames, the last one filled with silence."""
    padded = np.pad(samples, (0, -samples.size % FRAME_SAMPLES))
    return padded.reshape(-1, FRAME_SAMPLES)


def extent(clip: Clip, probabilities: NDArray[np.float32]) -> tuple[float, float]:
    speech = np.flatnonzero(probabilities >= _SPEECH)
    if not speech.size:
        raise ValueError(f"no speech in {clip.name}")
    first, last = int(speech[0]) * FRAME_SAMPLES, (int(speech[-1]) + 1) * FRAME_SAMPLES
    return first / SAMPLE_RATE, min(last, clip.samples.size) / SAMPLE_RATE


def trimmed(clip: Clip, bounds: tuple[float, float]) -> Clip:
    """The clip without what is before and after its speech."""
    start, end = (round(seconds * SAMPLE_RATE) for seconds in bounds)
    return replace(clip, samples=clip.samples[start:end])
