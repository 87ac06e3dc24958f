"""Fragments that are found again."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus import RECIPES, encoded
from tests.decoding import cut, decoded, opened
from transcriber.audio.fragments import Fragments

FRAGMENTED = ("mp4 fragmented", "mp4 opus fragmented")


def box(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def fragment(number: int, size: int = 200) -> bytes:
    described = box(b"mfhd", struct.pack(">II", 0, number)) + box(b"traf", box(b"tfhd", struct.pack(">II", 0, 1)))
    return box(b"moof", described) + box(b"mdat", bytes([number]) * size)


HEAD = box(b"ftyp", b"iso5") + box(b"moov", bytes(40))
STREAM = HEAD + b"".join(fragment(number) for number in range(1, 6))


def passed(stream: bytes, size: int = 0) -> tuple[bytes, list[int]]:
    """What comes out, and where something is lost."""
    fragments, out, lost = Fragments(), b"", list[int]()
    pieces = [piece for data in cut(stream, size) for piece in fragments.feed(data)]
    for data, is_lost in [*pieces, *fragments.end()]:
        out += data
        lost += [len(out)] * is_lost
    return out, lost


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.demuxer == "mov"])
@pytest.mark.parametrize("size", [0, 1, 100])
def test_what_is_whole_is_left_alone(name: str, size: int) -> None:
    assert passed(encoded(name), size) == (encoded(name), [])


def test_a_box_that_is_cut_short_is_filled_up() -> None:
    at = STREAM.index(bytes([2]) * 200)
    out, lost = passed(STREAM[: at + 50] + STREAM[at + 150 :])
    assert out == STREAM[: at + 50] + bytes([2]) * 50 + bytes(100) + STREAM[at + 200 :]
    assert lost == [at + 200]


def test_what_is_inserted_between_fragments_is_left_out() -> None:
    at = STREAM.index(fragment(3))
    assert passed(STREAM[:at] + b"anything" * 20 + STREAM[at:]) == (STREAM, [at])


def test_a_fragment_whose_description_is_damaged_is_left_out() -> None:
    at = STREAM.index(fragment(3))
    broken = bytearray(STREAM)
    broken[at + 24 : at + 28] = b"\xff\xff\xff\xff"
    out, lost = passed(bytes(broken))
    assert (out, lost) == (STREAM.replace(fragment(3), b""), [at])


def test_little_makes_no_more_of_itself() -> None:
    huge = struct.pack(">I4s", 0xFFFFFFF0, b"mdat")
    for stream in (HEAD + fragment(1) + huge + bytes(50) + fragment(2), HEAD + (fragment(1, 2)[:-2] + b"") * 500):
        out, _ = passed(stream)
        assert len(out) <= 2 * len(stream)


def test_what_is_too_early_to_be_filled_up_hides_nothing_behind_it() -> None:
    stream = bytearray(STREAM)
    for start, removed in ((100, 43), (0, 100)):
        del stream[start : start + removed]
    lookalike = fragment(9)[:32]
    for at in (60, 150, 300):
        stream[at:at] = lookalike
    for size in (1, 7, 16, 100):
        assert passed(bytes(stream), size) == passed(bytes(stream))


@given(data=st.data(), size=st.sampled_from([1, 7, 16, 100]))
def test_cuts_change_nothing_whatever_comes(data: st.DataObject, size: int) -> None:
    stream = bytearray(STREAM)
    for _ in range(data.draw(st.integers(0, 5))):
        start = data.draw(st.integers(0, len(stream)))
        stream[start : start + data.draw(st.integers(0, 60))] = data.draw(st.binary(max_size=60))
    whole = passed(bytes(stream))
    assert passed(bytes(stream), size) == whole
    assert len(whole[0]) <= 2 * len(stream)


@pytest.mark.parametrize("name", FRAGMENTED)
@pytest.mark.parametrize("size", [0, 1, 1000])
async def test_behind_missing_bytes_it_goes_on(name: str, size: int) -> None:
    stream = encoded(name, 4.0)
    middle, length = len(stream) // 2, len(stream) // 50
    broken = stream[:middle] + stream[middle + length :]
    samples, lost = await decoded(opened(broken), cut(broken, size))
    assert lost >= 1
    assert samples.shape[1] > 3.3 * 16_000


def timed(number: int, *times: int, wide: bool = False) -> bytes:
    """A fragment of as many tracks, each beginning at its time."""
    parts = b"".join(
        box(
            b"traf",
            box(b"tfhd", struct.pack(">II", 0, track))
            + box(b"tfdt", struct.pack(">IQ", 1 << 24, time) if wide else struct.pack(">II", 0, time)),
        )
        for track, time in enumerate(times, 1)
    )
    return box(b"moof", box(b"mfhd", struct.pack(">II", 0, number)) + parts) + box(b"mdat", bytes([number]) * 50)


def left_out(*fragments: bytes) -> list[int]:
    """Which of the fragments don't come out."""
    out, _ = passed(HEAD + b"".join(fragments))
    return [at for at, each in enumerate(fragments) if each not in out]


