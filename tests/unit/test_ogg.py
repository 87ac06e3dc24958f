"""Ogg, taken apart."""

import struct
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus import decode_whole, encoded
from tests.decoding import cut, decoded, opened
from transcriber.audio.decoder import DecodeError
from transcriber.audio.ogg import OggDemuxer, checksum
from transcriber.audio.packets import Item, Lost, Packet, Track

CONTINUED, FIRST, LAST = 1, 2, 4
HEAD = b"OpusHead\x01\x01\x38\x01\x80\xbb\x00\x00\x00\x00\x00"
TAGS = b"OpusTags" + bytes(8)


def page(
    sequence: int, *packets: bytes, flags: int = 0, granule: int = 0, serial: int = 7, open_end: bool = False
) -> bytes:
    """A page; with `open_end` its last packet, a multiple of 255 bytes, goes on in the next."""
    segments = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
    segments = segments[:-1] if open_end else segments
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, granule, serial, sequence, 0, len(segments))
    whole = head + segments + b"".join(packets)
    return whole[:22] + checksum(whole) + whole[26:]


def opus(*pages: bytes, serial: int = 7, head: bytes = HEAD) -> bytes:
    return page(0, head, flags=FIRST, serial=serial) + page(1, TAGS, serial=serial) + b"".join(pages)


def items(stream: bytes, step: int = 0) -> list[Item]:
    """What is found, without where packets end."""
    return [replace(item, ends=None) if isinstance(item, Packet) else item for item in placed(stream, step)]


def placed(stream: bytes, step: int = 0) -> list[Item]:
    demuxer = OggDemuxer()
    found: list[Item] = []
    for start in range(0, len(stream), step or max(1, len(stream))):
        demuxer.feed(stream[start : start + (step or len(stream))])
        while (item := demuxer.next()) is not None:
            found.append(item)
    demuxer.end()
    while (item := demuxer.next()) is not None:
        found.append(item)
    return found


OPUS = Track("opus", HEAD)


def test_the_checksum_is_that_of_other_writers() -> None:
    stream = encoded("ogg opus")
    size = 27 + stream[26] + sum(stream[27 : 27 + stream[26]])
    first = stream[:size]
    assert checksum(first[:22] + bytes(4) + first[26:]) == first[22:26]


@pytest.mark.parametrize("step", [0, 1, 50])
def test_packets_come_out_with_where_they_begin(step: int) -> None:
    stream = opus(page(2, b"one", b"two", granule=1920), page(3, b"three", b"four", flags=LAST, granule=3000))
    assert items(stream, step) == [
        OPUS,
        Packet(b"one"),
        Packet(b"two"),
        Packet(b"three", 1920, 3000),
        Packet(b"four", None, 3000),
    ]


def test_the_last_packet_of_a_page_ends_where_the_page_says() -> None:
    stream = opus(page(2, b"one", b"two", granule=1920), page(3, b"three", granule=-1), page(4, b"four", granule=3840))
    assert [item.ends for item in placed(stream) if isinstance(item, Packet)] == [None, 1920, None, 3840]


@pytest.mark.parametrize("size", [255, 300, 510, 1000])
def test_a_packet_may_go_on_over_pages(size: int) -> None:
    long = bytes(range(256)) * 4
    long = long[:size]
    middle = size // 255 * 255
    rest = page(3, long[middle:], b"next", flags=CONTINUED, granule=960)
    stream = opus(page(2, long[:middle], granule=-1, open_end=True), rest)
    assert [item.data for item in items(stream) if isinstance(item, Packet)] == [long, b"next"]


def test_the_rest_of_a_packet_whose_beginning_is_lost_is_left_out() -> None:
    stream = opus(page(2, b"one"), page(4, b"rest", b"two", flags=CONTINUED, granule=960))
    assert items(stream)[1:] == [Packet(b"one"), Lost(), Packet(b"two")]
    endless = page(4, bytes(510), flags=CONTINUED, open_end=True, granule=-1)
    stream = opus(page(2, b"one"), endless, page(5, b"rest", b"two", flags=CONTINUED, granule=960))
    assert items(stream)[1:] == [Packet(b"one"), Lost(), Packet(b"two")]


