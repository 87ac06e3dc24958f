"""Checksums of clusters."""

import zlib

import pytest

from transcriber.audio.cluster_check import ClusterCheck

CONTENT = b"times and blocks"
HEAD = b"\xbf\x84"


def checked(content: bytes, *, cut: int, size: int | None = None) -> list[bool]:
    """What is said of each piece of a cluster, with something else behind it."""
    check, checksum = ClusterCheck(), zlib.crc32(CONTENT).to_bytes(4, "little")
    check.begin(len(HEAD) + 4 + len(CONTENT) if size is None else size)
    before = check.passed(HEAD + checksum)
    check.expect(checksum)
    stream = content + b"behind it"
    return [before, *(check.passed(stream[start : start + cut]) for start in range(0, len(stream), cut))]


@pytest.mark.parametrize("cut", [1, 5, 100])
def test_a_cluster_as_it_was_is_none_to_talk_about(cut: int) -> None:
    assert not any(checked(CONTENT, cut=cut))


@pytest.mark.parametrize("cut", [1, 5, 100])
def test_a_cluster_that_was_changed_is_told_once_where_it_ends(cut: int) -> None:
    said = checked(CONTENT.replace(b"b", b"B"), cut=cut)
    assert said.count(True) == 1
    assert said.index(True) == 1 + (len(CONTENT) - 1) // cut


def test_of_a_cluster_without_a_size_nothing_is_known() -> None:
    assert not any(checked(CONTENT[::-1], cut=3, size=0))


def test_without_a_checksum_nothing_is_wrong() -> None:
    check = ClusterCheck()
    check.begin(4)
    assert not check.passed(b"abcd")


def test_what_was_damaged_and_told_is_not_told_again() -> None:
    check = ClusterCheck()
    check.begin(10)
    check.expect(b"\0\0\0\1")
    check.forget()
    assert not check.passed(bytes(20))
