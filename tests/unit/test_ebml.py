"""Elements of variable length."""

import pytest

from transcriber.audio.ebml import (
    DAMAGED,
    INCOMPLETE,
    Head,
    children,
    number,
    read_head,
    signed_number,
    signed_size,
    variable_size,
)


@pytest.mark.parametrize(
    ("data", "head"),
    [
        ("a381", Head(0xA3, 1, 2)),
        ("a34001", Head(0xA3, 1, 3)),
        ("1f43b675ff", Head(0x1F43B675, None, 5)),
        ("1853806701ffffffffffffff", Head(0x18538067, None, 12)),
        ("428681", Head(0x4286, 1, 3)),
        ("a30100000000000005", Head(0xA3, 5, 9)),
        ("", INCOMPLETE),
        ("a3", INCOMPLETE),
        ("1f43b6", INCOMPLETE),
        ("a301000000", INCOMPLETE),
        ("08", DAMAGED),
        ("00", DAMAGED),
        ("a300", DAMAGED),
    ],
)
def test_heads(data: str, head: Head) -> None:
    assert read_head(bytes.fromhex(data), 0) == head
    assert read_head(bytes.fromhex("ec81" + data), 2) == head


def test_children_as_far_as_they_are_whole() -> None:
    content = bytes.fromhex("d78101 838102 8684") + b"A_OP"
    assert list(children(content)) == [(0xD7, b"\x01"), (0x83, b"\x02"), (0x86, b"A_OP")]
    assert list(children(content + b"\xe1")) == list(children(content))
    assert list(children(content[:-2]))[-1] == (0x86, b"A_")


def test_numbers() -> None:
    assert number(b"") == 0
    assert number(b"\x01\x00") == 256
    assert signed_number(b"\xff\xfe") == -2
    assert signed_number(b"\x00\xff") == 255


@pytest.mark.parametrize(
    ("data", "size", "end"),
    [("81", 1, 1), ("407f", 127, 2), ("4080", 128, 2), ("ff", 127, 1), ("00", -1, 1), ("", -1, 1)],
)
def test_sizes(data: str, size: int, end: int) -> None:
    assert variable_size(bytes.fromhex(data), 0) == (size, end)


@pytest.mark.parametrize(("data", "size"), [("bf", 0), ("c0", 1), ("be", -1), ("5fff", 0), ("5ffe", -1)])
def test_differences(data: str, size: int) -> None:
    assert signed_size(bytes.fromhex(data), 0)[0] == size
