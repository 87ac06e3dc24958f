"""Every field of the native protocol: what it takes, what it makes of it, and what it says of the rest."""

import dataclasses
from typing import Any

import pytest

from transcriber.audio.coding import ENCODINGS
from transcriber.audio.formats import CONTAINERS
from transcriber.events import Options
from transcriber.wire.fields import MESSAGES, OPTIONS, QUERY, FieldError, parse_json, read_fields, read_query

ACCEPTED: list[tuple[str, object, object]] = [
    ("encoding", "wav", "wav"),
    ("encoding", "webm", "webm"),
    ("encoding", "pcm_f32le", "pcm_f32le"),
    ("encoding", "linear16", "pcm_s16le"),
    ("encoding", "ulaw", "mulaw"),
    ("encoding", None, None),
    ("sample_rate", 1000, 1000),
    ("sample_rate", 192_000, 192_000),
    ("sample_rate", 8000.0, 8000),
    ("sample_rate", None, None),
    ("channels", 1, 1),
    ("channels", 32, 32),
    ("channels", None, None),
    ("separate_channels", True, True),
    ("language", "en", "en"),
    ("language", "EN", "en"),
    ("language", "en-US", "en"),
    ("language", "pt_BR", "pt"),
    ("language", "yue", "yue"),
    ("language", "zh-Hant-TW", "zh"),
    ("language", None, None),
    ("prompt", "x" * 2000, "x" * 2000),
    ("prompt", "", None),
    ("keywords", [], ()),
    ("keywords", ["Wien", "Bad Ischl"], ("Wien", "Bad Ischl")),
    ("keywords", [" Wien "], ("Wien",)),
    ("keywords", ["x" * 80] * 100, ("x" * 80,) * 100),
    ("model", "org/name:1", "org/name:1"),
    ("model", "", None),
    ("translate", True, True),
    ("interim_results", False, False),
    ("endpointing_ms", 100, 100),
    ("endpointing_ms", 5000, 5000),
    ("speech_threshold", 0.1, 0.1),
    ("speech_threshold", 0.9, 0.9),
    ("record", "audio+text", "audio+text"),
    ("record", "text", "text"),
    ("record", "none", "none"),
    ("resume", True, True),
]

REFUSED: list[tuple[str, object]] = [
    ("encoding", "flac9"),
    ("encoding", 1),
    ("sample_rate", 999),
    ("sample_rate", 192_001),
    ("sample_rate", 8000.5),
    ("sample_rate", "8000"),
    ("sample_rate", True),
    ("sample_rate", 1e400),
    ("sample_rate", 10**400),
    ("channels", 0),
    ("channels", 33),
    ("channels", "apart"),
    ("channels", True),
    ("separate_channels", "separate"),
    ("separate_channels", None),
    ("language", "auto"),
    ("language", "e"),
    ("language", "en\n"),
    ("language", "ен"),
    ("language", ""),
    ("language", 1),
    ("prompt", "x" * 2001),
    ("prompt", ["x"]),
    ("prompt", "\ud800"),
    ("keywords", "Wien"),
    ("keywords", None),
    ("keywords", [1]),
    ("keywords", [" "]),
    ("keywords", ["\udfff"]),
    ("keywords", ["x" * 81]),
    ("keywords", ["x"] * 101),
    ("model", "x" * 201),
    ("translate", 1),
    ("interim_results", "true"),
    ("interim_results", None),
    ("endpointing_ms", 99),
    ("endpointing_ms", 5001),
    ("endpointing_ms", None),
    ("speech_threshold", 0.09),
    ("speech_threshold", 0.91),
    ("speech_threshold", True),
    ("speech_threshold", "0.5"),
    ("record", "audio"),
    ("record", None),
    ("resume", 0),
]


def test_every_option_is_a_field() -> None:
    assert list(OPTIONS) == [option.name for option in dataclasses.fields(Options)]
    assert set(OPTIONS) <= set(QUERY)
    assert set(MESSAGES["configure"]) < set(OPTIONS)


@pytest.mark.parametrize(("name", "value", "expected"), ACCEPTED)
def test_a_value_in_range_is_taken(name: str, value: object, expected: object) -> None:
    taken = read_fields({name: value}, OPTIONS, "`start`")[name]
    assert taken == expected
    assert type(taken) is type(expected)


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_any_other_value_is_refused_with_what_is_allowed(name: str, value: object) -> None:
    with pytest.raises(FieldError) as refused:
        read_fields({name: value}, OPTIONS, "`start`")
    error = refused.value.error
    assert (error.code, error.field, error.close_code) == ("invalid_field", name, None)
    assert error.message == f"`{name}` must be {OPTIONS[name].allowed}{', or null' * OPTIONS[name].nullable}."


