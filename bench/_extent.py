"""Where the speech in a clip is, as the detector finds it offline: on the whole clip, and it alone."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bench._speech import Clip
from transcriber.audio.pcm import FRAME_SAMPLES, SAMPLE_RATE
from transcriber.vad.silero import SileroDetector

Probability = NDArray[np.float32]
"""Of speech, for each frame of a clip."""

_SPEECH = 0.5
_MARGIN_FRAMES = 4
"""128 ms on either side of speech: what is left of longer pauses."""


async def probabilities(clips: Sequence[Clip]) -> list[Probability]:
    detector = SileroDetector()
    try:
        return [await detector.track().detect(frames(clip.samples)) for clip in clips]
    finally:
        await detector.close()


def frames(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The detector's frames, the last one filled with silence."""
    padded = np.pad(samples, (0, -samples.size % FRAME_SAMPLES))
    return padded.reshape(-1, FRAME_SAMPLES)


def extent(clip: Clip, probability: Probability) -> tuple[float, float]:
    """Seconds at which the first frame of speech begins and the last one ends.

    Raises:
        ValueError: there is none.
    """
    first, last = _bounds(clip, probability)
    return first * FRAME_SAMPLES / SAMPLE_RATE, min((last + 1) * FRAME_SAMPLES, clip.samples.size) / SAMPLE_RATE


def dense(clip: Clip, probability: Probability) -> Clip:
    """The clip without what is before and after its speech, and with pauses in it of a quarter of a second at most.

    Raises:
        ValueError: there is no speech in it.
    """
    first, last = _bounds(clip, probability)
    near = np.convolve(probability >= _SPEECH, np.ones(2 * _MARGIN_FRAMES + 1), mode="same") > 0
    near[:first] = near[last + 1 :] = False
    return replace(clip, samples=clip.samples[np.repeat(near, FRAME_SAMPLES)[: clip.samples.size]])


def _bounds(clip: Clip, probability: Probability) -> tuple[int, int]:
    speech = np.flatnonzero(probability >= _SPEECH)
    if not speech.size:
        raise ValueError(f"no speech in {clip.name}")
    return int(speech[0]), int(speech[-1])
