"""WebM, taken apart."""

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus import encoded
from transcriber.audio.decoder import DecodeError
from transcriber.audio.packets import Item, Lost, Packet, Track
from transcriber.audio.webm import WebmDemuxer

UNKNOWN = b"\x01" + b"\xff" * 7
HEAD = b"OpusHead\x01\x01\x38\x01\x80\xbb\x00\x00\x00\x00\x00"


def element(name: str, content: bytes, size: bytes | None = None) -> bytes:
    return bytes.fromhex(name) + (struct.pack(">Q", len(content) | 1 << 56) if size is None else size) + content


def track(number: int = 1, kind: int = 2, codec: bytes = b"A_OPUS", extra: bytes = b"") -> bytes:
    described = element("d7", bytes([number])) + element("83", bytes([kind])) + element("86", codec)
    return element("ae", described + element("63a2", HEAD) + extra)


def simple(frame: bytes, *, number: int = 1, flags: int = 0x80) -> bytes:
    return element("a3", bytes([0x80 | number, 0, 0, flags]) + frame)


def cluster(*blocks: bytes, size: bytes | None = UNKNOWN) -> bytes:
    return element("1f43b675", element("e7", b"\x00") + b"".join(blocks), size)


def webm(*parts: bytes, tracks: bytes | None = None) -> bytes:
    described = element("1654ae6b", track() if tracks is None else tracks)
    return element("1a45dfa3", element("4282", b"webm")) + element("18538067", described + b"".join(parts), UNKNOWN)


def items(stream: bytes, step: int = 0) -> list[Item]:
    """What is found, without times."""
    return [replace(item, time_ns=None) if isinstance(item, Packet) else item for item in timed(stream, step)]


def timed(stream: bytes, step: int = 0) -> list[Item]:
    demuxer = WebmDemuxer()
    found: list[Item] = []
    for start in range(0, len(stream), step or max(1, len(stream))):
        demuxer.feed(stream[start : start + (step or len(stream))])
        while (item := demuxer.next()) is not None:
            found.append(item)
    demuxer.end()
    while (item := demuxer.next()) is not None:
        found.append(item)
    return found


def frames(stream: bytes, step: int = 0) -> list[bytes]:
    return [item.data for item in items(stream, step) if isinstance(item, Packet)]


@pytest.mark.parametrize("step", [0, 1, 3])
@pytest.mark.parametrize("size", [UNKNOWN, None])
def test_sizes_of_clusters_may_be_unknown(size: bytes | None, step: int) -> None:
    stream = webm(cluster(simple(b"one"), simple(b"two"), size=size), cluster(simple(b"three"), size=size))
    assert items(stream, step) == [Track("opus", HEAD, 8000, 1), Packet(b"one"), Packet(b"two"), Packet(b"three")]


def test_what_is_no_audio_is_passed_over() -> None:
    tracks = track(2, 1, b"V_VP8") + track(1)
    void, tags, cues = element("ec", bytes(300)), element("1254c367", bytes(70_000)), element("1c53bb6b", bytes(9))
    video = simple(bytes(2_000_000), number=2)
    stream = webm(void, cluster(video, simple(b"one"), void, simple(b"x", number=2)), cues, tags, tracks=tracks)
    assert frames(stream) == frames(stream, 4096) == [b"one"]


def test_the_first_audio_track_is_followed() -> None:
    tracks = track(3, 17, b"S_TEXT/UTF8") + track(5) + track(6, codec=b"A_VORBIS")
    stream = webm(cluster(simple(b"six", number=6), simple(b"five", number=5)), tracks=tracks)
    assert frames(stream) == [b"five"]


LACED = {
    "Xiph": (0x02, b"\x02" + b"\xff\x01" + b"\x03" + b"a" * 256 + b"bbb" + b"cc", [b"a" * 256, b"bbb", b"cc"]),
    "fixed": (0x04, b"\x02" + b"aabbcc", [b"aa", b"bb", b"cc"]),
    "EBML": (0x06, b"\x02" + b"\x83" + b"\xc0" + b"aaa" + b"bbbb" + b"cc", [b"aaa", b"bbbb", b"cc"]),
    "Xiph, one": (0x02, b"\x00" + b"alone", [b"alone"]),
    "EBML, one": (0x06, b"\x00" + b"alone", [b"alone"]),
}


@pytest.mark.parametrize(("flags", "content", "expected"), LACED.values(), ids=LACED)
def test_laced_frames(flags: int, content: bytes, expected: list[bytes]) -> None:
    assert frames(webm(cluster(simple(content, flags=flags)))) == expected


@pytest.mark.parametrize(
    ("flags", "content"), [(2, b"\x01\xff"), (4, b"\x02aabbc"), (6, b"\x01\xff"), (6, b"\x02\x81\x80a"), (4, b"")]
)
def test_lacing_that_can_not_be_is_damage(flags: int, content: bytes) -> None:
    found = items(webm(cluster(simple(content, flags=flags), simple(b"next")), cluster(simple(b"more"))))
    assert found[1:] == [Lost(), Packet(b"next"), Packet(b"more")]


def test_what_is_to_be_discarded_at_the_end_is_told_of_the_last_frame() -> None:
    block = element("a1", b"\x81\x00\x00\x04" + b"\x01" + b"aabb")
    group = element("a0", block + element("75a2", (13_500_000).to_bytes(4, "big")))
    assert items(webm(cluster(group)))[1:] == [Packet(b"aa"), Packet(b"bb", discard_ns=13_500_000)]


