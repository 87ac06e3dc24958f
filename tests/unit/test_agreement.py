"""How many words of a guess stay, whatever comes after it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.agreement import LocalAgreement


@pytest.mark.parametrize(
    ("guesses", "stable"),
    [
        (["one"], [0]),
        (["one", "one two"], [0, 1]),
        (["one two", "one two three", "one two three four"], [0, 2, 3]),
        (["one two", "one too", "one too"], [0, 1, 2]),
        (["won", "one two", "one two"], [0, 0, 2]),
        (["one two", "one two", "one"], [0, 2, 1]),
        (["one two", "one two", "one", "one two three"], [0, 2, 1, 2]),
        (["", ""], [0, 0]),
    ],
)
def test_words_are_stable_once_two_guesses_have_them(guesses: list[str], stable: list[int]) -> None:
    agreement = LocalAgreement()
    assert [agreement.stable_words(guess) for guess in guesses] == stable


@given(st.lists(st.lists(st.sampled_from(["one", "two"]), max_size=4).map(" ".join), min_size=2, max_size=6))
def test_no_more_words_are_stable_than_the_last_two_guesses_share_or_shared_before(guesses: list[str]) -> None:
    agreement = LocalAgreement()
    for guess in guesses:
        assert 0 <= agreement.stable_words(guess) <= len(guess.split())