@pytest.mark.parametrize("step", [0, 1, 50])
def test_a_page_that_was_changed_is_lost_and_the_next_one_found(step: int) -> None:
    changed = bytearray(page(3, b"two" * 50, granule=1920))
    changed[60] ^= 1
    stream = opus(page(2, b"one", granule=960), bytes(changed), page(4, b"three", granule=2880))
    found = items(stream, step)
    assert [item for item in found if not isinstance(item, Lost)] == [OPUS, Packet(b"one"), Packet(b"three")]
    assert Lost() in found


def test_foreign_bytes_between_pages_are_damage() -> None:
    stream = opus(page(2, b"one", granule=960), b"OggSOggS" * 20 + bytes(100), page(3, b"two", granule=1920))
    assert items(stream)[1:] == [Packet(b"one"), Lost(), Packet(b"two", 960)]


def test_one_stream_follows_another() -> None:
    stream = opus(page(2, b"one", flags=LAST, granule=960)) + opus(page(2, b"two", serial=8), serial=8)
    assert items(stream) == [OPUS, Packet(b"one", None, 960), OPUS, Packet(b"two")]


def test_other_streams_beside_it_are_passed_over() -> None:
    video = page(0, b"\x80theora" + bytes(35), flags=FIRST, serial=1)
    skeleton = page(0, b"fishead\0" + bytes(56), flags=FIRST, serial=2)
    head, tags = page(0, HEAD, flags=FIRST), page(1, TAGS)
    rest = page(1, b"frame", serial=1) + tags + page(2, b"one") + page(2, b"frame", serial=1)
    assert items(video + skeleton + head + rest) == [OPUS, Packet(b"one")]


def test_pictures_among_the_comments_are_not_held() -> None:
    demuxer = OggDemuxer()
    demuxer.feed(page(0, HEAD, flags=FIRST) + page(1, bytes(255 * 200), open_end=True, granule=-1))
    for number in range(2, 100):
        demuxer.feed(page(number, bytes(255 * 200), flags=CONTINUED, open_end=True, granule=-1))
        assert demuxer.next() is None
    demuxer.feed(page(100, b"end", flags=CONTINUED) + page(101, b"one"))
    assert [demuxer.next(), demuxer.next()] == [OPUS, Packet(b"one", ends=0)]


def test_vorbis_and_flac_come_with_what_ffmpeg_needs() -> None:
    vorbis, *packets = items(encoded("ogg vorbis"))
    assert isinstance(vorbis, Track)
    assert (vorbis.codec, vorbis.config[:1], vorbis.config[3:10]) == ("vorbis", b"\x02", b"\x01vorbis")
    ends = [packet.end for packet in packets if isinstance(packet, Packet)]
    assert ends[-1] is not None
    assert set(ends[:-1]) == {None}
    flac, *packets = items(encoded("ogg flac"))
    assert isinstance(flac, Track)
    assert (flac.codec, len(flac.config)) == ("flac", 34)
    assert all(isinstance(packet, Packet) and packet.data[0] == 0xFF for packet in packets)


def test_a_stream_without_audio_is_refused() -> None:
    with pytest.raises(DecodeError, match="no Opus, Vorbis, FLAC or Speex"):
        items(page(0, b"\x80theora", flags=FIRST) + page(1, b"more"))


@given(st.lists(st.sampled_from([b"OggS", b"OggS\x00\x00", bytes(22), b"\xff", bytes(5)]), max_size=200))
def test_false_pages_end(parts: list[bytes]) -> None:
    real = opus(page(2, b"one", granule=960))
    found = items(real + b"".join(parts) + page(3, b"two", granule=1920))
    assert found[:2] == [OPUS, Packet(b"one")]


