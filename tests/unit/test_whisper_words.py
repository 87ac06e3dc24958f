"""Words and their times, from pieces and a path through the audio."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.engines.whisper_words import Alignment, Piece, join_words, timed_words


def pieces(*texts: str) -> list[Piece]:
    return [Piece(text, (index,)) for index, text in enumerate(texts)]


def texts(joined: list[Piece]) -> list[str]:
    return [piece.text for piece in joined]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((), []),
        ((" Hello", ",", " world", "."), [" Hello,", " world."]),
        (("Hello", " forty", "-", "two", "%"), ["Hello", " forty-two%"]),
        ((' "', "Bible", '"', " of"), [' "Bible"', " of"]),
        ((" ", "after", " a", " "), [" after", " a "]),
        ((" I", "'m"), [" I'm"]),
        ((" ",), []),
    ],
)
def test_spaces_part_words(given: tuple[str, ...], expected: list[str]) -> None:
    assert texts(join_words(pieces(*given), "en")) == expected


def test_characters_are_words_where_there_are_no_spaces() -> None:
    assert texts(join_words(pieces("你", "好", "，", "世界", "。"), "zh")) == ["你", "好，", "世界。"]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_no_token_of_text_is_lost(language: str) -> None:
    given = pieces(" a", "b", ".", " ", "c", "!")
    assert [token for word in join_words(given, language) for token in word.tokens] == list(range(6))


def test_words_have_the_time_of_their_first_token_to_that_of_the_next_words() -> None:
    words = [Piece(" one", (7, 8)), Piece(" two.", (9,))]
    path = [(0, 10), (0, 11), (1, 20), (1, 21), (2, 30), (3, 45), (3, 50)]
    first, second = timed_words(words, Alignment(path, (0.9, 0.7, 0.5)), seconds=2.0)
    assert (first.text, first.start, first.end, first.probability) == ("one", 0.2, 0.6, 0.8)
    assert (second.text, second.start, second.end, second.probability) == ("two.", 0.6, 0.9, 0.5)


def test_times_are_cut_to_the_audio() -> None:
    (word,) = timed_words(pieces(" one"), Alignment([(0, 10), (1, 200)], [1.0]), seconds=0.5)
    assert (word.start, word.end) == (0.2, 0.5)


def test_words_at_one_instant_follow_each_other() -> None:
    words = timed_words(pieces(" a", " b", " c"), Alignment([(0, 50), (1, 50), (2, 50), (3, 50)], [1.0] * 3), 1.0)
    assert [(word.start, word.end) for word in words] == [(0.94, 0.96), (0.96, 0.98), (0.98, 1.0)]


def test_a_word_after_a_sentence_does_not_begin_with_the_pause() -> None:
    words = pieces(" So.", " Then", " we", " go", ".")
    path = [(0, 0), (1, 10), (2, 110), (3, 120), (4, 130), (5, 140)]
    timed = timed_words(join_words(words, "en"), Alignment(path, [1.0] * 5), 4.0)
    assert (timed[1].text, timed[1].start, timed[1].end) == ("Then", 1.6, 2.2)


def test_the_last_word_of_a_sentence_does_not_last_through_the_pause() -> None:
    path = [(0, 0), (1, 10), (2, 20), (3, 150)]
    timed = timed_words(pieces(" we", " go", " on."), Alignment(path, [1.0] * 3), 4.0)
    assert (timed[-1].start, timed[-1].end) == (0.4, 0.8)


def test_no_words_need_no_path() -> None:
    assert timed_words([], Alignment([], []), 1.0) == ()


def test_without_probabilities_there_are_none() -> None:
    (word,) = timed_words(pieces(" a"), Alignment([(0, 0), (1, 5)], []), 1.0)
    assert word.probability is None


@given(
    steps=st.lists(st.integers(0, 800), min_size=1, max_size=80),
    stops=st.lists(st.booleans(), min_size=80, max_size=80),
    seconds=st.floats(0.025, 15.0),
)
def test_times_never_go_back_and_never_leave_the_audio(steps: list[int], stops: list[bool], seconds: float) -> None:
    given = [Piece(f" w{'.' if stop else ''}", (0,)) for _, stop in zip(steps, stops, strict=False)]
    path = list(enumerate(sorted([*steps, 800])))
    words = timed_words(given, Alignment(path, [1.0] * len(given)), seconds)
    assert len(words) == len(given)
    assert all(0 <= word.start <= word.end <= seconds + 0.001 for word in words)
    assert all(before.end <= after.start for before, after in pairwise(words))
    if seconds > 0.02 * len(words) + 0.01:
        assert all(word.end > word.start for word in words)
