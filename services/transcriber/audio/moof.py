"""How a fragment of MP4 describes itself (ISO 14496-12, 8.8): when each track goes on, with what, and where that is."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_BASE_OFFSET, _DESCRIPTION, _DURATION, _SIZE = 0x1, 0x2, 0x8, 0x10
"""What a `tfhd` says, in this order; eight bytes the first, four each of the others."""
_FROM_MOOF = 0x020000
"""Places of data are counted from where the fragment begins."""
_RUN_OFFSET, _RUN_FIRST_FLAGS = 0x1, 0x4
"""What a `trun` says of all its samples, four bytes each."""
_SAMPLE_DURATION, _SAMPLE_SIZE, _SAMPLE_FLAGS, _SAMPLE_COMPOSITION = 0x100, 0x200, 0x400, 0x800
"""And of each sample."""


@dataclass(frozen=True, slots=True)
class TrackPart:
    """Of one track in a fragment; None is what it does not say."""

    track: int
    time: int | None
    """When it begins, in ticks of the track."""
    longest_sample: int | None
    """In ticks."""
    data: tuple[int, int] | None
    """Where its samples begin and end, in bytes from the beginning of the fragment."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Samples that follow each other. What it does not say holds for all samples of the part, or is None."""

    count: int
    offset: int | None
    durations: tuple[int, ...] | None
    sizes: tuple[int, ...] | None


def tracks_of(moov: bytes) -> frozenset[int]:
    """The tracks that may have fragments."""
    extends = dict(_children(moov[8:])).get(b"mvex", b"")
    return frozenset(int.from_bytes(content[4:8]) for kind, content in _children(extends) if kind == b"trex")


def sounds_of(moov: bytes) -> frozenset[int]:
    """The tracks that are sound."""
    return frozenset(_sounds(moov))


def _sounds(moov: bytes) -> Iterator[int]:
    for kind, content in _children(moov[8:]):
        fields = dict(_children(content)) if kind == b"trak" else {}
        head, handler = fields.get(b"tkhd", b""), dict(_children(fields.get(b"mdia", b""))).get(b"hdlr", b"")
        if handler[8:12] == b"soun" and len(head) >= 24:
            yield int.from_bytes(head[20:24] if head[0] else head[12:16])


def is_whole(moof: bytes) -> bool:
    """Whether the boxes in it fill it, and the tables in them what they are said to."""
    position = 8
    while position + 8 <= len(moof):
        (size,) = struct.unpack_from(">I", moof, position)
        if size < 8:
            return False
        position += size
    return position == len(moof) == int.from_bytes(moof[:4]) and None not in _parts(moof)


def parts_of(moof: bytes) -> list[TrackPart]:
    """What it says of each track."""
    return [part for part in _parts(moof) if part is not None]


def _parts(moof: bytes) -> Iterator[TrackPart | None]:
    """None: of a track that does not say which, or whose tables are too short."""
    for kind, content in _children(moof[8:]):
        if kind == b"traf":
            boxes = list(_children(content))
            fields = dict(boxes)
            runs = [run for name, run in boxes if name == b"trun"]
            head = fields.get(b"tfhd", b"")
            yield _part(head, fields.get(b"tfdt", b""), runs) if len(head) >= 8 else None


def _part(head: bytes, tfdt: bytes, tables: list[bytes]) -> TrackPart | None:
    flags = int.from_bytes(head[1:4])
    duration, size = _defaults(flags, head)
    time = int.from_bytes(tfdt[4:12] if tfdt[0] else tfdt[4:8]) if len(tfdt) >= 8 else None
    longest, begin, end = 0, None, None
    for table in tables:
        run = _run(table)
        if run is None:
            return None
        longest = max(longest, *(run.durations or ((duration or 0,) if run.count else ())), 0)
        start = run.offset if run.offset is not None else end
        length = sum(run.sizes) if run.sizes is not None else run.count * size if size is not None else None
        end = start + length if start is not None and length is not None else None
        begin = begin if begin is not None else start
    data = (begin, end) if flags & _FROM_MOOF and begin is not None and end is not None else None
    return TrackPart(int.from_bytes(head[4:8]), time, longest or None, data)


def _defaults(flags: int, head: bytes) -> tuple[int | None, int | None]:
    """Duration and size of samples of which their run says nothing else."""
    position = 8
    found: dict[int, int] = {}
    for flag, width in ((_BASE_OFFSET, 8), (_DESCRIPTION, 4), (_DURATION, 4), (_SIZE, 4)):
        if flags & flag:
            found[flag] = int.from_bytes(head[position : position + width])
            position += width
    return found.get(_DURATION), found.get(_SIZE)


def _run(table: bytes) -> _Run | None:
    """None: it is too short for so many samples."""
    if len(table) < 8:
        return None
    flags, count = int.from_bytes(table[1:4]), int.from_bytes(table[4:8])
    position = 8 + 4 * bool(flags & _RUN_OFFSET) + 4 * bool(flags & _RUN_FIRST_FLAGS)
    columns = [flag for flag in (_SAMPLE_DURATION, _SAMPLE_SIZE, _SAMPLE_FLAGS, _SAMPLE_COMPOSITION) if flags & flag]
    width = len(columns)
    if position + 4 * count * width > len(table):
        return None
    values = struct.unpack_from(f">{count * width}I", table, position) if width else ()
    by_column = {flag: values[index::width] for index, flag in enumerate(columns)}
    offset = int.from_bytes(table[8:12], signed=True) if flags & _RUN_OFFSET else None
    return _Run(count, offset, by_column.get(_SAMPLE_DURATION), by_column.get(_SAMPLE_SIZE))


def _children(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position + 8 <= len(content):
        size = int.from_bytes(content[position : position + 4])
        if size < 8:
            return
        yield content[position + 4 : position + 8], content[position + 8 : position + size]
        position += size
