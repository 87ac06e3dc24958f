"""Pauses on any scale, and silence in the bytes of each encoding."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.audio.coding import Encoding, RawFormat, samples_of
from transcriber.pauses import Pauses, silenced

S16 = RawFormat("pcm_s16le", 16_000)


def test_marks_make_ranges() -> None:
    pauses = Pauses()
    pauses.mark(1, paused=False)
    for at, paused in ((2, True), (3, True), (4, False), (5, False), (6, True)):
        pauses.mark(at, paused=paused)
    assert pauses.ranges == [(2, 4), (6, math.inf)]
    assert pauses.open


@pytest.mark.parametrize(
    ("start", "end", "touches"),
    [(0, 2, False), (0, 2.1, True), (2, 3, True), (3.9, 9, True), (4, 5, False), (5, 6, False), (7, 8, True)],
)
def test_what_reaches_into_a_pause_touches_it(start: float, end: float, touches: bool) -> None:
    pauses = Pauses()
    pauses.ranges = [(2, 4), (6, math.inf)]
    assert pauses.touch(start, end) is touches
    assert pauses.touch(start, end, settle=3) is (touches or start >= 4)


@pytest.mark.parametrize("encoding", ["pcm_s16le", "pcm_s24le", "pcm_u8", "pcm_f32le", "mulaw", "alaw"])
def test_silence_is_silent_in_every_encoding(encoding: Encoding) -> None:
    form = RawFormat(encoding, 16_000, 2)
    data = b"\x11" * form.frame_bytes * 10
    quiet = silenced(data, 0, [(0, math.inf)], form, 0)
    assert abs(samples_of(encoding, quiet)).max() < 0.001
    assert len(quiet) == len(data)


def test_samples_that_a_pause_only_touches_are_silent() -> None:
    assert silenced(b"x" * 12, 0, [(3, 5)], S16, 0) == b"xx" + bytes(4) + b"x" * 6
    assert silenced(b"x" * 12, 0, [(4, 4)], S16, 0) == b"x" * 12
    assert silenced(b"x" * 13, 0, [(4, 7)], S16, 1) == b"xxx" + bytes(4) + b"x" * 6


def test_a_header_stays() -> None:
    assert silenced(b"x" * 12, 0, [(0, 8)], S16, 6) == b"x" * 6 + bytes(2) + b"x" * 4
    assert silenced(b"x" * 4, 0, [(0, math.inf)], S16, 6) == b"x" * 4


@given(
    data=st.binary(max_size=60),
    cut=st.integers(0, 60),
    ranges=st.lists(st.tuples(st.integers(0, 70), st.integers(0, 20)), max_size=3),
    channels=st.integers(1, 3),
    start=st.integers(0, 20),
)
def test_how_a_stream_is_cut_into_parts_does_not_matter(
    data: bytes, cut: int, ranges: list[tuple[int, int]], channels: int, start: int
) -> None:
    form = RawFormat("pcm_s16le", 16_000, channels)
    pauses = [(first, first + length) for first, length in ranges]
    cut = min(cut, len(data))
    whole = silenced(data, 0, pauses, form, start)
    assert silenced(data[:cut], 0, pauses, form, start) + silenced(data[cut:], cut, pauses, form, start) == whole
    for first, last in pauses:
        assert not any(whole[max(first, start) : max(last, start)])
