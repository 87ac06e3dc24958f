"""The `Range` header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.byte_range import Unsatisfiable, read_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-", (0, 100)),
        ("bytes=0-0", (0, 1)),
        ("bytes=10-19", (10, 10)),
        ("Bytes = 10 - 19", (10, 10)),
        ("bytes=90-1000", (90, 10)),
        ("bytes=-10", (90, 10)),
        ("bytes=-1000", (0, 100)),
        ("bytes=20-10", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("items=0-1", None),
        ("bytes=a-b", None),
        ("bytes=٣-", None),
        ("", None),
    ],
)
def test_which_bytes_are_wanted(header: str | None, expected: tuple[int, int] | None) -> None:
    assert read_range(header, 100) == expected


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=100-", 100), ("bytes=999-1000", 100), ("bytes=-0", 9), ("bytes=0-", 0)]
)
def test_none_that_are_there(header: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        read_range(header, size)


@given(st.text() | st.from_regex(r"bytes=\d*-\d*"), st.integers(0, 1000))
def test_a_range_lies_within_the_file(header: str, size: int) -> None:
    try:
        chosen = read_range(header, size)
    except Unsatisfiable:
        return
    if chosen:
        start, length = chosen
        assert 0 <= start < size
        assert 0 < length <= size - start
