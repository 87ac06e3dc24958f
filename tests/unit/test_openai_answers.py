"""What is made of an answer."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.engines.engine import Recognition
from transcriber.engines.openai_answers import read
from transcriber.transcript import Word


def answer(text: str, *, seconds: float = 10.0, asked: str | None = None, **more: Any) -> Recognition:
    return read(json.dumps({"text": text, **more}).encode(), seconds=seconds, language=asked)


def timed(*words: tuple[str, float, float]) -> list[dict[str, object]]:
    return [{"word": word, "start": start, "end": end} for word, start, end in words]


def segment(text: str, start: float, end: float, **more: float | None) -> dict[str, object]:
    return {"text": text, "start": start, "end": end, **more}


def test_text_alone() -> None:
    assert answer(" Hello, world. ") == Recognition("Hello, world.")


@pytest.mark.parametrize("text", ["", "  ", ".", "♪ ♪", "..."])
def test_text_without_a_letter_is_none(text: str) -> None:
    assert answer(text, words=timed((text, 0, 1))) == Recognition("")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"oops",
        b"{}",
        b"[]",
        b'"text"',
        b'{"text": null}',
        b'{"text": 5}',
        b'{"text": "a"',
        b"<html></html>",
        b"\xff",
    ],
)
def test_no_answer_is_no_text(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its message may quote the answer: nobody is to look at it
        read(body, seconds=1.0, language=None)


@pytest.mark.parametrize(
    ("more", "asked", "language"),
    [
        ({}, None, None),
        ({"language": "english"}, None, "en"),
        ({"language": "de"}, None, "de"),
        ({"language": "unknown"}, None, None),
        ({"languages": [{"code": "fr"}, {"code": "en"}]}, None, "fr"),
        ({"languages": []}, None, None),
        ({"languages": [{"code": "fr"}]}, "en", "en"),
    ],
)
def test_language_is_the_one_asked_for_or_detected(
    more: dict[str, Any], asked: str | None, language: str | None
) -> None:
    assert answer("Hello.", asked=asked, **more).language == language


# Word times


def test_words_are_written_as_in_the_text() -> None:
    words = timed(("hello", 0.1, 0.5), ("world", 0.6, 1.0))
    assert answer("Hello, world!", words=words) == Recognition(
        "Hello, world!", (Word("Hello,", 0.1, 0.5), Word("world!", 0.6, 1.0)), "model"
    )


def test_words_that_are_cut_otherwise_keep_their_times() -> None:
    words = timed(("well", 0.0, 0.4), ("known", 0.4, 0.9), ("tobe", 1.0, 2.0))
    assert answer("Well-known to be", words=words).words == (
        Word("Well-known", 0.0, 0.9),
        Word("to", 1.0, 1.5),
        Word("be", 1.5, 2.0),
    )


def test_what_has_no_letters_takes_no_time() -> None:
    words = timed(("yes", 0.5, 1.0), ("no", 1.5, 2.0))
    assert answer("— Yes – no", words=words).words == (
        Word("—", 0.0, 0.0),
        Word("Yes", 0.5, 1.0),
        Word("–", 1.0, 1.0),
        Word("no", 1.5, 2.0),
    )


def test_times_stay_in_the_audio_and_in_order() -> None:
    words = timed(("one", 0.0, 0.8), ("two", 0.6, 0.7), ("three", 0.9, 1.4))
    assert answer("one two three", seconds=1.2345, words=words).words == (
        Word("one", 0.0, 0.8),
        Word("two", 0.8, 0.8),
        Word("three", 0.9, 1.234),
    )


def test_unspaced_text_has_the_words_of_the_model() -> None:
    words = timed(("今日", 0.0, 0.5), ("は", 0.5, 0.7))
    assert answer("今日は。", words=words, language="japanese") == Recognition(
        "今日は。", (Word("今日", 0.0, 0.5), Word("は", 0.5, 0.7)), "model", "ja"
    )


@pytest.mark.parametrize(
    "words",
    [
        None,
        [],
        timed(("other", 0, 1)),
        timed(("hello", 0, 1), ("world", 2, 1)),
        timed(("hello", -1, 1), ("world", 1, 2)),
        timed(("hello", 0, 400_000_000), ("world", 400_000_000, 900_000_000)),
    ],
    ids=["null", "empty", "other words", "backward", "negative", "nanoseconds"],
)
def test_times_that_can_not_be_are_none(words: list[dict[str, object]] | None) -> None:
    assert answer("hello world", words=words) == Recognition("hello world")


def test_times_that_are_no_numbers_are_none() -> None:
    body = b'{"text": "hello", "words": [{"word": "hello", "start": 0, "end": NaN}]}'
    assert read(body, seconds=1.0, language=None) == Recognition("hello")


# What is not believed


@pytest.mark.parametrize(
    ("doubt", "kept"),
    [
        ({"avg_logprob": -1.2, "no_speech_prob": 0.7}, False),
        ({"avg_logprob": -1.2, "no_speech_prob": 0.5}, True),
        ({"avg_logprob": -0.9, "no_speech_prob": 0.9}, True),
        ({"avg_logprob": -1.6, "no_speech_prob": 0.1}, True),
        ({"compression_ratio": 2.5}, False),
        ({"compression_ratio": 2.3}, True),
        ({"avg_logprob": -1.0, "compression_ratio": -1.0, "no_speech_prob": None}, True),
        ({}, True),
    ],
)
def test_a_doubtful_segment_is_left_out_with_its_words(doubt: dict[str, float | None], kept: bool) -> None:
    words = timed(("real", 0.2, 0.6), ("thanks", 5.0, 5.5))
    segments = [segment(" Real.", 0.0, 1.0, avg_logprob=-0.2), segment(" Thanks!", 4.0, 6.0, **doubt)]
    heard = answer("Real. Thanks!", words=words, segments=segments)
    assert heard.text == ("Real. Thanks!" if kept else "Real.")
    assert [word.text for word in heard.words or ()] == heard.text.split()


def test_nothing_but_doubtful_segments_is_no_text() -> None:
    segments = [segment("Thank you.", 0, 2, avg_logprob=-1.5, no_speech_prob=0.9)]
    assert answer("Thank you.", segments=segments) == Recognition("")


@pytest.mark.parametrize(("mean", "text"), [(-0.9, "Thank you."), (-1.1, "")])
def test_a_text_of_improbable_tokens_is_none(mean: float, text: str) -> None:
    tokens = [{"token": "Thank", "logprob": mean - 0.5}, {"token": " you.", "logprob": mean + 0.5}]
    assert answer("Thank you.", logprobs=tokens).text == text


@pytest.mark.parametrize(
    ("text", "language", "believed"),
    [
        ("you you you you you you you", None, ""),
        ("Thank you. Thank you. Thank you. Thank you. Thank you. Thank you.", None, ""),
        ("He left. you you you you you you you", None, "He left. you"),
        ("No, no, no.", None, "No, no, no."),
        ("ありがとう。ありがとう。ありがとう。ありがとう。", "ja", ""),
        ("値段は10000000", "ja", "値段は10000000"),
    ],
)
def test_a_phrase_over_and_over_is_none(text: str, language: str | None, believed: str) -> None:
    assert answer(text, asked=language).text == believed


def test_kept_segments_without_text_leave_no_space() -> None:
    segments = [segment("", 0, 1), segment("Hello.", 1, 2), segment("Thanks.", 2, 3, compression_ratio=9.0)]
    assert answer("Hello. Thanks.", segments=segments) == Recognition("Hello.")


def test_an_answer_without_end_is_none() -> None:
    with pytest.raises(ValueError, match="too long"):
        answer("again " * 200_000)


def test_many_words_in_many_segments_take_their_time_once() -> None:
    words = timed(*(("a", 0.001 * at, 0.001 * at) for at in range(6_000)))
    segments = [segment("a", 0.001 * at, 0.001 * at, compression_ratio=9.0 * (at % 2)) for at in range(6_000)]
    began = time.process_time()
    heard = answer("a", words=words, segments=segments, seconds=10.0)
    assert heard.text == ""
    assert time.process_time() - began < 5


NUMBERS = st.floats() | st.integers() | st.none()
WORDS = st.fixed_dictionaries(
    {"word": st.sampled_from(["Hello", "again.", "Hel", "lo", ""]), "start": NUMBERS, "end": NUMBERS}
)
SEGMENTS = st.fixed_dictionaries(
    {"text": st.sampled_from(["Hello", " ", "again."]), "start": st.floats(-1, 20), "end": NUMBERS},
    optional={"avg_logprob": NUMBERS, "compression_ratio": NUMBERS, "no_speech_prob": NUMBERS},
)
ANSWERS = st.fixed_dictionaries(
    {"text": st.sampled_from(["Hello again.", "Hello", "again " * 20, "おはよう"]) | st.text(max_size=9)},
    optional={
        "words": st.lists(WORDS, max_size=4) | st.none(),
        "segments": st.lists(SEGMENTS, max_size=4),
        "logprobs": st.lists(st.fixed_dictionaries({"logprob": NUMBERS}), max_size=3),
        "languages": st.lists(st.fixed_dictionaries({"code": st.text(max_size=3)}), max_size=2),
        "language": st.none() | st.text(max_size=8) | st.integers(),
    },
)


@given(ANSWERS.map(json.dumps).map(str.encode) | st.binary(), st.sampled_from([None, "en", "ja"]))
def test_any_answer_is_refused_or_has_its_words_in_the_audio(body: bytes, language: str | None) -> None:
    try:
        heard = read(body, seconds=4.0, language=language)
    except ValueError:
        return
    assert heard.text == heard.text.strip()
    moments = [moment for word in heard.words or () for moment in (word.start, word.end)]
    assert moments == sorted(moments)
    assert all(0 <= moment <= 4.0 for moment in moments)
