"""What FFmpeg is let do, and what it is not."""

import io
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.corpus import damaged, encoded, flac_silence
from transcriber.audio.decoder import DecodeError
from transcriber.audio.libav import FORMS, decode_container
from transcriber.audio.tracks import TrackStream


class Reader(io.BytesIO):
    check: Callable[[], None]

    @property
    def read_bytes(self) -> int:
        return self.tell()

    def read(self, count: int | None = -1, /) -> bytes:
        data = super().read(count)
        self.check()
        return data


class Collector:
    """A sink that counts."""

    def __init__(self) -> None:
        self.stream = TrackStream(separate=False)
        self.samples = 0
        self.largest = 0
        self.problems: list[str] = []
        self.missing_seconds = 0.0

    def hand_over(self) -> None:
        for block in self.stream.take():
            self.samples += block.shape[1]
            self.largest = max(self.largest, block.shape[1])

    def tell(self, problem: DecodeError) -> None:
        self.problems.append(problem.error.code)
        self.missing_seconds += problem.missing_seconds or 0.0


def collected(stream: bytes, name: str) -> Collector:
    sink = Collector()
    decode_container(Reader(stream), FORMS[name], sink)
    sink.samples += sink.stream.flush().shape[1]
    return sink


def test_a_file_is_decoded_to_its_end() -> None:
    sink = collected(encoded("mp3", 4.0), "mp3")
    assert sink.samples > 4 * 16_000
    assert sink.largest < 2 * 16_000
    assert sink.problems == []


@pytest.mark.parametrize(
    ("magic", "speech", "comfort"),
    [
        (b"#!AMR\n", b"\x3c" + bytes(range(31)), b"\x44" + bytes(5)),
        (b"#!AMR-WB\n", b"\x44" + bytes(60), b"\x4c" + bytes(5)),
    ],
    ids=["narrow", "wide"],
)
def test_pauses_of_telephones_are_silence_and_no_damage(magic: bytes, speech: bytes, comfort: bytes) -> None:
    pause = (comfort + b"\x7c" * 7) * 5
    sink = collected(magic + speech * 50 + pause + speech * 50, "amr")
    assert sink.problems == []
    assert sink.samples == pytest.approx(140 * 320, abs=2)


@pytest.mark.parametrize(("stream", "name"), [("webm", "mp4"), ("mp4 fragmented", "flac"), ("ogg opus", "mp4")])
def test_a_format_is_never_guessed(stream: str, name: str) -> None:
    with pytest.raises(DecodeError) as caught:
        collected(encoded(stream), name)
    assert caught.value.error.code == "unsupported_audio"


def test_a_codec_that_is_not_let_in_is_refused_by_name() -> None:
    with pytest.raises(DecodeError, match="alac"):
        decode_container(Reader(encoded("alac")), replace(FORMS["mp4"], codecs=frozenset(("aac",))), Collector())


def test_no_form_lets_in_what_refers_to_other_files() -> None:
    assert {form.demuxer for form in FORMS.values()}.isdisjoint(
        {"hls", "concat", "dash", "sdp", "rtsp", "image2", "tedcaptions"}
    )


def test_a_bomb_is_defused() -> None:
    """Silence in FLAC: a few bytes stand for four seconds, and ever more of them come."""
    block = flac_silence(frames=1_000)
    with pytest.raises(DecodeError) as caught:
        collected(block, "flac")
    assert caught.value.error.code == "audio_too_expensive"


def mp3_frame(*, flipped: bool = False) -> bytes:
    """A silent frame of MPEG-1 layer III, 128 kbit/s at 44.1 kHz, with its checksum (ISO 11172-3, 2.4.3.1)."""
    header, side = b"\xff\xfa\x90\xc4", bytes(17)
    value = 0xFFFF
    for byte in header[2:] + side:
        for bit in range(7, -1, -1):
            value = (value << 1) & 0xFFFF ^ (0x8005 if (value >> 15) ^ (byte >> bit & 1) else 0)
    side = bytes(8) + b"\x01" + bytes(8) if flipped else side
    return (header + value.to_bytes(2, "big") + side).ljust(417, b"\0")


def test_a_frame_of_mp3_whose_checksum_is_wrong_is_missing() -> None:
    sound = collected(mp3_frame() * 40, "mp3")
    assert sound.problems == []
    hurt = collected(mp3_frame() * 20 + mp3_frame(flipped=True) + mp3_frame() * 19, "mp3")
    assert hurt.problems == ["audio_damaged"]
    assert sound.samples - hurt.samples == pytest.approx(1152 * 16_000 / 44_100, abs=1)


@pytest.mark.parametrize("how", ["removed", "inserted"])
def test_how_much_is_lost_up_to_the_end_is_told_where_the_file_says_how_long_it_is(how: str) -> None:
    sink = collected(damaged(encoded("m4a, index first", 8.0), how, 41), "mp4")
    assert sink.problems[-1] == "audio_damaged"
    assert sink.samples < 5 * 16_000
    assert sink.samples / 16_000 + sink.missing_seconds == pytest.approx(8.0, abs=0.1)


NULL_PACKET = b"\x47\x1f\xff\x10" + bytes(184)


def test_a_recording_that_was_cut_off_is_told_what_it_lacks() -> None:
    with pytest.raises(DecodeError, match="moov"):
        collected(encoded("m4a", 4.0)[:-4000], "mp4")
    with pytest.raises(DecodeError, match="of a kind"):
        collected(encoded("caf", 4.0)[:20], "caf")


def test_what_holds_no_audio_is_not_read_to_its_end() -> None:
    """A transport stream that announces audio, and then fills up."""
    tables = encoded("mpegts")[: 3 * 188]
    reader = Reader(tables + NULL_PACKET * ((40 << 20) // 188))
    with pytest.raises(DecodeError, match="no audio within the first 32 MiB"):
        decode_container(reader, FORMS["mpegts"], Collector())
    assert reader.tell() < 33 << 20