def test_a_value_is_never_repeated_in_the_answer() -> None:
    with pytest.raises(FieldError) as refused:
        read_fields({"keywords": ["a secret " * 10]}, OPTIONS, "`start`")
    assert "secret" not in refused.value.error.message


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(FieldError) as refused:
        read_fields({"langauge": "en"}, OPTIONS, "`start`")
    error = refused.value.error
    assert (error.code, error.field) == ("unknown_field", "langauge")
    assert "`start`" in error.message
    assert "language" in error.message


def test_an_unknown_name_comes_back_short_and_encodable() -> None:
    with pytest.raises(FieldError) as refused:
        read_fields({"\ud800" + "x" * 1000: 1}, {}, "`finalize`")
    assert refused.value.error.field == "?xxx…"
    assert "no fields" in refused.value.error.message


QUERIES: list[tuple[list[tuple[str, str]], dict[str, Any]]] = [
    ([], {}),
    ([("sample_rate", "8000"), ("encoding", "mulaw")], {"sample_rate": 8000, "encoding": "mulaw"}),
    ([("interim_results", "true")], {"interim_results": True}),
    ([("interim_results", "1")], {"interim_results": True}),
    ([("interim_results", "false")], {"interim_results": False}),
    ([("interim_results", "0")], {"interim_results": False}),
    ([("speech_threshold", "0.25")], {"speech_threshold": 0.25}),
    ([("keywords", "Wien, Bad Ischl,")], {"keywords": ("Wien", "Bad Ischl")}),
    ([("keywords", "Wien"), ("keywords", "Graz")], {"keywords": ("Wien", "Graz")}),
    ([("keywords", "")], {"keywords": ()}),
    ([("record", "audio text")], {"record": "audio+text"}),
    ([("prompt", "null")], {"prompt": "null"}),
    ([("resume_token", "abc"), ("last_event", "12")], {"resume_token": "abc", "last_event": 12}),
]


@pytest.mark.parametrize(("pairs", "expected"), QUERIES)
def test_a_query_says_the_same_as_text(pairs: list[tuple[str, str]], expected: dict[str, Any]) -> None:
    assert read_query(pairs, QUERY) == expected


@pytest.mark.parametrize(
    ("pairs", "code", "field"),
    [
        ([("sample_rate", "8k")], "invalid_field", "sample_rate"),
        ([("sample_rate", "[" * 100_000)], "invalid_field", "sample_rate"),
        ([("sample_rate", '{"a":1,"a":1}')], "invalid_field", "sample_rate"),
        ([("speech_threshold", "NaN")], "invalid_field", "speech_threshold"),
        ([("interim_results", "yes")], "invalid_field", "interim_results"),
        ([("interim_results", "")], "invalid_field", "interim_results"),
        ([("keywords", ",".join("x" * 101))], "invalid_field", "keywords"),
        ([("language", "en"), ("language", "en")], "invalid_field", "language"),
        ([("last_event", "-1")], "invalid_field", "last_event"),
        ([("x_trace", "1")], "unknown_field", "x_trace"),
    ],
)
def test_a_query_is_refused_at_the_parameter_that_is_wrong(pairs: list[tuple[str, str]], code: str, field: str) -> None:
    with pytest.raises(FieldError) as refused:
        read_query(pairs, QUERY)
    assert (refused.value.error.code, refused.value.error.field) == (code, field)


@pytest.mark.parametrize(
    "text",
    ["", "{", "NaN", "[Infinity]", "-Infinity", "9" * 5000, "[" * 100_000, '{"a":' * 100_000, "nul", "'a'", "\ud800"],
)
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(FieldError) as refused:
        parse_json(text)
    assert refused.value.error.code == "invalid_json"


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(FieldError) as refused:
        parse_json('{"type": "start", "language": "en", "language": "de"}')
    assert (refused.value.error.code, refused.value.error.field) == ("invalid_field", "language")


def test_channels_can_be_separate_in_one_word() -> None:
    separate = {"channels": None, "separate_channels": True}
    assert read_fields({"channels": "separate"}, OPTIONS, "`start`") == separate
    assert read_fields({"channels": "separate", "separate_channels": True}, OPTIONS, "`start`") == separate
    assert read_query([("channels", "separate")], QUERY) == separate
    assert read_query([("channels", "2"), ("separate_channels", "true")], QUERY) == separate | {"channels": 2}
    with pytest.raises(FieldError, match="contradict"):
        read_fields({"channels": "separate", "separate_channels": False}, OPTIONS, "`start`")


def test_encodings_are_those_of_the_decoders() -> None:
    taken = {*CONTAINERS, *ENCODINGS}
    assert {name for name in taken if read_fields({"encoding": name}, OPTIONS, "`start`")["encoding"] == name} == taken
    assert OPTIONS["encoding"].allowed == f"one of {', '.join((*CONTAINERS, *ENCODINGS, 'linear16', 'ulaw'))}"
