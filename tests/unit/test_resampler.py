"""Exact counts, true sound, and nothing that depends on how audio is cut."""

from itertools import pairwise

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from transcriber.audio.resampler import Resampler

RATES = [1_000, 8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000, 47_999]


def noise(frames: int, tracks: int = 1) -> np.ndarray:
    return np.random.default_rng(3).standard_normal((tracks, frames)).astype(np.float32) * np.float32(0.1)


@pytest.mark.parametrize("rate", RATES)
def test_streamed_is_what_one_call_gives(rate: int) -> None:
    audio = noise(rate + 123, tracks=2)
    resampler = Resampler(rate, tracks=2)
    pieces = [resampler.feed(audio[:, start : start + 777]) for start in range(0, audio.shape[1], 777)]
    streamed = np.concatenate([*pieces, resampler.flush()], axis=1)
    expected = soxr.resample(audio.T, rate, 16_000, "HQ").T
    assert streamed.shape == expected.shape == (2, int((rate + 123) * 16_000 / rate + 0.5))
    np.testing.assert_allclose(streamed, expected, atol=1e-6)
    assert streamed.dtype == np.float32
    assert streamed.flags.c_contiguous


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_keeps_pitch_and_loudness(rate: int) -> None:
    tone = np.sin(np.arange(rate * 2) * (2 * np.pi * 200 / rate)).astype(np.float32)[np.newaxis]
    resampler = Resampler(rate)
    out = np.concatenate([resampler.feed(tone), resampler.flush()], axis=1)[0]
    expected = np.sin(np.arange(32_000) * (2 * np.pi * 200 / 16_000))
    np.testing.assert_allclose(out[4_000:-4_000], expected[4_000:-4_000], atol=1e-4)


@given(
    rate=st.sampled_from(RATES),
    cuts=st.lists(st.tuples(st.integers(0, 700), st.booleans()), max_size=30),
)
def test_positions_never_drift_however_often_it_is_flushed(rate: int, cuts: list[tuple[int, bool]]) -> None:
    resampler = Resampler(rate)
    fed = emitted = 0
    for frames, flush in [*cuts, (0, True)]:
        emitted += resampler.feed(noise(frames)).shape[1]
        fed += frames
        if flush:
            emitted += resampler.flush().shape[1]
            assert emitted == (fed * 16_000 + rate // 2) // rate


@given(cuts=st.lists(st.integers(0, 3_000), max_size=20), rate=st.sampled_from([8_000, 44_100, 48_000]))
def test_what_has_come_out_depends_on_how_much_went_in_alone(cuts: list[int], rate: int) -> None:
    audio = noise(sum(cuts))
    whole, cut = Resampler(rate), Resampler(rate)
    expected = whole.feed(audio)
    edges = np.cumsum([0, *cuts])
    pieces = [cut.feed(audio[:, start:stop]) for start, stop in pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate([expected[:, :0], *pieces], axis=1), expected)
    np.testing.assert_array_equal(cut.flush(), whole.flush())


def test_after_a_flush_it_sounds_like_a_new_one() -> None:
    used, new = Resampler(48_000), Resampler(48_000)
    used.feed(noise(4_800))
    used.flush()
    np.testing.assert_array_equal(used.feed(noise(48_000)), new.feed(noise(48_000)))


def test_a_second_flush_gives_nothing() -> None:
    resampler = Resampler(8_000)
    resampler.feed(noise(8_000))
    assert resampler.flush().shape[1] > 0
    assert resampler.flush().shape == (1, 0)


def test_16_khz_passes_untouched() -> None:
    block = noise(100)
    resampler = Resampler(16_000)
    assert resampler.feed(block) is block
    assert resampler.flush().shape == (1, 0)
