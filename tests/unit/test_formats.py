"""Which decoder a stream gets, and what those are told that get none."""

import numpy as np
import pytest
from tests.wavs import speechlike, wav

from transcriber.audio.coding import RawFormat
from transcriber.audio.decoder import DecodeError
from transcriber.audio.formats import (
    MAGIC_BYTES,
    UNKNOWN,
    Finished,
    UndeclaredDecoder,
    declared_format,
    finish_recording,
    open_decoder,
    refusal,
    sniff,
)
from transcriber.audio.raw import RawDecoder
from transcriber.audio.repair import repair_wav, wav_header
from transcriber.events import Options

HEADS = {
    "wav": b"RIFF\x24\x00\x00\x00WAVEfmt ",
    "webm": bytes.fromhex("1a45dfa39f4286810142f7810142f281"),
    "ogg": b"OggS\x00\x02" + bytes(10),
    "flac": b"fLaC\x00\x00\x00\x22" + bytes(8),
    "mp3": b"ID3\x04\x00\x00\x00\x00\x00\x23TS",
    "mp4": b"\x00\x00\x00\x18ftypisom",
    "aiff": b"FORM\x00\x00\x10\x00AIFC",
    "caf": b"caff\x00\x01" + bytes(10),
    "amr": b"#!AMR\n" + bytes(10),
    "au": b".snd" + bytes(10),
}


@pytest.mark.parametrize(("name", "head"), HEADS.items())
def test_containers_are_known_by_their_first_bytes(name: str, head: bytes) -> None:
    assert sniff(head) == name


@pytest.mark.parametrize("magic", [b"RF64", b"BW64"])
def test_large_wav_files_are_wav_files(magic: bytes) -> None:
    assert sniff(magic + HEADS["wav"][4:]) == "wav"


@pytest.mark.parametrize("head", ["fffb9064", "fff34064", "fffa9064", "ffe34064"])
def test_mp3_is_known_without_tags(head: str) -> None:
    assert sniff(bytes.fromhex(head) + bytes(8)) == "mp3"


@pytest.mark.parametrize(
    "head",
    [
        b"RIFF\x24\x00\x00\x00AVI LIST",
        b"FORM\x00\x00\x10\x00ILBM",
        b'{"type":"start"}',
        b"\xff" * 12,  # samples of -1
        bytes.fromhex("fffbf064") + bytes(8),  # no such bit rate
        bytes.fromhex("fffb0064") + bytes(8),
        bytes.fromhex("fffb9c64") + bytes(8),  # no such sample rate
        bytes.fromhex("ffeb9064") + bytes(8),  # no such version
        bytes.fromhex("fff15080") + bytes(8),  # AAC
        bytes(12),
    ],
)
def test_other_bytes_are_unknown(head: bytes) -> None:
    assert sniff(head) == UNKNOWN


@pytest.mark.parametrize("head", [*HEADS.values(), b"\x01" * 12])
def test_nothing_is_decided_too_early(head: bytes) -> None:
    assert {sniff(head[:length]) for length in range(MAGIC_BYTES)} == {None}


@pytest.mark.parametrize(
    ("options", "code", "field"),
    [
        (Options(encoding="pcm_s16le"), "missing_field", "sample_rate"),
        (Options(encoding="pcm_s16le", sample_rate=999), "invalid_field", "sample_rate"),
        (Options(encoding="pcm_s16le", sample_rate=192_001), "invalid_field", "sample_rate"),
        (Options(encoding="mulaw", sample_rate=8_000, channels=0), "invalid_field", "channels"),
        (Options(encoding="mulaw", sample_rate=8_000, channels=33), "invalid_field", "channels"),
        (Options(encoding="vorbis", sample_rate=8_000), "invalid_field", "encoding"),
    ],
)
def test_wrong_declarations_are_refused_by_field(options: Options, code: str, field: str) -> None:
    error = refusal(options)
    assert error is not None
    assert (error.code, error.field, error.close_code) == (code, field, None)
    with pytest.raises(DecodeError) as caught:
        open_decoder(options)
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
def test_right_declarations(options: Options, form: RawFormat | None) -> None:
    assert refusal(options) is None
    assert declared_format(options) == form
    assert isinstance(open_decoder(options), UndeclaredDecoder if form is None else RawDecoder)


async def test_unknown_bytes_are_told_how_to_be_declared() -> None:
    with pytest.raises(DecodeError) as caught:
        await UndeclaredDecoder().decode(b"RIFF\x01\x02\x03\x04ABCDEFGH")
    error = caught.value.error
    assert (error.code, error.field, error.close_code) == ("unsupported_audio", None, 1003)
    assert "starts with 52 49 46 46 01 02 03 04 41 42 43 44 and is no known container" in error.message
    assert "encoding=pcm_s16le&sample_rate=16000" in error.message


@pytest.mark.parametrize("name", sorted(HEADS.keys() - {"wav"}))
async def test_containers_without_a_decoder_are_refused_by_name(name: str) -> None:
    decoder = UndeclaredDecoder()
    for byte in HEADS[name][: MAGIC_BYTES - 1]:
        assert (await decoder.decode(bytes([byte]))).shape == (1, 0)
    with pytest.raises(DecodeError, match=f"looks like {name}"):
        await decoder.decode(HEADS[name][MAGIC_BYTES - 1 :])


async def test_too_few_bytes_to_tell_are_no_error() -> None:
    decoder = UndeclaredDecoder()
    for data in (b"", b"RIF"):
        assert (await decoder.decode(data)).shape == (1, 0)
    assert (await decoder.flush()).shape == (1, 0)
    assert (await decoder.close()).shape == (1, 0)


async def test_a_container_is_decoded_from_its_first_byte() -> None:
    samples = speechlike(16_000, 0.05)
    stream = wav(samples, 16_000)
    decoder = UndeclaredDecoder()
    blocks = [await decoder.decode(stream[:5]), await decoder.decode(stream[5:]), await decoder.flush()]
    blocks.append(await decoder.close())
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1)[0], samples[:, 0] / np.float32(32768))
    assert decoder.tracks == 1


def test_recordings_become_files() -> None:
    raw = Options(encoding="mulaw", sample_rate=8_000)
    stream = wav(speechlike(16_000, 0.05), 16_000)[:500]
    form = RawFormat("mulaw", 8_000)
    assert finish_recording(raw, b"anything", 500) == Finished("wav", wav_header(form, 500), 0)
    assert finish_recording(Options(), stream, 500) == Finished("wav", repair_wav(stream, 500), 500)
    assert finish_recording(Options(), HEADS["webm"], 500) == Finished("webm")
    assert finish_recording(Options(), bytes(20), 500) == Finished("bin")
    assert finish_recording(Options(), b"RI", 2) == Finished("bin")
