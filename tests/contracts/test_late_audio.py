"""Films whose audio begins later than their picture: its times are those of the film, as players count them."""

import numpy as np
import pytest

from tests.decoding import decoded, opened
from tests.films import film

SAMPLE_RATE = 16_000
LATE_SECONDS = 1.3
FORMATS = {
    "mp4": ("mp4", "aac"),
    "mov": ("mov", "aac"),
    "mpegts": ("mpegts", "mp2"),
    "mpeg": ("mpeg", "mp2"),
    "webm": ("matroska", "libopus"),
    "mkv": ("matroska", "mp2"),
}


def begins(samples: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> float:
    """Where the tone begins, in seconds."""
    return float(np.flatnonzero(np.abs(samples[0]) > 0.1)[0]) / SAMPLE_RATE


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("piece_bytes", [700, 1 << 20])
async def test_silence_stands_for_the_time_before_it(name: str, piece_bytes: int) -> None:
    container, codec = FORMATS[name]
    late, at_once = (film(container, seconds, codec) for seconds in (LATE_SECONDS, 0.0))
    heard: list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = []
    for stream in (late, at_once):
        pieces = [stream[at : at + piece_bytes] for at in range(0, len(stream), piece_bytes)]
        samples, lost = await decoded(opened(stream), pieces)
        assert lost == 0
        heard.append(samples)
    assert begins(heard[0]) - begins(heard[1]) == pytest.approx(LATE_SECONDS, abs=0.03)
    assert heard[0].shape[1] - heard[1].shape[1] == pytest.approx(LATE_SECONDS * SAMPLE_RATE, abs=0.03 * SAMPLE_RATE)


@pytest.mark.parametrize("name", FORMATS)
async def test_less_than_a_tenth_of_a_second_is_no_time_before_it(name: str) -> None:
    container, codec = FORMATS[name]
    late, at_once = (film(container, seconds, codec) for seconds in (0.06, 0.0))
    lengths = [(await decoded(opened(stream), [stream]))[0].shape[1] for stream in (late, at_once)]
    assert lengths[0] == pytest.approx(lengths[1], abs=0.03 * SAMPLE_RATE)


async def test_a_time_that_is_not_believed_is_no_silence() -> None:
    stream = film("matroska", 700.0, "libopus")
    samples, _ = await decoded(opened(stream), [stream])
    assert samples.shape[1] < 3 * SAMPLE_RATE