def test_before_a_stream_begins_nothing_is_lost() -> None:
    refused = page(0, b"\x80theora", flags=FIRST) + bytes(100) + page(1, b"more")
    demuxer = OggDemuxer()
    demuxer.feed(refused[:90])
    assert demuxer.next() is None
    demuxer.feed(refused[90:])
    with pytest.raises(DecodeError):
        demuxer.next()


def ending(stream: bytes, step: int) -> list[Item] | str:
    try:
        return items(stream, step)
    except DecodeError as refused:
        return refused.error.message


@given(st.lists(st.binary(max_size=40), max_size=4), st.integers(0, 1000), st.integers(1, 300))
def test_the_same_is_found_however_a_stream_is_cut(noise: list[bytes], place: int, step: int) -> None:
    whole = opus(page(2, b"one", granule=960), page(3, b"two" * 100), page(4, b"three", flags=LAST))
    stream = bytearray(whole)
    for part in noise:
        stream[place : place + len(part) // 2] = part
        place = (place * 7 + 13) % len(stream)
    assert ending(bytes(stream), step) == ending(bytes(stream), 0)


SPEEX = b64decode(
    """
    T2dnUwACAAAAAAAAAABWvPBXAAAAAPU6ZrgBUFNwZWV4ICAgMS4yLjEAAAAAAAAAAAAAAAAAAAABAAAAUAAAAEAfAAAAAAAABAAAAAEAAAD///
    //oAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAT2dnUwAAAAAAAAAAAABWvPBXAQAAAAfGuNwBIBgAAABFbmNvZGVkIHdpdGggU3BlZXggMS4yLjEA
    AAAAT2dnUwAEoA8AAAAAAABWvPBXAgAAAArLy0caDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8TnHDtIO7uADQBWkvd5mYTmTiJPC+z5RIKby
    F5peoQy3YRQK7b5fXY05RBR7ISzcIJIXCYEhRgJR/iuJAVWtg5BweQLY1voVIBtnwVWtgJA7SoGOrgz+wivNYVXomBCev8BWI42snGPSoV0pQE
    8a8fCCUsY4OFFgoV0t3Q8bXjjL1I5seBlloVTroQ6WK6FL0IiTIAl7YVX0ow7hkNnW2jvuDKHxYVVsv0wlrP8WCjlVtfIgoVUNg84H8XOcbZR4
    bKdLYVQMq0zkynOtmxz+UdQCQVX1JwwdiwaxmaXHTSxXgVUNPMqfP0GPtUSURF74QVxlS0gGWLI7nLvprKl34Vxs7wkRNrTJHXDfFAbyAVX9mA
    k3X7PGFvnOCC8TIRxKo8h6oaK7QDgvrQSsIV3HSwhDM320RvgNS8qGoV13R4bdLXSQso51EFdtwWkuIaIe7u53dw+7j4vSQQQII6QrPu8Xd3M4
    lh4RwUdlRCh3YokGW8opZ3WewUdlQ++7s79LEHb2C23Ww=
    """
)
"""Half a second at 8 kHz, as `speexenc --quality 2` makes it; PyAV has no encoder."""


@pytest.mark.parametrize("size", [0, 1, 100])
async def test_speex_is_decoded_as_ffmpeg_does(size: int) -> None:
    samples, lost = await decoded(opened(SPEEX), cut(SPEEX, size))
    reference, rate = decode_whole(SPEEX, "ogg")
    assert (lost, rate, samples.shape) == (0, 8_000, (1, 8_000))
    wanted = soxr.resample(reference[0].astype(np.float64), rate, 16_000, "HQ")
    # FFmpeg keeps what the last page says is not to be heard.
    np.testing.assert_allclose(samples[0, :-320], wanted[:7_680], atol=3 / 32768, rtol=0)