def test_other_codecs_are_known_with_what_ffmpeg_needs() -> None:
    audio = element("e1", element("b5", struct.pack(">d", 48_000)) + element("9f", b"\x02") + element("6264", b"\x10"))
    pcm = webm(cluster(simple(b"ab")), tracks=track(codec=b"A_PCM/INT/LIT", extra=audio))
    assert items(pcm)[0] == Track("pcm_s16le", HEAD, 48_000, 2)
    delayed = element("56aa", (21_333_333).to_bytes(4, "big"))
    aac = webm(tracks=track(codec=b"A_AAC/MPEG4/LC", extra=delayed))
    assert items(aac)[0] == Track("aac", HEAD, 8000, 1, 21_333_333)
    assert items(webm(tracks=track(extra=delayed)))[0] == Track("opus", HEAD, 8000, 1)


def test_a_file_may_follow_a_file() -> None:
    one = webm(cluster(simple(b"one")))
    assert [type(item) for item in items(one + one)] == [Track, Packet, Track, Packet]


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (webm(tracks=track(1, 1, b"V_VP8")), "no audio"),
        (webm(tracks=track(codec=b"A_DTS")), "A_DTS"),
        (webm(tracks=track(codec=b"\x00\xff")), "unknown|understood"),
        (webm(tracks=track(extra=element("6d80", b""))), "A_OPUS"),
        (element("1a45dfa3", b"") + cluster(simple(b"one")), "no list of tracks"),
        (element("1a45dfa3", b"") + b"\x00" * 20, "header is damaged"),
        (element("1654ae6b", bytes(2 << 20)), "too large"),
    ],
)
def test_what_can_not_be_decoded_is_refused(stream: bytes, message: str) -> None:
    with pytest.raises(DecodeError, match=message) as caught:
        items(stream)
    assert caught.value.error.close_code == 1003


@pytest.mark.parametrize("step", [0, 1, 100])
def test_after_damage_the_next_block_is_found(step: int) -> None:
    blocks = [simple(b"frame %d " % number * 5) for number in range(20)]
    damaged = webm(cluster(*blocks[:10], b"\x00\x01\x02\xa3\x81\x04" * 30, *blocks[10:]))
    found = items(damaged, step)
    assert found.count(Lost()) == 1
    assert [item.data for item in found if isinstance(item, Packet)] == frames(webm(cluster(*blocks)))


@given(cut=st.integers(700, 4_000), length=st.integers(1, 300))
def test_most_of_a_stream_outlives_a_hole(cut: int, length: int) -> None:
    stream = encoded("webm")
    assert len(frames(stream[:cut] + stream[cut + length :])) >= len(frames(stream)) - 10


def ending(stream: bytes, step: int) -> list[Item] | str:
    try:
        return items(stream, step)
    except DecodeError as refused:
        return refused.error.message


@pytest.mark.parametrize("cut", range(9))
def test_a_large_block_of_no_track_is_damage_wherever_it_is_cut(cut: int) -> None:
    strange = element("a3", bytes([0x85]) + bytes(7), struct.pack(">Q", 2 << 20 | 1 << 56))
    before = webm(cluster(simple(b"one")))
    stream = before + strange + cluster(simple(b"two"))
    demuxer, found = WebmDemuxer(), list[Item]()
    for piece in (stream[: len(before) + 9 + cut], stream[len(before) + 9 + cut :]):
        demuxer.feed(piece)
        found += iter(demuxer.next, None)
    assert found == timed(stream)
    assert [item.data for item in found if isinstance(item, Packet)] == [b"one", b"two"]


@given(st.lists(st.binary(max_size=12), max_size=4), st.integers(0, 200), st.integers(1, 60))
def test_the_same_is_found_however_a_stream_is_cut(noise: list[bytes], place: int, step: int) -> None:
    stream = bytearray(webm(cluster(simple(b"one"), simple(b"two" * 20)), cluster(simple(b"three"))))
    for part in noise:
        stream[place : place + len(part) // 2] = part
        place = (place * 7 + 13) % len(stream)
    assert ending(bytes(stream), step) == ending(bytes(stream), 0)


def block(frame: bytes, milliseconds: int) -> bytes:
    return element("a3", b"\x81" + struct.pack(">h", milliseconds) + b"\x80" + frame)


@pytest.mark.parametrize("step", [0, 1])
def test_blocks_say_when_they_begin(step: int) -> None:
    info = element("1549a966", element("2ad7b1", (100_000).to_bytes(3, "big")))
    late = element("1f43b675", element("e7", b"\x01\x00") + block(b"three", -1), UNKNOWN)
    stream = webm(info, cluster(block(b"one", 0), block(b"two", 20)), late)
    times = [item.time_ns for item in timed(stream, step) if isinstance(item, Packet)]
    assert times == [0, 2_000_000, 25_500_000]


def test_of_frames_in_a_block_the_first_says_when_it_begins() -> None:
    stream = webm(cluster(element("a3", b"\x81\x00\x14\x04\x01aabb")))
    assert [item.time_ns for item in timed(stream) if isinstance(item, Packet)] == [20_000_000, None]


def test_a_time_too_long_to_be_one_is_damage() -> None:
    stream = webm(cluster(block(b"one", 0)), element("1f43b675", element("e7", bytes(9)), UNKNOWN))
    assert Lost() in timed(stream)


@pytest.mark.parametrize("step", [0, 1, 50])
@pytest.mark.parametrize("name", ["webm pcm", "matroska mp3"])
def test_what_was_changed_in_a_cluster_with_a_checksum_is_seen(name: str, step: int) -> None:
    stream = encoded(name)
    assert Lost() not in items(stream, step)
    middle = len(stream) // 2
    changed = stream[:middle] + bytes([stream[middle] ^ 0x55]) + stream[middle + 1 :]
    assert items(changed, step).count(Lost()) == 1
