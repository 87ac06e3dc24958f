"""WAV files as the world writes them."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.decoding import decoded
from tests.wavs import chunk, fmt, riff, speechlike, wav
from transcriber.audio.coding import RawFormat
from transcriber.audio.decoder import DecodeError
from transcriber.audio.wav import MAX_HEADER_BYTES, WavDecoder, WavParser

AUDIO = speechlike(16_000, 0.1).astype("<i2").tobytes()
INFO = chunk(b"LIST", b"INFOISFT\x05\x00\x00\x00Lavf\x00\x00")
FMT = fmt(16_000)


def parsed(stream: bytes, step: int = 0) -> bytes:
    parser = WavParser()
    pieces = [stream] if step == 0 else [stream[start : start + step] for start in range(0, len(stream), step)]
    return b"".join([*(parser.feed(piece) for piece in pieces), parser.end()])


def refused(stream: bytes) -> str:
    with pytest.raises(DecodeError) as caught:
        WavParser().feed(stream)
    assert caught.value.error.code == "unsupported_audio"
    assert caught.value.error.close_code == 1003
    return caught.value.error.message


WELL_FORMED = {
    "plain": riff(FMT, chunk(b"data", AUDIO)),
    "chunks before": riff(chunk(b"JUNK", bytes(27)), FMT, INFO, chunk(b"data", AUDIO)),
    "odd chunk before": riff(FMT, chunk(b"bext", b"abc"), chunk(b"data", AUDIO)),
    "large chunk before": riff(FMT, chunk(b"id3 ", bytes(200_000)), chunk(b"data", AUDIO)),
    "known chunk after": riff(FMT, chunk(b"data", AUDIO), INFO),
    "unknown chunk after": riff(FMT, chunk(b"data", AUDIO), chunk(b"Xyz1", bytes(100))),
    "chunks after": riff(FMT, chunk(b"data", AUDIO), INFO, chunk(b"Xyz1", b"abc"), INFO),
    "known chunk after, beyond the end": riff(FMT, chunk(b"data", AUDIO)) + INFO,
    "garbage after the last chunk": riff(FMT, chunk(b"data", AUDIO), INFO) + b"\x01\x02\x03" * 9,
    "extensible": riff(fmt(16_000, extensible=True), chunk(b"data", AUDIO)),
    "long fmt": riff(chunk(b"fmt ", FMT[8:] + bytes(60)), chunk(b"data", AUDIO)),
    "two files": riff(FMT, chunk(b"data", AUDIO[:1000])) + riff(FMT, chunk(b"data", AUDIO[1000:])),
    "two files, chunk between": riff(FMT, chunk(b"data", AUDIO[:1000]), INFO) + riff(FMT, chunk(b"data", AUDIO[1000:])),
    "second file without sizes": riff(FMT, chunk(b"data", AUDIO[:1000]))
    + riff(FMT, chunk(b"data", AUDIO[1000:], size=0), size=0),
    "two data chunks": riff(FMT, chunk(b"data", AUDIO[:1000]), chunk(b"data", AUDIO[1000:])),
    "RF64": riff(
        chunk(b"ds64", struct.pack("<QQQI", 4 + 36 + len(FMT) + 8 + len(AUDIO) + len(INFO), len(AUDIO), 0, 0)),
        FMT,
        chunk(b"data", AUDIO, size=0xFFFFFFFF),
        INFO,
        size=0xFFFFFFFF,
        magic=b"RF64",
    ),
}

WRONG_SIZES = {
    "zero": riff(FMT, chunk(b"data", AUDIO, size=0), size=0),
    "zero data": riff(FMT, chunk(b"data", AUDIO, size=0)),
    "unknown": riff(FMT, chunk(b"data", AUDIO, size=0xFFFFFFFF), size=0xFFFFFFFF),
    "largest signed": riff(FMT, chunk(b"data", AUDIO, size=0x7FFFF000), size=0x7FFFF024),
    "larger": riff(FMT, chunk(b"data", AUDIO, size=len(AUDIO) * 3), size=len(AUDIO) * 3 + 36),
    "first buffer": riff(FMT, chunk(b"data", AUDIO, size=1024), size=1024 + 36),
    "first buffer, odd": riff(FMT, chunk(b"data", AUDIO, size=1023), size=1023 + 36),
    "first buffer, file right": riff(FMT, chunk(b"data", AUDIO, size=1024)),
    "only the file wrong": riff(FMT, chunk(b"data", AUDIO), size=17),
}


@pytest.mark.parametrize("step", [0, 1, 7])
@pytest.mark.parametrize("stream", WELL_FORMED.values(), ids=WELL_FORMED)
def test_audio_alone_comes_out(stream: bytes, step: int) -> None:
    assert parsed(stream, step) == AUDIO


@pytest.mark.parametrize("step", [0, 1, 7])
@pytest.mark.parametrize("stream", WRONG_SIZES.values(), ids=WRONG_SIZES)
def test_wrong_sizes_lose_no_audio(stream: bytes, step: int) -> None:
    assert parsed(stream, step) == AUDIO


def test_odd_audio_and_its_padding() -> None:
    for stream in (
        riff(fmt(8_000, tag=7, bits=8), chunk(b"data", b"abc")),
        riff(fmt(8_000, tag=7, bits=8), chunk(b"data", b"abc"), INFO),
        riff(fmt(8_000, tag=7, bits=8), chunk(b"data", b"abc")[:-1], INFO),
    ):
        assert parsed(stream) == b"abc"
        assert parsed(stream, 1) == b"abc"


@given(samples=st.binary(min_size=64, max_size=400), size=st.integers(0, 500))
def test_any_wrong_size_of_the_audio_loses_none(samples: bytes, size: int) -> None:
    stream = riff(FMT, chunk(b"data", samples + bytes(len(samples) % 2), size=size), size=36 + size)
    lost = len(samples) + len(samples) % 2 - len(parsed(stream))
    # One trailing byte is indistinguishable from padding.
    assert lost == 0 or (lost == 1 and size % 2 == 1)


@given(stream=st.sampled_from([*WELL_FORMED.values(), *WRONG_SIZES.values()]), length=st.integers(0, 4_000))
def test_what_is_cut_off_keeps_what_came(stream: bytes, length: int) -> None:
    cut = parsed(stream[:length])
    # Bytes that might have become a chunk or another file, had more come, are audio: no more than were held back.
    audio = next((at for at, (one, other) in enumerate(zip(cut, AUDIO, strict=False)) if one != other), len(AUDIO))
    assert len(cut) <= audio + 13


@pytest.mark.parametrize(
    ("header", "form"),
    [
        (fmt(44_100, 2), RawFormat("pcm_s16le", 44_100, 2)),
        (fmt(48_000, 6, extensible=True), RawFormat("pcm_s16le", 48_000, 6)),
        (fmt(8_000, 1, tag=7, bits=8), RawFormat("mulaw", 8_000, 1)),
        (fmt(8_000, 2, tag=6, bits=8, extensible=True), RawFormat("alaw", 8_000, 2)),
        (fmt(16_000, bits=8), RawFormat("pcm_u8", 16_000)),
        (fmt(16_000, bits=20), RawFormat("pcm_s24le", 16_000)),
        (fmt(16_000, bits=24), RawFormat("pcm_s24le", 16_000)),
        (fmt(16_000, 3, bits=32, extensible=True), RawFormat("pcm_s32le", 16_000, 3)),
        (fmt(16_000, tag=3, bits=32), RawFormat("pcm_f32le", 16_000)),
        (fmt(16_000, tag=3, bits=64, extensible=True), RawFormat("pcm_f64le", 16_000)),
    ],
)
def test_formats_that_are_understood(header: bytes, form: RawFormat) -> None:
    parser = WavParser()
    parser.feed(riff(header, chunk(b"data", bytes(16))))
    assert parser.form == form


@pytest.mark.parametrize(
    ("header", "seen"),
    [
        (fmt(16_000, bits=40), "40-bit PCM"),
        (fmt(16_000, tag=3, bits=16, extensible=True), "16-bit float"),
        (fmt(16_000, tag=0x2000, bits=0), "holds AC-3; PCM"),
        (fmt(16_000, tag=0x1234, bits=16), "16-bit format 0x1234"),
        (fmt(999), "999 samples a second"),
        (fmt(192_001), "192001 samples a second"),
        (fmt(16_000, channels=0), "0 channels"),
        (fmt(16_000, channels=33), "33 channels"),
        (chunk(b"fmt ", bytes(14)), "too short"),
        (b"", "no 'fmt ' chunk"),
    ],
)
def test_other_formats_are_refused_by_name(header: bytes, seen: str) -> None:
    assert seen in refused(riff(header, chunk(b"data", AUDIO)))


def test_damaged_headers_are_refused() -> None:
    assert "no WAV file" in refused(b"RIFX" + riff(FMT)[4:] + bytes(20))
    assert "damaged" in refused(riff(FMT, b"\x00\x01\x02\x03" * 4))
    assert "does not end" in refused(riff(FMT, chunk(b"JUNK", bytes(20), size=MAX_HEADER_BYTES)))


def test_a_header_of_endless_small_chunks_is_refused() -> None:
    parser = WavParser()
    many = chunk(b"JUNK", bytes(56)) * 1024
    parser.feed(riff(FMT))
    for _ in range(MAX_HEADER_BYTES // len(many) - 1):
        assert parser.feed(many) == b""
    with pytest.raises(DecodeError, match="does not end"):
        parser.feed(many)


def test_audio_before_a_fault_comes_out_first() -> None:
    parser = WavParser()
    other = riff(fmt(8_000), chunk(b"data", AUDIO))
    assert parser.feed(riff(FMT, chunk(b"data", AUDIO)) + other) == AUDIO
    with pytest.raises(DecodeError, match="format changes"):
        parser.feed(b"more")
    assert parser.end() == b""


def test_bytes_after_a_refusal_are_refused_again() -> None:
    parser = WavParser()
    for _ in range(2):
        with pytest.raises(DecodeError, match="40-bit"):
            parser.feed(riff(fmt(16_000, bits=40), chunk(b"data", AUDIO)))


@pytest.mark.parametrize("length", [0, 3, 12, 30, 44])
async def test_a_file_without_audio_is_no_error(length: int) -> None:
    decoder = WavDecoder()
    samples, lost = await decoded(decoder, [wav(speechlike(8_000, 0.1), 8_000)[:length]])
    assert (samples.shape, lost) == ((1, 0), 0)
    assert (await decoder.flush()).shape == (1, 0)
    assert decoder.tracks == 1


async def test_the_samples_are_those_of_the_file() -> None:
    samples = speechlike(16_000, 0.1, channels=2)
    mixed, _ = await decoded(WavDecoder(), [wav(samples, 16_000)])
    np.testing.assert_allclose(mixed[0], samples.mean(axis=1) / 32768, atol=1e-7)
    apart, _ = await decoded(WavDecoder(separate=True), [wav(samples, 16_000)])
    np.testing.assert_array_equal(apart, samples.T / np.float32(32768))


def ending(stream: bytes, step: int) -> tuple[bytes, str]:
    """The audio that comes out, and how it ends."""
    parser, audio = WavParser(), b""
    try:
        for start in range(0, len(stream), step):
            audio += parser.feed(stream[start : start + step])
        audio += parser.end()
        parser.feed(b"")
    except DecodeError as refusal:
        return audio, refusal.error.message
    return audio, ""


CHUNKS = st.builds(
    chunk,
    st.sampled_from([b"fmt ", b"data", b"LIST", b"ds64", b"Xyz1", b"\0\0\0\0"]),
    st.sampled_from([FMT[8:], b"", b"abc", bytes(40)]) | st.binary(max_size=50),
    st.none() | st.integers(0, 60) | st.sampled_from([0xFFFFFFFF, 0x7FFFFFFF, 0x10000]),
)


@given(st.lists(CHUNKS, max_size=6), st.booleans(), st.integers(1, 30))
def test_anything_comes_to_the_same_audio_and_end_however_it_is_cut(
    chunks: list[bytes], usual: bool, step: int
) -> None:
    stream = riff(*([FMT] if usual else []), *chunks)
    whole = ending(stream, len(stream))
    assert ending(stream, step) == whole
    assert len(whole[0]) <= len(stream)


def test_samples_of_24_bits_may_fill_four_bytes() -> None:
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, 48_000, 384_000, 8, 24)
    parser = WavParser()
    parser.feed(riff(form, chunk(b"data", bytes(80))))
    assert parser.form == RawFormat("pcm_s32le", 48_000, 2)
