"""The buffer of decoded audio against a plain array."""

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from transcriber.audio.pcm import FRAME_SAMPLES, SAMPLE_RATE
from transcriber.audio.samples import Samples


def ramp(start: int, count: int) -> np.ndarray:
    """Two tracks whose samples tell their own position."""
    track = np.arange(start, start + count, dtype=np.float32)
    return np.stack([track, -track])


class AsAnArray(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.samples = Samples(limit_seconds=5)
        self.start = self.end = 0

    @rule(count=st.integers(0, 3 * SAMPLE_RATE))
    def append(self, count: int) -> None:
        self.samples.append(ramp(self.end, count))
        self.end += count

    @rule(share=st.floats(-0.2, 1.2))
    def release(self, share: float) -> None:
        before = self.start + round((self.end - self.start) * share)
        self.samples.release(before)
        self.start = min(max(self.start, before), self.end)

    @precondition(lambda self: self.end > self.start)
    @rule(first=st.floats(0, 1), length=st.floats(0, 1), track=st.sampled_from([0, 1]))
    def read(self, first: float, length: float, track: int) -> None:
        start = self.start + int((self.end - self.start) * first)
        stop = start + int((self.end - start) * length)
        expected = ramp(start, stop - start)[track]
        np.testing.assert_array_equal(self.samples.read(track, start, stop), expected)

    @invariant()
    def bounds(self) -> None:
        assert (self.samples.start, self.samples.end) == (self.start, self.end)
        assert self.samples.kept_seconds == (self.end - self.start) / SAMPLE_RATE
        assert self.samples.full == (self.end - self.start >= 5 * SAMPLE_RATE)


TestAsAnArray = AsAnArray.TestCase


@pytest.mark.parametrize(("start", "stop"), [(99, 200), (150, 301), (300, 301), (0, 1), (200, 150), (-1, 150)])
def test_what_is_not_kept_is_never_made_up(start: int, stop: int) -> None:
    samples = Samples()
    samples.append(ramp(0, 300))
    samples.release(100)
    with pytest.raises(IndexError, match="100 to 300 are kept"):
        samples.read(0, start, stop)


def test_nothing_can_be_read_of_nothing() -> None:
    samples = Samples()
    assert samples.read(0, 0, 0).shape == (0,)
    with pytest.raises(IndexError):
        samples.read(0, 0, 1)


def test_frames_are_rows() -> None:
    samples = Samples()
    samples.append(ramp(0, 5 * FRAME_SAMPLES))
    frames = samples.frames(1, FRAME_SAMPLES, 3)
    assert frames.shape == (3, FRAME_SAMPLES)
    np.testing.assert_array_equal(frames.ravel(), ramp(FRAME_SAMPLES, 3 * FRAME_SAMPLES)[1])
    with pytest.raises(IndexError):
        samples.frames(1, 4 * FRAME_SAMPLES, 2)


def test_frames_stay_right_whatever_comes_after() -> None:
    samples = Samples()
    samples.append(ramp(0, FRAME_SAMPLES))
    frames = samples.frames(0, 0, 1)
    expected = frames.copy()
    samples.release(FRAME_SAMPLES)
    for start in range(FRAME_SAMPLES, 20 * SAMPLE_RATE, SAMPLE_RATE // 4):
        samples.append(ramp(start, SAMPLE_RATE // 4))
        samples.release(start)
    np.testing.assert_array_equal(frames, expected)
    with pytest.raises(ValueError, match="read-only"):
        frames[0, 0] = 1


def test_a_copy_is_the_readers_own() -> None:
    samples = Samples()
    samples.append(ramp(0, 100))
    samples.read(0, 0, 100)[:] = 7
    np.testing.assert_array_equal(samples.read(0, 0, 100), ramp(0, 100)[0])


def test_blocks_must_have_the_same_tracks() -> None:
    samples = Samples()
    samples.append(ramp(0, 100))
    with pytest.raises(ValueError, match="tracks"):
        samples.append(np.zeros((1, 100), np.float32))
    samples.release(100)
    with pytest.raises(ValueError, match="tracks"):
        samples.append(np.zeros((3, 0), np.float32))
