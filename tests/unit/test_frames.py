"""FFmpeg's frames."""

import numpy as np
import pytest
from av import AudioFrame, AudioResampler
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


@pytest.mark.parametrize("layout", ["7.1", "8 channels", "12 channels", "hexadecagonal"])
@pytest.mark.parametrize("kind", ["fltp", "s16p"])
def test_as_many_planes_as_there_are_channels(layout: str, kind: str) -> None:
    """Eight and more are where PyAV reads past FFmpeg's pointers."""
    channels = AudioFrame(layout=layout).layout.nb_channels
    samples = (np.arange(960 * channels) % 999 / 1024).astype(np.float32).reshape(1, -1)
    frame = AudioFrame.from_ndarray(samples, "flt", layout)
    frame.sample_rate = 48_000
    (planar,) = AudioResampler(kind, layout, 48_000).resample(frame)
    block = channels_of(planar)
    assert block.shape == (channels, 960)
    np.testing.assert_allclose(block, samples.reshape(-1, channels).T, atol=2**-15)
