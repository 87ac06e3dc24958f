"""Channels to tracks."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.wavs import speechlike
from transcriber.audio.decoder import DecodeError
from transcriber.audio.tracks import MAX_TRACKS, TrackStream


def noise(channels: int, samples: int) -> NDArray[np.float32]:
    return speechlike(16_000, samples / 16_000, channels).T / np.float32(32768)


def all_of(stream: TrackStream) -> NDArray[np.float32]:
    return np.concatenate([np.empty((stream.tracks, 0), np.float32), *stream.take()], axis=1)


def test_channels_are_mixed_to_their_mean() -> None:
    stream, channels = TrackStream(separate=False), noise(3, 1000)
    stream.add(channels, 16_000)
    np.testing.assert_allclose(all_of(stream)[0], channels.mean(axis=0), atol=1e-7)
    assert stream.tracks == 1


def test_how_samples_lie_in_memory_changes_no_bit() -> None:
    channels = noise(9, 1000)
    mixed: list[bytes] = []
    for layout in ("C", "F"):
        stream = TrackStream(separate=False)
        stream.add(np.asarray(channels, order=layout), 16_000)
        mixed.append(all_of(stream).tobytes())
    assert mixed[0] == mixed[1]


def test_channels_are_kept_apart() -> None:
    stream, channels = TrackStream(separate=True), noise(MAX_TRACKS, 100)
    stream.add(channels, 16_000)
    np.testing.assert_array_equal(all_of(stream), channels)
    assert stream.tracks == MAX_TRACKS


def test_too_many_channels_are_not_kept_apart() -> None:
    with pytest.raises(DecodeError) as caught:
        TrackStream(separate=True).add(noise(MAX_TRACKS + 1, 10), 16_000)
    assert (caught.value.error.code, caught.value.error.close_code) == ("too_many_channels", 1003)
    TrackStream(separate=False).add(noise(32, 10), 16_000)
    with pytest.raises(DecodeError, match="33 channels"):
        TrackStream(separate=False).add(noise(33, 10), 16_000)


@pytest.mark.parametrize("rate", [999, 192_001])
def test_strange_rates_are_refused(rate: int) -> None:
    with pytest.raises(DecodeError, match=f"{rate} samples a second"):
        TrackStream(separate=False).add(noise(1, 10), rate)


def test_tracks_stay_when_channels_come_and_go() -> None:
    stream = TrackStream(separate=True)
    stream.add(noise(2, 100), 16_000)
    stream.add(noise(1, 100), 16_000)
    stream.add(noise(4, 100), 16_000)
    samples = all_of(stream)
    assert samples.shape == (2, 300)
    assert not samples[1, 100:200].any()
    np.testing.assert_array_equal(samples[:, 200:], noise(4, 100)[:2])


def test_a_change_of_rate_loses_nothing() -> None:
    stream = TrackStream(separate=False)
    stream.add(noise(1, 48_000), 48_000)
    stream.add(noise(1, 8_000), 8_000)
    assert all_of(stream).shape[1] + stream.flush().shape[1] == 32_000


def test_what_is_no_sound_becomes_some() -> None:
    stream = TrackStream(separate=False)
    wild = np.array([[np.nan, np.inf, 3.0, 0.5], [0.0, -np.inf, 1.0, 0.5]], np.float32)
    stream.add(wild, 16_000)
    assert all_of(stream).tolist() == [[0.0, 0.0, 1.0, 0.5]]


def test_blocks_are_bounded_and_held_seconds_counted() -> None:
    stream = TrackStream(separate=False)
    assert stream.held_seconds == 0
    stream.add(noise(1, 80_000), 8_000)
    assert stream.held_seconds == 10
    blocks = [*stream.take()]
    assert len(blocks) == 5
    assert max(block.shape[1] for block in blocks) <= 34_000
    assert stream.held_seconds == 0
    assert sum(block.shape[1] for block in blocks) + stream.flush().shape[1] == 160_000


def test_a_flush_gives_what_was_gathered() -> None:
    stream = TrackStream(separate=False)
    assert stream.flush().shape == (1, 0)
    stream.add(noise(1, 100), 16_000)
    assert stream.flush().shape == (1, 100)
