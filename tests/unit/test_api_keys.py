"""Keys as they are made, kept and looked for."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.api_keys import ApiKey, KeyLimits, KeysError, digest, dump, find, new_key, parse, read_limits

LIMITS = KeyLimits(
    sessions=3,
    sessions_per_minute=10,
    audio_seconds_per_day=3600.5,
    session_seconds=60,
    models=("a", "b"),
    languages=("en",),
    record="text",
    metrics=True,
)


def test_a_key_is_found_by_itself_alone() -> None:
    one, kept = new_key("alice", LIMITS)
    other, other_kept = new_key("alice", KeyLimits())
    assert re.fullmatch(r"trk_[A-Za-z0-9_-]{43}", one)
    assert one != other
    assert find([other_kept, kept], one) is kept
    for wrong in ("", one[:-1], one + "A", one.upper(), kept.sha256, kept.id, "\ud800", "é"):
        assert find([other_kept, kept], wrong) is None


def test_what_is_kept_says_nothing_of_the_key() -> None:
    text, kept = new_key("alice", LIMITS)
    shown = dump([kept]) + repr(kept)
    assert text not in shown
    assert text.removeprefix("trk_")[:8] not in shown
    assert kept.sha256 not in repr(kept)
    assert kept.sha256 == digest(text)


def test_keys_are_read_as_they_are_written() -> None:
    keys = tuple(new_key(name, limits)[1] for name, limits in (("alice", LIMITS), ("bob.2_x-y", KeyLimits())))
    assert parse(dump(keys)) == keys
    assert json.loads(dump(keys))[1]["limits"] == {}
    assert parse(dump([])) == parse(" \n") == ()


def entry(**changed: Any) -> dict[str, Any]:
    return {"name": "alice", "sha256": digest("key"), **changed}


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ("{", "not valid JSON"),
        ("{}", "must be a JSON list"),
        ("[1]", "key 1: must be a JSON object"),
        ([entry(), entry(name="bob")], "the same key is there twice"),
        ([entry(name="Alice")], "key 1: `name` must be"),
        ([entry(name="")], "key 1: `name` must be"),
        ([entry(name="a/../b")], "key 1: `name` must be"),
        ([entry(sha256="planted secret")], "key 1: `sha256` must be 64 hexadecimal digits"),
        (
            [entry(planted="planted secret")],
            "key 1: there is a field that there is not; there are: created, limits, name, sha256",
        ),
        ([entry(created=5)], "key 1: `created` must be text"),
        ([entry(limits=[])], "key 1: must be a JSON object"),
        ([entry(limits={"sessions": -1})], "key 1: `sessions` must be a whole number"),
        ([entry(limits={"sessions": 1.5})], "key 1: `sessions` must be a whole number"),
        ([entry(limits={"sessions": True})], "key 1: `sessions` must be a whole number"),
        ([entry(limits={"session_seconds": "1"})], "key 1: `session_seconds` must be a number"),
        ([entry(limits={"record": "video"})], "key 1: `record` must be one of none, text, audio+text"),
        ([entry(limits={"models": "a"})], "key 1: `models` must be a list of names"),
        ([entry(limits={"languages": [""]})], "key 1: `languages` must be a list"),
        ([entry(limits={"metrics": 1})], "key 1: `metrics` must be true or false"),
        ([entry(limits={"admin": True})], "key 1: there is a field that there is not"),
    ],
)
def test_what_is_wrong_is_told_without_what_may_be_secret(entries: Any, reason: str) -> None:
    with pytest.raises(KeysError) as caught:
        parse(entries if isinstance(entries, str) else json.dumps(entries))
    assert str(caught.value).startswith(reason)
    assert "planted" not in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
NAMES = st.sampled_from(["name", "sha256", "created", "limits", "sessions", "models", "record"])


@given(st.lists(st.dictionaries(NAMES, JSON)) | JSON)
def test_anything_is_keys_or_told(value: Any) -> None:
    try:
        keys = parse(json.dumps(value))
    except KeysError:
        return
    assert all(isinstance(key, ApiKey) for key in keys)


def test_limits_within_others_are_the_lower_ones() -> None:
    wide = KeyLimits(sessions=5, session_seconds=10, models=("b", "c"), metrics=True)
    both = KeyLimits(3, 10, 3600.5, 10, ("b",), ("en",), "text", metrics=True)
    assert LIMITS.within(wide) == wide.within(LIMITS) == both
    assert LIMITS.within(KeyLimits()) == KeyLimits(3, 10, 3600.5, 60, ("a", "b"), ("en",), "text")


@pytest.mark.parametrize("asked", [KeyLimits(models=("c",)), KeyLimits(languages=("de",))])
def test_limits_that_have_nothing_in_common(asked: KeyLimits) -> None:
    with pytest.raises(KeysError, match=r"none of these `(models|languages)` is allowed by the key, which allows: "):
        asked.within(LIMITS)


def test_only_some_limits_may_be_asked_for() -> None:
    assert read_limits({"record": "none"}, only=("record",)) == KeyLimits(record="none")
    with pytest.raises(KeysError, match="a field that there is not; there are: record"):
        read_limits({"sessions": 100}, only=("record",))
