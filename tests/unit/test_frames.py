"""FFmpeg's frames."""

import numpy as np
import pytest
from av import AudioFrame
from numpy.typing import NDArray

from transcriber.audio.frames import channels_of

HALF = np.array([[-1.0, 0.0, 0.5], [0.5, 0.5, 0.5]])
"""Two channels of three samples."""


def coded(kind: str) -> NDArray[np.generic]:
    if kind.startswith("u8"):
        return (HALF * 128 + 128).astype(np.uint8)
    if kind.startswith("s"):
        bits = int(kind.strip("sp"))
        return (HALF * 2 ** (bits - 1)).astype(f"i{bits // 8}")
    return HALF.astype(np.float32 if kind.startswith("flt") else np.float64)


@pytest.mark.parametrize("kind", ["u8", "s16", "s32", "flt", "dbl", "u8p", "s16p", "s32p", "fltp", "dblp"])
def test_every_sample_format_has_its_full_scale(kind: str) -> None:
    samples = coded(kind)
    packed = samples if kind.endswith("p") else samples.T.reshape(1, -1)
    block = channels_of(AudioFrame.from_ndarray(np.ascontiguousarray(packed), kind, "stereo"))
    assert block.dtype == np.float32
    np.testing.assert_array_equal(block, HALF)


def test_what_is_too_loud_for_a_float_is_cut() -> None:
    frame = AudioFrame.from_ndarray(np.array([[1e300, -1e300]]), "dblp", "mono")
    assert channels_of(frame).tolist() == [[1.0, -1.0]]
