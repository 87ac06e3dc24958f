"""The `Range` header (RFC 9110, section 14): which bytes of a file somebody wants."""

import re

_RANGE = re.compile(r"bytes\s*=\s*([0-9]{0,19})\s*-\s*([0-9]{0,19})", re.IGNORECASE)


class Unsatisfiable(Exception):
    """None of the bytes are there."""


def read_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte, and how many, of a file of this size; None where all of it is wanted, or what is not understood,
    which means the same.

    Raises:
        Unsatisfiable: the range begins behind the end.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        length = min(int(match[2]), size)
        if not length:
            raise Unsatisfiable
        return size - length, length
    start = int(match[1])
    end = min(int(match[2]), size - 1) if match[2] else size - 1
    if match[2] and int(match[2]) < start:
        return None
    if start >= size:
        raise Unsatisfiable
    return start, end - start + 1
