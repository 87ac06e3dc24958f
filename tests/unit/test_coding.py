"""Raw samples to blocks: exact values, any cut."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from transcriber.audio.coding import ENCODINGS, TABLES, Encoding, RawFormat, SampleStream, encoding_named, samples_of


def test_mulaw_is_g711() -> None:
    # First value of every segment, from ITU-T G.711 table 2a, times 4.
    assert TABLES["mulaw"][0xFF:0x7F:-16].tolist() == [0, 132, 396, 924, 1980, 4092, 8316, 16764]
    assert TABLES["mulaw"][[0x80, 0x00, 0x7F]].tolist() == [32124, -32124, 0]
    # Within a segment the steps are even.
    assert set(np.diff(TABLES["mulaw"][0xEF:0xDF:-1]).tolist()) == {16}


def test_alaw_is_g711() -> None:
    # First value of every segment, from ITU-T G.711 table 1a (odd half steps), times 8.
    codes = [(segment << 4 | 0x80) ^ 0x55 for segment in range(8)]
    assert TABLES["alaw"][codes].tolist() == [8, 264, 528, 1056, 2112, 4224, 8448, 16896]
    assert TABLES["alaw"][[0xAA, 0x2A, 0x55]].tolist() == [32256, -32256, -8]


@pytest.mark.parametrize("encoding", ["mulaw", "alaw"])
def test_codes_are_symmetric_and_all_different_but_for_the_two_zeros(encoding: str) -> None:
    table = TABLES["mulaw" if encoding == "mulaw" else "alaw"]
    assert (table[:128] == -table[128:]).all()
    assert len(set(table.tolist())) == (255 if encoding == "mulaw" else 256)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("linear16", "pcm_s16le"), ("PCM_S16LE", "pcm_s16le"), ("ulaw", "mulaw"), ("g711_alaw", "alaw"), ("opus", None)],
)
def test_names_of_other_services_are_known(name: str, encoding: str | None) -> None:
    assert encoding_named(name) == encoding


def fed(stream: SampleStream, data: bytes) -> NDArray[np.float32]:
    return np.concatenate([np.empty((stream.tracks, 0), np.float32), *stream.feed(data)], axis=1)


FULL_SCALE: list[tuple[Encoding, bytes, list[float]]] = [
    ("pcm_s16le", b"\x00\x80\x00\x00\x00\x40", [-1.0, 0.0, 0.5]),
    ("pcm_s16be", b"\x80\x00\x00\x00\x40\x00", [-1.0, 0.0, 0.5]),
    ("pcm_s24le", b"\x00\x00\x80\x00\x00\x00\x00\x00\x40\x01\x00\x00", [-1.0, 0.0, 0.5, 2.0**-23]),
    ("pcm_s32le", b"\x00\x00\x00\x80\x00\x00\x00\x40", [-1.0, 0.5]),
    ("pcm_u8", b"\x00\x80\xc0", [-1.0, 0.0, 0.5]),
    ("pcm_f32le", struct.pack("<4f", -1, 0.5, 7, float("nan")), [-1.0, 0.5, 1.0, 0.0]),
    ("pcm_f64le", struct.pack("<5d", -1, 0.5, 1e300, float("-inf"), float("nan")), [-1.0, 0.5, 1.0, -1.0, 0.0]),
]


@pytest.mark.parametrize(("encoding", "data", "samples"), FULL_SCALE)
def test_full_scale_is_one(encoding: Encoding, data: bytes, samples: list[float]) -> None:
    block = fed(SampleStream(RawFormat(encoding, 16_000)), data)
    assert block.dtype == np.float32
    assert block.tolist() == [samples]


@pytest.mark.parametrize("channels", [2, 3, 6])
def test_channels_are_mixed_to_their_mean(channels: int) -> None:
    samples = np.random.default_rng(2).integers(-32768, 32767, (50, channels), np.int16)
    block = fed(SampleStream(RawFormat("pcm_s16le", 16_000, channels)), samples.astype("<i2").tobytes())
    np.testing.assert_allclose(block[0], samples.mean(axis=1) / 32768, atol=1e-7)


def test_loud_channels_do_not_overflow() -> None:
    loud = np.full((4, 32), -32768, "<i2").tobytes()
    assert fed(SampleStream(RawFormat("pcm_s16le", 16_000, 32)), loud).tolist() == [[-1.0] * 4]


def test_a_frame_cut_in_two_waits_for_its_rest() -> None:
    stream = SampleStream(RawFormat("pcm_s16le", 16_000, 2))
    assert fed(stream, b"\x00\x40\x00").shape == (1, 0)
    assert stream.flush().shape == (1, 0)
    assert fed(stream, b"\x40\x01").tolist() == [[0.5]]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_samples_have_their_size(encoding: Encoding) -> None:
    form = RawFormat(encoding, 8_000, 2)
    assert samples_of(encoding, bytes(form.sample_bytes * 3)).shape == (3,)
    assert form.frame_bytes == 2 * form.sample_bytes


def test_numbers_that_are_none_raise_no_warning() -> None:
    signalling = bytes.fromhex("010000000000f07f")
    assert np.isnan(samples_of("pcm_f64le", signalling + signalling)).all()


@given(
    st.sampled_from(ENCODINGS), st.sampled_from([1_000, 8_000, 16_000, 44_100, 192_000]), st.integers(1, 8), st.data()
)
def test_any_bytes_are_samples(encoding: Encoding, rate: int, channels: int, data: st.DataObject) -> None:
    form = RawFormat(encoding, rate, channels)
    content = data.draw(st.binary(max_size=20 * form.frame_bytes))
    stream = SampleStream(form)
    blocks = [*stream.feed(content), stream.flush()]
    assert all(np.isfinite(block).all() for block in blocks)
    expected = len(content) // form.frame_bytes * 16_000 / rate
    assert abs(sum(block.shape[1] for block in blocks) - expected) <= 2
