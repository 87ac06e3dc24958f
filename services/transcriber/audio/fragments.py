"""Fragmented MP4 whose bytes were damaged on the way, so that a demuxer finds its fragments again.

A box says how long it is; where bytes are missing, every box behind them is looked for in the wrong place. So the next
fragment is found by what it begins with, and a box that is cut short is filled up with zeros.
"""

import re
import struct
from collections.abc import Iterator

_BEGINNING = re.compile(rb"(?=....moof....mfhd)", re.DOTALL)
"""Of a fragment: its header comes first in it (ISO 14496-12, 8.8.4). Looks ahead, since what looks like one may overlap
with another."""
_BEGINNING_BYTES = 16
_KINDS = frozenset(
    (
        b"emsg",
        b"free",
        b"ftyp",
        b"mdat",
        b"meta",
        b"mfra",
        b"moof",
        b"moov",
        b"pdin",
        b"prft",
        b"sidx",
        b"skip",
        b"styp",
    )
)
"""Of boxes at the top, where fragments are."""
_MAX_MOOF_BYTES = 1 << 20
_MOST_STEPS = 1000
"""A time that is further ahead than so many fragments are apart is none, unless the next one bears it out."""


class Fragments:
    """Bytes in; out in pieces, each with whether something is lost behind it. How bytes are cut changes nothing."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._left = 0
        """Bytes of the box that is passed through."""
        self._fragmented = False
        self._lost = False
        """Whether the next fragment is looked for."""
        self._plain = False
        """Whether nothing is looked at any more."""
        self._times = _Times()
        self._credit = 0
        """Bytes passed on and not yet made up for by zeros: a stream grows to twice its size at most."""

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bool]]:
        """What can be passed on."""
        self._waiting += data
        while (piece := self._next(ended=False)) is not None:
            yield piece

    def end(self) -> Iterator[tuple[bytes, bool]]:
        """The rest."""
        while (piece := self._next(ended=True)) is not None:
            yield piece

    def _next(self, *, ended: bool) -> tuple[bytes, bool] | None:
        if not self._waiting:
            return None
        if self._plain:
            return self._take(len(self._waiting)), False
        if self._lost:
            return self._find(ended=ended)
        if self._left:
            return self._pass(ended=ended)
        return self._begin(ended=ended)

    def _begin(self, *, ended: bool) -> tuple[bytes, bool] | None:
        """A box."""
        if len(self._waiting) < 8 and not ended:
            return None
        size, kind = struct.unpack(">I4s", self._waiting[:8].ljust(8, b"\0"))
        if kind == b"moof":
            return self._begin_fragment(size, ended=ended)
        if size < 8 or kind not in _KINDS:
            self._plain, self._lost = not self._fragmented, self._fragmented
            return b"", self._lost
        self._left = size
        return self._pass(ended=ended)

    def _begin_fragment(self, size: int, *, ended: bool) -> tuple[bytes, bool] | None:
        """One whose description is whole."""
        self._fragmented = True
        if len(self._waiting) < min(size, _MAX_MOOF_BYTES) and not ended:
            return None
        box = bytes(self._waiting[:size])
        if not _is_whole(box) or not all(self._times.believe(*time) for time in _times(box)):
            self._take(8)
            self._lost = True
            return b"", True
        return self._take(size), False

    def _pass(self, *, ended: bool) -> tuple[bytes, bool] | None:
        if not self._fragmented:
            return self._taken(min(self._left, len(self._waiting)))
        within = _BEGINNING.finditer(self._waiting, 0, self._left + _BEGINNING_BYTES - 1)
        starts = [found.start() for found in within]
        start = next((start for start in starts if 0 < self._left - start <= start + self._credit), None)
        if start is not None:
            passed, _ = self._taken(start)
            filling, self._left = bytes(self._left), 0
            self._credit -= len(filling)
            return passed + filling, True
        ready = len(self._waiting) if ended else len(self._waiting) - _BEGINNING_BYTES + 1
        ready = min(self._left, ready)
        return self._taken(ready) if ready > 0 else None

    def _taken(self, count: int) -> tuple[bytes, bool]:
        self._left -= count
        return self._take(count), False

    def _find(self, *, ended: bool) -> tuple[bytes, bool] | None:
        """Leave what comes before the next fragment."""
        found = _BEGINNING.search(self._waiting)
        if found:
            self._take(found.start())
            self._lost = False
            return b"", False
        self._take(len(self._waiting) if ended else max(0, len(self._waiting) - _BEGINNING_BYTES + 1))
        return None

    def _take(self, count: int) -> bytes:
        taken = bytes(self._waiting[:count])
        self._credit += len(taken)
        del self._waiting[:count]
        return taken


def _is_whole(box: bytes) -> bool:
    """Whether the boxes in it fill it."""
    position = 8
    while position + 8 <= len(box):
        (size,) = struct.unpack_from(">I", box, position)
        if size < 8:
            return False
        position += size
    return position == len(box) == int.from_bytes(box[:4])


class _Times:
    """When fragments begin, by track. A demuxer drops what comes behind a time that is wrong and far ahead."""

    def __init__(self) -> None:
        self._last: dict[int, int] = {}
        self._step: dict[int, int] = {}
        """The longest from one to the next."""
        self._doubted: dict[int, int] = {}

    def believe(self, track: int, time: int) -> bool:
        """Whether a fragment of the track may begin then, in ticks of its own."""
        step, last = self._step.get(track, 0), self._last.get(track, time)
        doubted = self._doubted.pop(track, None)
        borne_out = doubted is not None and 0 <= time - doubted <= _MOST_STEPS * step
        if step and time - last > _MOST_STEPS * step and not borne_out:
            self._doubted[track] = time
            return False
        self._step[track] = step if borne_out else max(step, time - last)
        self._last[track] = time
        return True


def _times(box: bytes) -> Iterator[tuple[int, int]]:
    """Track and decode time of each track's part of a fragment (ISO 14496-12, 8.8.7 and 8.8.12)."""
    for kind, part in _children(box[8:]):
        fields = dict(_children(part)) if kind == b"traf" else {}
        head, time = fields.get(b"tfhd", b""), fields.get(b"tfdt", b"")
        if len(head) >= 8 and len(time) >= 8:
            yield int.from_bytes(head[4:8]), int.from_bytes(time[4:12] if time[0] else time[4:8])


def _children(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position + 8 <= len(content):
        size = int.from_bytes(content[position : position + 4])
        if size < 8:
            return
        yield content[position + 4 : position + 8], content[position + 8 : position + size]
        position += size
