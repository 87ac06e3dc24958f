"""EBML (RFC 8794): elements with a name and a size, both of variable length."""

from collections.abc import Iterator
from typing import NamedTuple


class Head(NamedTuple):
    """What an element begins with. `size` is None when it is not known."""

    name: int
    size: int | None
    header_bytes: int


INCOMPLETE = Head(0, 0, 0)
"""Not all of it is there yet."""
DAMAGED = Head(0, 0, -1)
"""It can't be one."""

Bytes = bytes | bytearray


def read_head(data: Bytes, position: int) -> Head:
    """The head of the element that begins at `position`, or `INCOMPLETE`, or `DAMAGED`."""
    if position >= len(data):
        return INCOMPLETE
    name_bytes = 9 - data[position].bit_length()
    if name_bytes > 4:
        return DAMAGED
    at = position + name_bytes
    if at >= len(data):
        return INCOMPLETE
    size_bytes = 9 - data[at].bit_length()
    if size_bytes > 8:
        return DAMAGED
    if at + size_bytes > len(data):
        return INCOMPLETE
    unknown = (1 << 7 * size_bytes) - 1
    size = int.from_bytes(data[at : at + size_bytes], "big") & unknown
    name = int.from_bytes(data[position:at], "big")
    return Head(name, None if size == unknown else size, name_bytes + size_bytes)


def children(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements that an element is made of, as far as they are whole."""
    position = 0
    while position < len(content):
        head = read_head(content, position)
        if head.header_bytes <= 0 or head.size is None:
            return
        position += head.header_bytes
        yield head.name, content[position : position + head.size]
        position += head.size


def number(content: bytes) -> int:
    """An unsigned integer element."""
    return int.from_bytes(content[:8], "big")


def signed_number(content: bytes) -> int:
    return int.from_bytes(content[:8], "big", signed=True)


def variable_size(data: Bytes, position: int) -> tuple[int, int]:
    """An integer of variable length, and where it ends; -1 when there is none."""
    if position >= len(data) or not data[position]:
        return -1, position + 1
    length = 9 - data[position].bit_length()
    value = int.from_bytes(data[position : position + length], "big") & ((1 << 7 * length) - 1)
    return value, position + length


def signed_size(data: Bytes, position: int) -> tuple[int, int]:
    """A difference as in EBML lacing: the middle of the range is zero."""
    value, end = variable_size(data, position)
    return value - ((1 << 7 * (end - position) - 1) - 1), end
