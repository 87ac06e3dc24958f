"""Which decoder a stream gets, and what those are told that get none."""

import struct
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.corpus import encoded
from tests.decoding import cut, decoded, fed, opened, outcome, taken
from tests.wavs import speechlike, wav
from transcriber.audio.coding import RawFormat
from transcriber.audio.decoder import DecodeError
from transcriber.audio.formats import Finished, UndeclaredDecoder, declared_format, finish_recording, refusal
from transcriber.audio.raw import RawDecoder
from transcriber.audio.repair import au_header, repair_wav, wav_header
from transcriber.events import Error, Options


@pytest.mark.parametrize(
    ("options", "code", "field"),
    [
        (Options(encoding="pcm_s16le"), "missing_field", "sample_rate"),
        (Options(encoding="pcm_s16le", sample_rate=999), "invalid_field", "sample_rate"),
        (Options(encoding="pcm_s16le", sample_rate=192_001), "invalid_field", "sample_rate"),
        (Options(encoding="mulaw", sample_rate=8_000, channels=0), "invalid_field", "channels"),
        (Options(encoding="mulaw", sample_rate=8_000, channels=33), "invalid_field", "channels"),
        (
            Options(encoding="mulaw", sample_rate=8_000, channels=9, separate_channels=True),
            "invalid_field",
            "channels",
        ),
        (Options(encoding="vorbis", sample_rate=8_000), "invalid_field", "encoding"),
    ],
)
async def test_wrong_declarations_are_refused_by_field(options: Options, code: str, field: str) -> None:
    error = refusal(options)
    assert error is not None
    assert (error.code, error.field, error.close_code) == (code, field, None)
    with pytest.raises(DecodeError) as caught:
        opened(b"", options)
    assert (caught.value.error.code, caught.value.error.close_code) == (code, 1003)


@pytest.mark.parametrize(
    ("options", "form"),
    [
        (Options(encoding="linear16", sample_rate=48_000, channels=2), RawFormat("pcm_s16le", 48_000, 2)),
        (Options(encoding="ULAW", sample_rate=1_000), RawFormat("mulaw", 1_000, 1)),
        (Options(encoding="alaw", sample_rate=192_000, channels=32), RawFormat("alaw", 192_000, 32)),
        (Options(encoding="wav"), None),
        (Options(encoding="WAV", sample_rate=8_000), None),
        (Options(), None),
        (Options(sample_rate=8_000), None),
    ],
)
async def test_right_declarations(options: Options, form: RawFormat | None) -> None:
    assert refusal(options) is None
    assert declared_format(options) == form
    assert isinstance(opened(b"", options), UndeclaredDecoder if form is None else RawDecoder)


async def test_unknown_bytes_are_told_how_to_be_declared() -> None:
    with pytest.raises(DecodeError) as caught:
        await fed(opened(b""), b"RIFF\x01\x02\x03\x04ABCDEFGH")
    error = caught.value.error
    assert (error.code, error.field, error.close_code) == ("unsupported_audio", None, 1003)
    assert "starts with 52 49 46 46 01 02 03 04 41 42 43 44 and is no known container" in error.message
    assert "the options encoding (pcm_s16le, " in error.message


async def test_too_few_bytes_to_tell_are_no_error() -> None:
    decoder = opened(b"RIF")
    for data in (b"", b"RIF"):
        assert await fed(decoder, data) == ([], 0)
    assert (await decoder.flush()).shape == (1, 0)
    assert await taken(decoder.close) == ([], 0)
    assert decoder.tracks == 1


async def test_a_container_is_decoded_from_its_first_byte() -> None:
    samples = speechlike(16_000, 0.05)
    stream = wav(samples, 16_000)
    decoder = opened(stream)
    found, _ = await decoded(decoder, [stream[:5], stream[5:]])
    np.testing.assert_array_equal(found[0], samples[:, 0] / np.float32(32768))


