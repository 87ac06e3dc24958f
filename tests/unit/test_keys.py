"""Which keys there are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.storage.keys import check_prefix, parts_of
from transcriber.storage.store import StoreError


def test_a_key_has_parts() -> None:
    assert parts_of("2026/01/audio.wav") == ["2026", "01", "audio.wav"]


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "a/./b", "../a", "a\0", ".tmp/a", ".TMP/a"])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(StoreError):
        parts_of(key)


@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/b/c", "2026/0"])
def test_a_prefix_may_end_anywhere_in_a_key(prefix: str) -> None:
    check_prefix(prefix)


@pytest.mark.parametrize("prefix", ["/a/", "../", "a//b", ".tmp/"])
def test_a_prefix_of_no_key_is_refused(prefix: str) -> None:
    with pytest.raises(StoreError):
        check_prefix(prefix)


@given(st.text(max_size=40))
def test_whatever_is_a_key_stays_below_its_root(key: str) -> None:
    try:
        parts = parts_of(key)
    except StoreError:
        return
    assert "/".join(parts) == key
    assert not {"", ".", ".."} & set(parts)
