"""Channels become one, and nothing of what is said on them cancels out."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from transcriber.audio.decoder import Block
from transcriber.audio.mixing import Mixer

RATE = 8_000
VOICE: NDArray[np.float32] = np.random.default_rng(1).normal(0, 0.1, 4 * RATE).astype(np.float32)
OTHER: NDArray[np.float32] = np.random.default_rng(2).normal(0, 0.1, 4 * RATE).astype(np.float32)


def mixed(*channels: NDArray[np.float32]) -> NDArray[np.float32]:
    return Mixer(RATE).mix(np.stack(channels))[0]


def level(samples: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_channels_become_their_mean(count: int) -> None:
    channels = [np.roll(VOICE, 1000 * number) for number in range(count)]
    np.testing.assert_allclose(mixed(*channels), np.mean(channels, axis=0), atol=1e-6)


@pytest.mark.parametrize("gain", [1.0, 0.7])
def test_a_channel_that_is_the_other_upside_down_is_turned(gain: float) -> None:
    made = mixed(VOICE, -np.float32(gain) * VOICE)
    tenth = RATE // 10
    np.testing.assert_allclose(made[tenth:], VOICE[tenth:] * np.float32((1 + gain) / 2), atol=1e-6)
    assert level(made[:tenth]) < 0.2 * level(VOICE), "nobody knows yet"


def test_a_little_noise_on_both_does_not_matter() -> None:
    made = mixed(VOICE, -VOICE + OTHER * np.float32(0.1))
    assert level(made[RATE:]) > 0.9 * level(VOICE)


def test_two_who_speak_on_channels_of_their_own_are_not_turned() -> None:
    np.testing.assert_allclose(mixed(VOICE, OTHER), (VOICE + OTHER) / 2, atol=1e-6)
    np.testing.assert_allclose(mixed(VOICE, 0 * OTHER), VOICE / 2, atol=1e-6)


def test_silence_is_not_judged() -> None:
    quiet = VOICE * np.float32(1e-4)
    np.testing.assert_allclose(mixed(quiet, -quiet), 0 * quiet, atol=1e-9)


def test_it_is_turned_back_where_channels_are_alike_again() -> None:
    second = np.concatenate((-VOICE[: 2 * RATE], VOICE[2 * RATE :]))
    made = mixed(VOICE, second)
    np.testing.assert_allclose(made[RATE : 2 * RATE], VOICE[RATE : 2 * RATE], atol=1e-6)
    np.testing.assert_allclose(made[3 * RATE :], VOICE[3 * RATE :], atol=1e-6)


@given(st.lists(st.integers(0, 4 * RATE), max_size=20), st.booleans())
def test_how_samples_come_changes_nothing(edges: list[int], upside_down: bool) -> None:
    channels: Block = np.stack((VOICE, -VOICE if upside_down else OTHER))
    mixer, cuts = Mixer(RATE), [0, *sorted(edges), 4 * RATE]
    pieces = [mixer.mix(channels[:, start:stop]) for start, stop in pairwise(cuts)]
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), Mixer(RATE).mix(channels))