@pytest.mark.parametrize("name", ["flac", "aac", "mp3", "ogg opus"])
@pytest.mark.parametrize("size", [0, 1, 700])
async def test_tags_before_a_stream_are_passed_over(name: str, size: int) -> None:
    stream = encoded(name, 0.2)
    tag = b"ID3\x04\x00\x00\x00\x00\x03\x05" + bytes(389)
    expected, _ = await decoded(opened(stream), [stream])
    found, _ = await decoded(opened(tag + tag + stream), cut(tag + tag + stream, size))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{path}\n",
        "ffconcat version 1.0\nfile '{path}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
        '<?xml version="1.0"?><MPD><BaseURL>{path}</BaseURL></MPD>',
    ],
)
@pytest.mark.parametrize("magic", [b"", b"ID3\x04\x00\x00\x00\x00\x00\x00", b"fLaC", b"\x00\x00\x00\x08wide"])
async def test_a_playlist_opens_nothing(tmp_path: Path, playlist: str, magic: bytes) -> None:
    target = tmp_path / "secret.wav"
    target.write_bytes(wav(speechlike(16_000, 0.5), 16_000))
    stream = magic + playlist.format(path=target).encode()
    end = await outcome(stream, 0)
    if isinstance(end, Error):
        assert end.code == "unsupported_audio"
    else:
        assert end.shape == (1, 0)


async def test_a_movie_does_not_open_what_it_refers_to(tmp_path: Path) -> None:
    """Samples of a track may lie in another file, which its data reference names."""
    stream = encoded("mov")
    target = tmp_path / "other.mov"
    target.write_bytes(stream)
    location = target.as_uri().encode() + b"\0"
    entry = struct.pack(">I4sI", 12 + len(location), b"url ", 0) + location
    own = struct.pack(">I4sI", 12, b"url ", 1)
    assert stream.count(own) == 1
    at = stream.index(own)
    referring = bytearray(stream[:at] + entry + stream[at + len(own) :])
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        position = referring.rindex(box, 0, at) - 4
        (size,) = struct.unpack_from(">I", referring, position)
        struct.pack_into(">I", referring, position, size + len(entry) - len(own))
    mdat = referring.index(b"mdat")
    (size,) = struct.unpack_from(">I", referring, mdat - 4)
    referring[mdat + 4 : mdat - 4 + size] = bytes(size - 8)  # silence here, sound there
    samples = await outcome(bytes(referring), 0)
    assert isinstance(samples, Error) or not samples.any()


def test_recordings_become_files() -> None:
    raw = Options(encoding="mulaw", sample_rate=8_000)
    stream = wav(speechlike(16_000, 0.05), 16_000)[:500]
    form, swapped = RawFormat("mulaw", 8_000), RawFormat("pcm_s16be", 8_000)
    assert finish_recording(raw, b"anything", 500) == Finished("wav", wav_header(form, 500), 0)
    assert finish_recording(replace(raw, encoding="pcm_s16be"), b"", 500) == Finished("au", au_header(swapped, 500))
    assert finish_recording(Options(), stream, 500) == Finished("wav", repair_wav(stream, 500)[:44], 44)
    assert finish_recording(Options(), stream[:40], 500) == Finished("wav", repair_wav(stream[:40], 500), 40)
    assert finish_recording(Options(), encoded("webm")[:500], 500) == Finished("webm")
    assert finish_recording(Options(), bytes(20), 500) == Finished("bin")
    assert finish_recording(Options(), b"RI", 2) == Finished("bin")


async def test_tags_without_end_cost_no_more_than_other_bytes() -> None:
    decoder, began = opened(b""), time.process_time()
    tags = b"ID3\x04\x00\x00\x00\x00\x00\x00" * 100_000
    assert await fed(decoder, tags) == ([], 0)
    assert time.process_time() - began < 5
    samples, _ = await decoded(decoder, [encoded("flac")])
    assert samples.shape[1] > 10_000
