"""What fragments say of themselves."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus import encoded
from transcriber.audio.moof import TrackPart, is_whole, parts_of, sounds_of, tracks_of


def box(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def tfhd(track: int, flags: int, *values: int) -> bytes:
    return box(b"tfhd", struct.pack(f">{2 + len(values)}I", flags, track, *values))


def trun(flags: int, count: int, *values: int) -> bytes:
    return box(b"trun", struct.pack(f">{2 + len(values)}I", flags, count, *values))


def moof(*parts: bytes) -> bytes:
    return box(b"moof", box(b"mfhd", bytes(8)) + b"".join(box(b"traf", part) for part in parts))


def test_ffmpeg_describes_its_fragments() -> None:
    stream = encoded("mp4 fragmented")
    head = stream.index(b"moov") - 4
    moov = stream[head : head + int.from_bytes(stream[head : head + 4])]
    assert tracks_of(moov) == sounds_of(moov) == {1}
    at = stream.index(b"moof") - 4
    size = int.from_bytes(stream[at : at + 4])
    assert is_whole(stream[at : at + size])
    (part,) = parts_of(stream[at : at + size])
    mdat = int.from_bytes(stream[at + size : at + size + 4])
    assert (part.track, part.time, part.longest_sample, part.data) == (1, 0, 1024, (size + 8, size + mdat))


def trak(tkhd: bytes, handler: bytes) -> bytes:
    return box(b"trak", box(b"tkhd", tkhd) + box(b"mdia", box(b"hdlr", bytes(8) + handler + bytes(12))))


def test_sound_is_told_from_pictures() -> None:
    narrow, wide = struct.pack(">IIII", 0, 0, 0, 7) + bytes(68), struct.pack(">IQQI", 1 << 24, 0, 0, 9) + bytes(72)
    assert sounds_of(box(b"moov", trak(narrow, b"soun") + trak(wide, b"soun"))) == {7, 9}
    assert sounds_of(box(b"moov", trak(narrow, b"vide") + box(b"trak"))) == frozenset()


def test_durations_and_sizes_are_those_of_the_part_or_of_each_sample() -> None:
    run = trun(0x301, 2, 100, 960, 7, 1920, 8)
    assert parts_of(moof(tfhd(3, 0x020000) + run)) == [TrackPart(3, None, 1920, (100, 115))]
    shared = trun(0x1, 3, 100)
    assert parts_of(moof(tfhd(3, 0x020018, 960, 10) + shared)) == [TrackPart(3, None, 960, (100, 130))]


def test_runs_follow_each_other() -> None:
    runs = trun(0x201, 1, 100, 5) + trun(0x200, 2, 6, 7)
    assert parts_of(moof(tfhd(1, 0x020008, 960) + runs))[0].data == (100, 118)


def test_what_only_the_head_of_the_file_says_is_not_known() -> None:
    assert parts_of(moof(tfhd(1, 0x020000) + trun(0x1, 2, 100))) == [TrackPart(1, None, None, None)]
    counted_from_elsewhere = moof(tfhd(1, 0x11, 0, 4096, 10) + trun(0x1, 2, 100))
    assert parts_of(counted_from_elsewhere)[0].data is None


def test_times_may_be_wide() -> None:
    narrow, wide = struct.pack(">II", 0, 70), struct.pack(">IQ", 1 << 24, 1 << 40)
    parts = parts_of(moof(tfhd(1, 0) + box(b"tfdt", narrow), tfhd(2, 0) + box(b"tfdt", wide)))
    assert [(part.track, part.time) for part in parts] == [(1, 70), (2, 1 << 40)]


@pytest.mark.parametrize("count", [2, 0xFFFFFFFF])
def test_a_table_that_is_too_short_for_its_samples_is_damage(count: int) -> None:
    whole = moof(tfhd(1, 0x020000) + trun(0x201, 1, 100, 5))
    short = moof(tfhd(1, 0x020000) + trun(0x201, count, 100, 5))
    assert (is_whole(whole), is_whole(short)) == (True, False)


@given(st.binary(max_size=200))
def test_nothing_else_is_raised_whatever_comes(content: bytes) -> None:
    for made in (box(b"moof", content), moof(content), moof(tfhd(1, 0) + box(b"trun", content))):
        is_whole(made)
        parts_of(made)
    for part in (box(b"mvex", content), box(b"trak", content), trak(content, b"soun")):
        tracks_of(box(b"moov", part))
        sounds_of(box(b"moov", part))
