"""What every detector must do."""

import asyncio
import wave
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from transcriber.audio.pcm import FRAME_SAMPLES, SAMPLE_RATE
from transcriber.vad.detector import Detector
from transcriber.vad.silero import SileroDetector

CLIP = Path(__file__).parents[2] / "demo" / "lj001.wav"
DETECTORS: dict[str, Callable[[], Detector]] = {"silero": SileroDetector}


@pytest.fixture(params=DETECTORS)
async def detector(request: pytest.FixtureRequest) -> AsyncIterator[Detector]:
    detector = DETECTORS[request.param]()
    yield detector
    await detector.close()


@pytest.fixture(scope="module")
def speech() -> NDArray[np.float32]:
    """Ten seconds of somebody reading aloud."""
    with wave.open(str(CLIP)) as clip:
        samples = np.frombuffer(clip.readframes(10 * clip.getframerate()), np.int16) / 32768
        positions = np.arange(10 * SAMPLE_RATE) * clip.getframerate() / SAMPLE_RATE
    samples = np.interp(positions, np.arange(len(samples)), samples).astype(np.float32)
    return samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)


def silence(count: int) -> NDArray[np.float32]:
    return np.zeros((count, FRAME_SAMPLES), np.float32)


def room_tone(count: int) -> NDArray[np.float32]:
    random = np.random.default_rng(3)
    return (random.standard_normal((count, FRAME_SAMPLES)) * 10 ** (-55 / 20)).astype(np.float32)


async def test_every_frame_gets_a_probability(detector: Detector, speech: NDArray[np.float32]) -> None:
    probabilities = await detector.track().detect(speech)

    assert probabilities.shape == (len(speech),)
    assert probabilities.dtype == np.float32
    assert 0 <= probabilities.min() <= probabilities.max() <= 1


async def test_no_frames_get_none(detector: Detector) -> None:
    assert (await detector.track().detect(silence(0))).shape == (0,)


async def test_speech_is_told_from_silence_and_room_tone(detector: Detector, speech: NDArray[np.float32]) -> None:
    assert np.mean(await detector.track().detect(speech) > 0.5) > 0.7
    assert np.max(await detector.track().detect(silence(100))) < 0.3
    assert np.max(await detector.track().detect(room_tone(100))) < 0.3


async def test_the_pause_after_speech_is_found(detector: Detector, speech: NDArray[np.float32]) -> None:
    track = detector.track()
    await track.detect(speech[:100])

    assert np.max((await track.detect(room_tone(40)))[15:]) < 0.35


@pytest.mark.parametrize("size", [1, 7, 64])
async def test_how_frames_are_grouped_makes_no_difference(
    detector: Detector, speech: NDArray[np.float32], size: int
) -> None:
    whole = await detector.track().detect(speech[:100])
    track = detector.track()

    parts = [await track.detect(speech[start : min(start + size, 100)]) for start in range(0, 100, size)]

    np.testing.assert_array_equal(np.concatenate(parts), whole)


async def test_tracks_do_not_hear_each_other(detector: Detector, speech: NDArray[np.float32]) -> None:
    alone = await detector.track().detect(speech[:100])

    together = await asyncio.gather(
        detector.track().detect(speech[:100]),
        detector.track().detect(room_tone(60)),
        *(detector.track().detect(speech[start:]) for start in range(100, 200, 10)),
    )

    np.testing.assert_array_equal(together[0], alone)


async def test_what_was_given_is_left_as_it_was(detector: Detector, speech: NDArray[np.float32]) -> None:
    given = speech[:20].copy()
    await detector.track().detect(given)

    np.testing.assert_array_equal(given, speech[:20])
