"""Which MP4 files can be decoded as they come."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus import RECIPES, encoded
from tests.decoding import decoded, fed, opened
from transcriber.audio.mp4 import describes_first

MP4S = [name for name, recipe in RECIPES.items() if recipe.demuxer == "mov"]


def box(kind: bytes, size: int, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", size, kind) + content


@pytest.mark.parametrize("name", MP4S)
def test_the_corpus_is_understood(name: str) -> None:
    assert describes_first(encoded(name)) is not RECIPES[name].at_end


@pytest.mark.parametrize(
    ("head", "first"),
    [
        (b"", None),
        (box(b"ftyp", 16, bytes(8)), None),
        (box(b"ftyp", 16, bytes(8)) + box(b"moov", 100), True),
        (box(b"ftyp", 16, bytes(8)) + box(b"free", 8) + box(b"mdat", 100), False),
        (box(b"mdat", 0), False),
        (box(b"mdat", 1), False),
        (box(b"free", 1), None),
        (box(b"free", 1, struct.pack(">Q", 24) + bytes(8)) + box(b"moov", 9), True),
        (box(b"free", 0), False),
        (box(b"free", 7), False),
        (box(b"free", 1, struct.pack(">Q", 3)), False),
        (box(b"free", 1, struct.pack(">Q", 1)), False),
        (box(b"free", 100_000), False),
    ],
)
def test_the_description_comes_first_or_it_does_not(head: bytes, first: bool | None) -> None:
    assert describes_first(head) is first


async def test_a_file_that_is_described_last_is_decoded_at_the_end() -> None:
    stream = encoded("m4a")
    decoder = opened(stream)
    assert await fed(decoder, stream) == ([], 0)
    samples, lost = await decoded(decoder, [])
    assert samples.shape[1] > 15_000
    assert lost == 0


async def test_a_file_of_which_only_the_head_came_holds_nothing() -> None:
    decoder = opened(b"")
    samples, _ = await decoded(decoder, [encoded("m4a")[:20]])
    assert samples.shape == (1, 0)
    np.testing.assert_array_equal(await decoder.flush(), samples)
    assert decoder.tracks == 1


@given(st.lists(st.tuples(st.sampled_from([b"ftyp", b"free", b"moov"]), st.integers(0, 40), st.integers(0, 2**64 - 1))))
def test_it_is_decided_once_and_in_time(boxes: list[tuple[bytes, int, int]]) -> None:
    head = b"".join(box(kind, size, struct.pack(">Q", long) + bytes(max(0, size - 16))) for kind, size, long in boxes)
    decisions = [describes_first(head[:length]) for length in range(0, len(head), 7)]
    decided = [decision for decision in decisions if decision is not None]
    assert decisions == [None] * (len(decisions) - len(decided)) + decided[:1] * len(decided)
    assert describes_first(head + bytes(128 << 10)) is not None
