"""Headers that any player opens, judged by the standard library's reader."""

import io
import struct
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus import decode_whole
from tests.wavs import chunk, fmt, riff, speechlike
from transcriber.audio.coding import RawFormat
from transcriber.audio.repair import au_header, repair_wav, wav_header
from transcriber.audio.wav import WavParser

AUDIO = speechlike(16_000, 0.1, channels=2).astype("<i2").tobytes()
FMT = fmt(16_000, 2)
INFO = chunk(b"LIST", b"INFOISFT\x05\x00\x00\x00Lavf\x00\x00")


def read(stream: bytes) -> tuple[int, int, bytes]:
    with wave.open(io.BytesIO(stream)) as file:
        return file.getframerate(), file.getnchannels(), file.readframes(file.getnframes())


def sizes(stream: bytes) -> tuple[int, int]:
    data = stream.index(b"data")
    return struct.unpack_from("<I", stream, 4)[0], struct.unpack_from("<I", stream, data + 4)[0]


def test_raw_pcm_becomes_a_file() -> None:
    stream = wav_header(RawFormat("pcm_s16le", 44_100, 2), len(AUDIO)) + AUDIO
    assert read(stream) == (44_100, 2, AUDIO)
    assert sizes(stream) == (len(stream) - 8, len(AUDIO))


@pytest.mark.parametrize(("encoding", "tag"), [("alaw", 6), ("mulaw", 7)])
def test_telephone_audio_becomes_a_file(encoding: str, tag: int) -> None:
    form = RawFormat("alaw" if encoding == "alaw" else "mulaw", 8_000)
    stream = wav_header(form, 500) + bytes(500)
    assert struct.unpack_from("<HHIIHHH", stream, 20) == (tag, 1, 8_000, 8_000, 1, 8, 0)
    assert struct.unpack_from("<4sII", stream, 38) == (b"fact", 4, 500)
    assert sizes(stream) == (len(stream) - 8, 500)
    parser = WavParser()
    assert parser.feed(stream) + parser.end() == bytes(500)
    assert parser.form == form


def rf64(stream: bytes) -> tuple[int, int, int]:
    """The 64-bit sizes: of the file less 8, of its audio, and its samples."""
    assert (stream[:16], sizes(stream)) == (b"RF64\xff\xff\xff\xffWAVEds64", (0xFFFFFFFF, 0xFFFFFFFF))
    return struct.unpack_from("<QQQ", stream, 20)


