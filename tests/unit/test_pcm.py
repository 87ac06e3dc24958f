"""Lengths in samples, frames, milliseconds and seconds."""

import pytest

from transcriber.audio.pcm import (
    FRAME_MS,
    FRAME_SAMPLES,
    SAMPLE_RATE,
    frames_of_ms,
    samples_of_ms,
    seconds,
)


def test_a_frame_is_a_whole_number_of_milliseconds() -> None:
    assert FRAME_MS * SAMPLE_RATE == FRAME_SAMPLES * 1000


@pytest.mark.parametrize(
    ("samples", "expected"), [(0, 0.0), (1, 0.0), (8, 0.001), (16_000, 1.0), (3_600 * 16_000, 3600)]
)
def test_seconds_are_told_to_the_millisecond(samples: int, expected: float) -> None:
    assert seconds(samples) == expected


@pytest.mark.parametrize(("milliseconds", "samples"), [(0, 0), (1, 16), (0.05, 0), (600, 9600), (32, 512)])
def test_samples_are_rounded_down(milliseconds: float, samples: int) -> None:
    assert samples_of_ms(milliseconds) == samples


@pytest.mark.parametrize(("milliseconds", "frames"), [(0, 0), (1, 1), (32, 1), (33, 2), (100, 4), (600, 19)])
def test_frames_last_at_least_as_long(milliseconds: float, frames: int) -> None:
    assert frames_of_ms(milliseconds) == frames
    assert frames * FRAME_MS >= milliseconds
