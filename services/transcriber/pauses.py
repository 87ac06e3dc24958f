"""Stretches for which a recording was paused, and silence in their place. Without I/O."""

import math
from collections.abc import Mapping, Sequence

from transcriber.audio.coding import Encoding, RawFormat

SETTLE_SECONDS = 3.0
"""Coded audio comes in pages and frames, and what was said in a pause may come in one that ends behind it: there, a
pause lasts so much longer."""

_SILENCE: Mapping[Encoding, bytes] = {"pcm_u8": b"\x80", "mulaw": b"\xff", "alaw": b"\xd5"}
"""The byte that silence is made of; zero for all others."""


class Pauses:
    """Ranges on one scale, in order; the last one may still be open and then has no end."""

    def __init__(self) -> None:
        self.ranges: list[tuple[float, float]] = []

    @property
    def open(self) -> bool:
        return bool(self.ranges) and self.ranges[-1][1] == math.inf

    def mark(self, at: float, *, paused: bool) -> None:
        """A pause begins or ends; what is so already stays so."""
        if paused and not self.open:
            self.ranges.append((at, math.inf))
        elif not paused and self.open:
            self.ranges[-1] = (self.ranges[-1][0], at)

    def touch(self, start: float, end: float, settle: float = 0.0) -> bool:
        """Whether a stretch reaches into a pause, the `settle` behind it included."""
        return any(first < end and start < last + settle for first, last in self.ranges)


def silenced(
    data: bytes, offset: int, ranges: Sequence[tuple[float, float]], form: RawFormat, audio_start: int
) -> bytes:
    """Bytes of a stream, from `offset` on, with silence in `ranges`.

    Samples lie in it from `audio_start` on; those that a range only touches are silent, too. What lies before, a
    header, stays.
    """
    frame, filled = form.frame_bytes, bytearray(data)
    for first, last in ranges:
        begin = audio_start + max(0, int(first) - audio_start) // frame * frame - offset
        end = len(data)
        if last < offset + len(data) + frame:
            end = audio_start - -max(0, int(last) - audio_start) // frame * frame - offset
        begin, end = max(0, begin, audio_start - offset), min(end, len(data))
        if begin < end:
            filled[begin:end] = _SILENCE.get(form.encoding, b"\0") * (end - begin)
    return bytes(filled)
