"""What streams are known by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus import RECIPES, encoded
from transcriber.audio.sniffing import MAGIC_BYTES, UNKNOWN, extension_of, sniff, tag_bytes

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
    "aac": bytes.fromhex("fff15080") + bytes(8),
    "mpegts": bytes.fromhex("474011100042f0250001c100"),
    "avi": b"RIFF\x24\x00\x00\x00AVI LIST",
    "mpeg": bytes.fromhex("000001ba2100010001800813"),
    "flv": b"FLV\x01\x04\x00\x00\x00\x09" + bytes(4),
    "w64": bytes.fromhex("726966662e91cf11a5d628db04c10000"),
    "sphere": b"NIST_1A\n   1024\n",
    "asf": bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
}


@pytest.mark.parametrize(("name", "head"), HEADS.items())
def test_containers_are_known_by_their_first_bytes(name: str, head: bytes) -> None:
    assert sniff(head) == name


@pytest.mark.parametrize("magic", [b"RF64", b"BW64"])
def test_large_wav_files_are_wav_files(magic: bytes) -> None:
    assert sniff(magic + HEADS["wav"][4:]) == "wav"


@pytest.mark.parametrize("head", ["fffb9064", "fff34064", "fffa9064", "ffe34064", "fffd9064", "fff58064"])
def test_mp3_is_known_without_tags(head: str) -> None:
    assert sniff(bytes.fromhex(head) + bytes(8)) == "mp3"


@pytest.mark.parametrize(
    "head",
    [
        b"FORM\x00\x00\x10\x00ILBM",
        b'{"type":"start"}',
        b"\xff" * 12,  # samples of -1
        bytes.fromhex("fffbf064") + bytes(8),  # no such bit rate
        bytes.fromhex("fffb0064") + bytes(8),
        bytes.fromhex("fffb9c64") + bytes(8),  # no such sample rate
        bytes.fromhex("ffeb9064") + bytes(8),  # no such version
        bytes.fromhex("fff17480") + bytes(8),  # AAC of no such sample rate
        b"GIF89a" + bytes(6),
        b"Good morning",
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd",
        b"ffconcat version 1.0\nfile '/etc/passwd'",
        bytes(12),
    ],
)
def test_other_bytes_are_unknown(head: bytes) -> None:
    assert sniff(head) == UNKNOWN


@pytest.mark.parametrize("head", [*HEADS.values(), b"\x01" * 12])
def test_nothing_is_decided_too_early(head: bytes) -> None:
    assert {sniff(head[:length]) for length in range(MAGIC_BYTES)} == {None}


@pytest.mark.parametrize("kind", [b"ftyp", b"moov", b"mdat", b"wide", b"styp"])
def test_quicktime_may_begin_with_several_boxes(kind: bytes) -> None:
    assert sniff(b"\x00\x00\x00\x08" + kind + bytes(4)) == "mp4"


def test_tags_have_a_length() -> None:
    assert tag_bytes(b"ID3\x04\x00\x00\x00\x00\x02\x01ab") == 10 + 257
    assert tag_bytes(b"ID3\x04\x00\x10\x00\x00\x02\x01ab") == 10 + 257 + 10  # with a footer
    assert tag_bytes(b"ID3\x04\x00\x00\x00\x00\x82\x01ab") == 0
    assert tag_bytes(b"RIFF\x04\x00\x00\x00WAVE") == 0


EXTENSIONS = {
    "webm": "webm",
    "matroska aac": "mkv",
    "ogg opus": "ogg",
    "flac": "flac",
    "mp3": "mp3",
    "aac": "aac",
    "mp4 fragmented": "mp4",
    "m4a": "m4a",
    "mov": "mov",
    "aiff": "aiff",
    "au": "au",
    "caf": "caf",
    "mpegts": "ts",
    "mpegts of a camera": "ts",
    "mp2": "mp2",
    "mpeg": "mpg",
    "flv aac": "flv",
    "w64": "w64",
    "avi": "avi",
    "asf": "wma",
}


@pytest.mark.parametrize(("name", "extension"), EXTENSIONS.items())
def test_files_are_called_what_they_are(name: str, extension: str) -> None:
    assert name in RECIPES
    assert extension_of(encoded(name)) == extension


def test_files_behind_a_tag_are_called_what_they_are() -> None:
    tag = b"ID3\x04\x00\x00\x00\x00\x00\x05" + bytes(5)
    assert extension_of(tag + encoded("flac")) == "flac"
    assert extension_of(tag + encoded("mp2")) == "mp2"
    assert extension_of(tag + bytes(20)) == "mp3"
    assert extension_of(tag[:12]) == "mp3"


def test_what_is_nothing_known_is_called_so() -> None:
    assert extension_of(bytes(20)) == extension_of(b"RI") == "bin"


def test_as_many_tags_as_there_may_be_are_passed_over() -> None:
    tag = b"ID3\x04\x00\x00\x00\x00\x00\x00"
    assert extension_of(tag * 50_000 + encoded("flac")) == "flac"
    assert extension_of(tag * 50_000) == "mp3"


@given(st.lists(st.sampled_from([*HEADS.values(), b"ID3\x04\x00\x00\x00\x00\x00\x05"]) | st.binary(max_size=12)))
def test_anything_has_a_name(parts: list[bytes]) -> None:
    head = b"".join(parts)
    assert (sniff(head) is None) == (len(head) < MAGIC_BYTES)
    assert 0 < len(extension_of(head)) <= 4