def test_more_than_4_gib_of_samples_become_rf64() -> None:
    header = wav_header(RawFormat("pcm_s16le", 48_000, 2), 5 << 30)
    assert rf64(header) == (len(header) - 8 + (5 << 30), 5 << 30, (5 << 30) // 4)
    header = wav_header(RawFormat("mulaw", 8_000), 0xFFFFFFF0)
    assert rf64(header) == (len(header) - 8 + 0xFFFFFFF0, 0xFFFFFFF0, 0xFFFFFFF0)
    parser = WavParser()
    assert parser.feed(header + AUDIO) + parser.end() == AUDIO
    assert parser.audio_start == len(header)


def test_a_wav_file_of_more_than_4_gib_becomes_rf64() -> None:
    head = riff(FMT, INFO, chunk(b"data", AUDIO, size=0))
    repaired = repair_wav(head, 5 << 30)
    longer = len(repaired) - len(head)
    assert rf64(repaired) == (longer + (5 << 30) - 8, (5 << 30) - head.index(b"data") - 8, 0)
    assert repaired.endswith(AUDIO)
    parser = WavParser()
    assert parser.feed(repaired) + parser.end() == AUDIO


def test_a_size_that_is_not_known_yet_is_told_as_such() -> None:
    head = riff(FMT, chunk(b"data", AUDIO, size=0))
    for header in (wav_header(RawFormat("mulaw", 8_000), None), repair_wav(head, None)):
        assert header[:4] == b"RIFF"
        assert sizes(header) == (0xFFFFFFFF, 0xFFFFFFFF)
    assert len(repair_wav(head, None)) == len(head)
    assert au_header(RawFormat("pcm_s16be", 8_000), None)[8:12] == b"\xff" * 4


@pytest.mark.parametrize(
    ("file_size", "data_size"),
    [(0, 0), (0xFFFFFFFF, 0xFFFFFFFF), (36 + 1024, 1024), (36 + 999_999, 999_999), (None, 0), (0, None)],
)
def test_wrong_sizes_become_right(file_size: int | None, data_size: int | None) -> None:
    stream = riff(FMT, INFO, chunk(b"data", AUDIO, size=data_size), size=file_size)
    repaired = repair_wav(stream[:100], len(stream)) + stream[100:]
    assert sizes(repaired) == (len(stream) - 8, len(AUDIO))
    assert read(repaired) == (16_000, 2, AUDIO)


def test_a_file_that_is_right_stays_as_it_is() -> None:
    for stream in (
        riff(FMT, chunk(b"data", AUDIO)),
        riff(FMT, chunk(b"data", AUDIO), INFO),
        riff(fmt(8_000, tag=7, bits=8), chunk(b"data", b"abc")),
    ):
        assert repair_wav(stream, len(stream)) == stream


def test_a_file_cut_off_within_its_audio_ends_there() -> None:
    stream = riff(FMT, chunk(b"data", AUDIO), INFO)[:1000]
    repaired = repair_wav(stream, len(stream))
    assert sizes(repaired) == (992, 1000 - 44)
    assert read(repaired)[2] == AUDIO[: 1000 - 44]


def test_a_file_cut_off_after_its_audio_keeps_the_size_of_it() -> None:
    stream = riff(FMT, chunk(b"data", AUDIO), INFO)[:-5]
    assert sizes(repair_wav(stream, len(stream))) == (len(stream) - 8, len(AUDIO))


def test_a_stream_of_files_becomes_one() -> None:
    stream = riff(FMT, chunk(b"data", AUDIO)) * 2
    assert sizes(repair_wav(stream, len(stream))) == (len(stream) - 8, len(stream) - 44)


@pytest.mark.parametrize("head", [b"", b"RIFF", b"OggS" + bytes(60), riff(FMT, magic=b"RF64")])
def test_what_has_its_sizes_elsewhere_stays(head: bytes) -> None:
    assert repair_wav(head, 1000) == head


def test_a_header_without_audio_gets_the_size_of_the_file() -> None:
    head = riff(FMT, size=0)
    assert struct.unpack_from("<I", repair_wav(head, len(head)), 4) == (len(head) - 8,)


def test_float_samples_become_a_file() -> None:
    form = RawFormat("pcm_f32le", 48_000, 2)
    parser = WavParser()
    assert parser.feed(wav_header(form, 800) + bytes(800)) + parser.end() == bytes(800)
    assert parser.form == form


def test_big_endian_samples_become_an_au_file() -> None:
    samples = speechlike(16_000, 0.1, channels=2)
    stream = au_header(RawFormat("pcm_s16be", 16_000, 2), samples.nbytes) + samples.astype(">i2").tobytes()
    decoded, rate = decode_whole(stream, "au")
    assert rate == 16_000
    np.testing.assert_array_equal(decoded.T, samples / np.float32(32768))


@given(st.lists(st.sampled_from([FMT, INFO, b"data", b"RIFF"]) | st.binary(max_size=20)), st.integers(0, 1 << 40))
def test_whatever_a_head_says_only_64_bit_sizes_make_it_longer(parts: list[bytes], more_bytes: int) -> None:
    head = b"RIFF\0\0\0\0WAVE" + b"".join(parts)
    repaired = repair_wav(head, len(head) + more_bytes)
    assert len(repaired) == len(head) + (36 if repaired[:4] == b"RF64" else 0)