@pytest.mark.parametrize("wide", [False, True])
def test_a_time_that_can_not_be_is_damage(wide: bool) -> None:
    times = (5000, 5100, 4_000_000_000, 5300, 5400)
    assert left_out(*(timed(number, time, wide=wide) for number, time in enumerate(times))) == [2]


def test_a_long_gap_is_believed_when_the_next_fragment_bears_it_out() -> None:
    times = (0, 100, 200, 900_000, 900_100, 900_200)
    assert left_out(*(timed(number, time) for number, time in enumerate(times))) == [3]


def test_gaps_and_steps_back_are_left_alone() -> None:
    times = (0, 100, 90_000, 200, 300)
    assert left_out(*(timed(number, time) for number, time in enumerate(times))) == []


def test_tracks_have_times_of_their_own() -> None:
    pairs = [(0, 0), (100, 9_000_000), (200, 18_000_000), (300, 27_000_000)]
    assert left_out(*(timed(number, *pair) for number, pair in enumerate(pairs))) == []


def lasting(number: int, ticks: int) -> bytes:
    """A fragment of one sample."""
    described = box(b"tfhd", struct.pack(">III", 0x020008, 1, ticks)) + box(b"trun", struct.pack(">II", 0, 1))
    return box(b"moof", box(b"mfhd", struct.pack(">II", 0, number)) + box(b"traf", described)) + box(b"mdat", bytes(9))


@pytest.mark.parametrize(("handler", "lost"), [(b"soun", [1]), (b"vide", [])])
def test_a_picture_may_stay_but_a_frame_of_sound_is_as_long_as_the_others(handler: bytes, lost: list[int]) -> None:
    track = box(b"tkhd", struct.pack(">IIII", 0, 0, 0, 1) + bytes(68))
    moov = box(b"moov", box(b"trak", track + box(b"mdia", box(b"hdlr", bytes(8) + handler))))
    fragments = [lasting(number, ticks) for number, ticks in enumerate((960, 96_000, 960, 480))]
    out, _ = passed(box(b"ftyp", b"iso5") + moov + b"".join(fragments))
    assert [at for at, each in enumerate(fragments) if each not in out] == lost


@pytest.mark.parametrize("name", FRAGMENTED)
async def test_whatever_byte_of_a_description_was_changed_only_its_fragment_is_lost(name: str) -> None:
    stream = encoded(name, 2.0)
    at = stream.index(b"moof", len(stream) // 2) - 4
    size = int.from_bytes(stream[at : at + 4])
    fragment = size + int.from_bytes(stream[at + size : at + size + 4])
    for place in range(at, at + size):
        broken = bytearray(stream)
        broken[place] ^= 0x55
        samples, _ = await decoded(opened(bytes(broken)), cut(bytes(broken), 4096))
        assert samples.shape[1] > (2.0 - 0.1) * 16_000 * (1 - fragment / len(stream)), place - at
