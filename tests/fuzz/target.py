"""What a fuzz target is: a parser, what must hold whatever it is given, and valid inputs to begin with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.fuzz.structures import Mutation, plain

Seeds = Callable[[], Mapping[str, bytes]]

_CUTS = (0, 1, 2, 3, 7, 13, 61, 255, 256, 1000, 1024, 4096)
"""Sizes of the pieces that a stream comes in; 0 is all at once."""


@dataclass(frozen=True)
class Target:
    """`check` raises nothing, whatever it is given, unless something is wrong."""

    name: str
    check: Callable[[bytes], None]
    seeds: Seeds
    mutation: Mutation = plain
    max_bytes: int = 4096


def stream_seeds(streams: Mapping[str, bytes]) -> dict[str, bytes]:
    """Streams as inputs that are cut, each in two ways."""
    return {f"{name} {cut}": bytes([cut]) + stream for name, stream in streams.items() for cut in (0, 10)}


def cut_stream(data: bytes) -> tuple[bytes, list[bytes]]:
    """The stream in an input, and the pieces in which it comes: the first byte says how it is cut."""
    stream = data[1:]
    step = (_CUTS[data[0] % len(_CUTS)] if data else 0) or max(1, len(stream))
    return stream, [stream[start : start + step] for start in range(0, len(stream), step)]


def joined(*lines: str | bytes) -> bytes:
    """An input of several lines."""
    return b"\n".join(line.encode() if isinstance(line, str) else line for line in lines)


def numbered(inputs: Sequence[bytes]) -> dict[str, bytes]:
    return {str(number): content for number, content in enumerate(inputs)}
