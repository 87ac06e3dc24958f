"""What inputs are made of, so that a mutation gets past checksums and sizes: taken apart, changed, put together."""

import json
import random
import struct
from collections.abc import Callable, MutableSequence
from typing import Any

from transcriber.audio.ebml import read_head
from transcriber.audio.ogg import checksum

Mutate = Callable[[bytes, int], bytes]
"""libFuzzer's own mutation: bytes, and how long they may become."""
Mutation = Callable[[bytes, random.Random, Mutate], bytes]

STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 1e308, -0.0, 2**53, 2**64, -(2**63), 10**400, float("inf"), float("nan")),
    *("", "\0", "\ud800", "é", "\N{MUSICAL SYMBOL G CLEF}", "a" * 300, "1e999", [], {}, [[]], {"": None}, ["a"] * 200),
)
"""JSON values that are valid somewhere, and wrong nearly everywhere."""

_EDGES = (0, 1, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFE, 0xFFFF_FFFF)


def plain(data: bytes, _: random.Random, mutate: Mutate) -> bytes:
    return mutate(data, len(data) + 64)


# JSON, one value a line.


def json_lines(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    """Changes a value inside one of the lines; lines that are no JSON are changed as bytes."""
    lines = data.split(b"\n")
    at = chance.randrange(len(lines))
    try:
        lines[at] = json.dumps(_changed(json.loads(lines[at]), chance), ensure_ascii=chance.random() < 0.5).encode(
            errors="replace"
        )
    except (ValueError, RecursionError):
        lines[at] = mutate(lines[at], len(lines[at]) + 64).replace(b"\n", b"")
    if chance.random() < 0.2:
        _shuffle(lines, chance)
    return b"\n".join(lines)


def _changed(value: Any, chance: random.Random) -> Any:
    """The value, with something in it replaced, removed, doubled or nested."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        fields: dict[str, Any] = dict(value)
        name = chance.choice(list(fields))
        match chance.randrange(6):
            case 0:
                del fields[name]
            case 1:
                fields[chance.choice([*fields, "other", "\ud800", "type", "kind"])] = fields[name]
            case _:
                fields[name] = _changed(fields[name], chance)
        return fields
    if isinstance(value, list) and value and chance.random() < 0.85:
        items: list[Any] = list(value)
        at = chance.randrange(len(items))
        if chance.random() < 0.3:
            _shuffle(items, chance)
        else:
            items[at] = _changed(items[at], chance)
        return items
    match chance.randrange(5):
        case 0 if isinstance(value, int | float) and abs(value) < 1e300:
            return value * chance.choice((-1, 2, 1000, 0.5)) + chance.choice((-1, 0, 1))
        case 1 if isinstance(value, str):
            return value * chance.choice((2, 20)) + chance.choice(("", " ", "é", "\0"))
        case 2:
            return [value] * chance.choice((1, 2, 50))
        case _:
            return chance.choice(STRANGE)


def _shuffle(items: MutableSequence[Any], chance: random.Random) -> None:
    """Doubles, removes or moves one."""
    at = chance.randrange(len(items))
    match chance.randrange(3):
        case 0:
            items.insert(chance.randrange(len(items) + 1), items[at])
        case 1 if len(items) > 1:
            del items[at]
        case _:
            other = chance.randrange(len(items))
            items[at], items[other] = items[other], items[at]


# RIFF.


def riff(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    """Changes a chunk, or what its header says of it."""
    if len(data) < 12:
        return mutate(data, 64)
    head, chunks = data[:12], _chunks(data[12:])
    if not chunks or chance.random() < 0.1:
        return mutate(head, 12).ljust(12, b"\0")[:12] + data[12:]
    at = chance.randrange(len(chunks))
    name, size, content = chunks[at]
    match chance.randrange(5):
        case 0:
            chunks[at] = name, chance.choice((*_EDGES, size + 1, max(0, size - 1), len(content))), content
        case 1:
            chunks[at] = chance.choice((b"fmt ", b"data", b"ds64", b"LIST", b"RIFF", b"\0\0\0\0")), size, content
        case 2:
            _shuffle(chunks, chance)
        case _:
            changed = mutate(content[:4096], min(len(content), 4096) + 16) + content[4096:]
            chunks[at] = name, len(changed), changed
    return head + b"".join(
        struct.pack("<4sI", name, size & 0xFFFF_FFFF) + content + bytes(len(content) % 2)
        for name, size, content in chunks
    )


def _chunks(data: bytes) -> list[tuple[bytes, int, bytes]]:
    chunks: list[tuple[bytes, int, bytes]] = []
    position = 0
    while position + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        chunks.append((name, size, data[position + 8 : position + 8 + size]))
        position += 8 + size + size % 2
    return chunks


# Ogg.


def ogg(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    """Changes a page, and sets its checksum right."""
    pages = _pages(data)
    if not pages or chance.random() < 0.1:
        return mutate(data, len(data) + 64)
    at = chance.randrange(len(pages))
    page = bytearray(pages[at])
    segments = page[26]
    match chance.randrange(5):
        case 0:
            page[5] ^= chance.choice((1, 2, 4))
        case 1:
            page[6:14] = chance.choice((bytes(8), b"\xff" * 8, b"\xff" * 7 + b"\x7f", chance.randbytes(8)))
        case 2:
            start = chance.choice((14, 18))
            page[start : start + 4] = chance.choice((bytes(4), b"\xff" * 4, chance.randbytes(4)))
        case 3:
            _shuffle(pages, chance)
            return b"".join(pages)
        case _:
            body = mutate(bytes(page[27 + segments :]), 255 * 255)
            sizes = [255] * (len(body) // 255) + [len(body) % 255]
            page[26:] = bytes([min(255, len(sizes)), *sizes[:255]]) + body
    page[22:26] = bytes(4)
    page[22:26] = checksum(bytes(page))
    pages[at] = bytes(page)
    return b"".join(pages)


def _pages(data: bytes) -> list[bytes]:
    pages: list[bytes] = []
    position = data.find(b"OggS")
    while position >= 0 and position + 27 <= len(data):
        lacing = data[position + 27 : position + 27 + data[position + 26]]
        stop = position + 27 + len(lacing) + sum(lacing)
        pages.append(data[position:stop])
        position = data.find(b"OggS", stop)
    return pages


# EBML.

_MASTERS = frozenset((0x18538067, 0x1654AE6B, 0x1F43B675, 0xAE, 0xE1, 0xA0))
"""Segment, Tracks, Cluster, TrackEntry, Audio, BlockGroup."""


def webm(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    """Changes an element somewhere in the tree, and the sizes of all that it is in."""
    elements = _elements(data)
    if not elements or chance.random() < 0.1:
        return mutate(data, len(data) + 64)
    return b"".join(_elements_changed(elements, chance, mutate))


def _elements_changed(elements: list[tuple[bytes, bytes]], chance: random.Random, mutate: Mutate) -> list[bytes]:
    at = chance.randrange(len(elements))
    name, content = elements[at]
    size: bytes | None = None
    inner = _elements(content) if int.from_bytes(name, "big") in _MASTERS else []
    if inner and chance.random() < 0.85:
        content = b"".join(_elements_changed(inner, chance, mutate))
    else:
        match chance.randrange(5):
            case 0:
                size = chance.choice((b"\xff", b"\x01" + b"\xff" * 7, b"\x80", b"\x00", b"\x08" + chance.randbytes(4)))
            case 1:
                name = chance.choice((b"\xa3", b"\xa0", b"\xec", b"\xae", b"\x1f\x43\xb6\x75", b"\x16\x54\xae\x6b"))
            case 2:
                _shuffle(elements, chance)
                return [_element(*element) for element in elements]
            case _:
                content = mutate(content, len(content) + 16)
    elements[at] = name, content
    return [_element(*element, size if index == at else None) for index, element in enumerate(elements)]


def _element(name: bytes, content: bytes, size: bytes | None = None) -> bytes:
    return name + (struct.pack(">Q", len(content) | 1 << 56) if size is None else size) + content


def _elements(data: bytes) -> list[tuple[bytes, bytes]]:
    elements: list[tuple[bytes, bytes]] = []
    position = 0
    while position < len(data):
        head = read_head(data, position)
        if head.header_bytes <= 0:
            break
        begin = position + head.header_bytes
        stop = len(data) if head.size is None else begin + head.size
        name_bytes = 9 - data[position].bit_length()
        elements.append((data[position : position + name_bytes], data[begin:stop]))
        position = stop
    return elements


# Streams behind a byte that says how they are cut.


def streamed(mutation: Mutation) -> Mutation:
    """A mutation of the stream; now and then it is cut otherwise instead."""

    def mutate_streamed(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
        if not data or chance.random() < 0.05:
            return bytes([chance.randrange(256)]) + data[1:]
        return data[:1] + mutation(data[1:], chance, mutate)

    return mutate_streamed


def container(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    """By what the stream seems to be."""
    known = {b"RIFF": riff, b"RF64": riff, b"OggS": ogg, b"\x1a\x45\xdf\xa3": webm}
    return known.get(data[:4], plain)(data, chance, mutate)
