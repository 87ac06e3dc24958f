"""Lengths in samples, frames, milliseconds and seconds; levels."""

import numpy as np
import pytest

from transcriber.audio.pcm import (
    FRAME_MS,
    FRAME_SAMPLES,
    SAMPLE_RATE,
    SILENCE_DBFS,
    frames_of_ms,
    levels,
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


def test_a_full_scale_square_wave_is_0_dbfs_and_nothing_at_all_has_a_level_too() -> None:
    square, sine = np.sign(np.sin(np.arange(512) + 0.5)), np.sin(2 * np.pi * np.arange(512) / 64)
    rows = np.stack([square, square / 10, sine, np.zeros(512)]).astype(np.float32)
    assert levels(rows) == pytest.approx([0.0, -20.0, -3.01, SILENCE_DBFS], abs=0.01)
    assert float(levels(rows[1])) == pytest.approx(-20.0, abs=0.01)
