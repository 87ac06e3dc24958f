"""Fragmented MP4 whose bytes were damaged on the way, so that a demuxer finds its fragments again.

A box says how long it is; where bytes are missing, every box behind them is looked for in the wrong place. So the next
fragment is found by what it begins with, and a box that is cut short is filled up with zeros.
"""

import math
import re
import struct
from collections.abc import Iterator

from transcriber.audio.moof import TrackPart, is_whole, parts_of, sounds_of, tracks_of

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
_MAX_DESCRIPTION_BYTES = 1 << 20
_MOST_STEPS = 1000
"""A time that is further ahead than so many fragments are apart is none, unless the next one bears it out."""
_MOST_LONGER = 8
"""A codec's frames are all of a length, but for the last: one that is said to last so many times as long does not."""


class Fragments:
    """Bytes in; out in pieces, each with whether something is lost behind it. How bytes are cut changes nothing."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._left = 0
        """Bytes of the box that is passed through."""
        self._fragmented = False
        self._has_audio = False
        """Whether anything came but descriptions."""
        self._over = False
        self._lost = False
        """Whether the next fragment is looked for."""
        self._plain = False
        """Whether nothing is looked at any more."""
        self._tracks = _Tracks()
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

    @property
    def following(self) -> bytes | None:
        """What came of another file behind this one; None where there is none."""
        return bytes(self._waiting) if self._over else None

    def _next(self, *, ended: bool) -> tuple[bytes, bool] | None:
        if not self._waiting or self._over:
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
        if kind == b"ftyp" and self._has_audio:
            self._over = True
            return None
        self._has_audio |= kind in (b"moof", b"mdat")
        if kind == b"moof":
            return self._begin_fragment(size, ended=ended)
        if kind == b"moov" and size <= _MAX_DESCRIPTION_BYTES:
            if len(self._waiting) < size and not ended:
                return None
            moov = bytes(self._waiting[:size])
            self._tracks = _Tracks(tracks_of(moov), sounds_of(moov))
        if size < 8 or kind not in _KINDS:
            self._plain, self._lost = not self._fragmented, self._fragmented
            return b"", self._lost
        self._left = size
        return self._pass(ended=ended)

    def _begin_fragment(self, size: int, *, ended: bool) -> tuple[bytes, bool] | None:
        """One whose description is whole."""
        self._fragmented = True
        if len(self._waiting) < min(size, _MAX_DESCRIPTION_BYTES) + 8 and not ended:
            return None
        box, following = bytes(self._waiting[:size]), bytes(self._waiting[size : size + 8])
        if not is_whole(box) or not self._is_believed(box, following):
            self._take(8)
            self._lost = True
            return b"", True
        return self._take(size), False

    def _is_believed(self, moof: bytes, following: bytes) -> bool:
        """Whether a fragment can be as it says, with the head of the box behind it."""
        size = int.from_bytes(following[:4])
        first, last = len(moof) + 8, len(moof) + size if following[4:] == b"mdat" and size >= 8 else math.inf
        parts = parts_of(moof)
        if any(part.data and not first <= part.data[0] <= part.data[1] <= last for part in parts):
            return False
        return all(self._tracks.believe(part) for part in parts)

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


class _Tracks:
    """What fragments said of each track.

    A demuxer drops what comes behind a time that is wrong and far ahead, and stops at a track that it does not know.
    """

    def __init__(self, known: frozenset[int] = frozenset(), sounds: frozenset[int] = frozenset()) -> None:
        self._known = known
        """Empty: it is not said which there are."""
        self._sounds = sounds
        self._last: dict[int, int] = {}
        self._step: dict[int, int] = {}
        """The longest from one to the next."""
        self._doubted: dict[int, int] = {}
        self._sample: dict[int, int] = {}
        """The longest of the last fragment."""

    def believe(self, part: TrackPart) -> bool:
        """Whether a fragment may begin and last as it says."""
        if self._known and part.track not in self._known:
            return False
        return self._may_last(part) and (part.time is None or self._may_begin(part.track, part.time))

    def _may_last(self, part: TrackPart) -> bool:
        longest = part.longest_sample
        if longest is None or part.track not in self._sounds:
            # A picture may stay for as long as nothing moves.
            return True
        if longest > _MOST_LONGER * self._sample.get(part.track, longest):
            return False
        self._sample[part.track] = longest
        return True

    def _may_begin(self, track: int, time: int) -> bool:
        step, last = self._step.get(track, 0), self._last.get(track, time)
        doubted = self._doubted.pop(track, None)
        borne_out = doubted is not None and 0 <= time - doubted <= _MOST_STEPS * step
        if step and time - last > _MOST_STEPS * step and not borne_out:
            self._doubted[track] = time
            return False
        self._step[track] = step if borne_out else max(step, time - last)
        self._last[track] = time
        return True
