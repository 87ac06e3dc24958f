"""Where cues and lines end."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.cue_layout import ALPHABETIC, CHINESE, JAPANESE, KOREAN, MAX_MS, Layout, Reading, reading_of
from transcriber.cue_tokens import Token, cells, plain, tokens_of

LETTER_MS = 70


def layout(text: str, *, pauses: dict[int, int] | None = None, indent: int = 0) -> Layout:
    """Spoken at a steady pace; `pauses` are milliseconds before words, by number."""
    tokens: list[Token] = []
    at = 0
    for number, word in enumerate(text.split()):
        at += (pauses or {}).get(number, 0)
        tokens.append(Token(word, at, at + LETTER_MS * len(word), number > 0))
        at += LETTER_MS * (len(word) + 1)
    return Layout(tokens, ALPHABETIC, indent)


def lines(made: Layout) -> list[tuple[str, ...]]:
    return [made.lines(first, end) for first, end in made.cues()]


def test_what_fits_stays_on_one_line() -> None:
    assert lines(layout("It fits on one line of forty-two letters.")) == [
        ("It fits on one line of forty-two letters.",)
    ]


def test_a_cue_ends_with_its_sentence() -> None:
    made = layout("The first sentence is of middling length. The second one is a bit longer than the first was.")
    assert lines(made) == [
        ("The first sentence is of middling length.",),
        ("The second one is a bit", "longer than the first was."),
    ]


def test_a_line_ends_with_its_clause_and_not_behind_an_article() -> None:
    assert lines(layout("When the rain had stopped, everybody went out to play.")) == [
        ("When the rain had stopped,", "everybody went out to play.")
    ]
    ((top, _),) = lines(layout("Nobody had expected to see the enormous building again"))
    assert top.split()[-1] not in {"the", "to"}


def test_a_long_sentence_is_cut_at_its_clauses() -> None:
    text = (
        "And it was a matter of course that in the Middle Ages, when the craftsmen took care that beautiful form should"
        " always be a part of their productions, the forms of printed letters should be beautiful."
    )
    made = lines(layout(text))
    assert made[0][-1].endswith("Ages,")
    assert " ".join(" ".join(cue) for cue in made) == text


def test_a_pause_ends_a_cue() -> None:
    assert lines(layout("Yes. Well then", pauses={1: 2000})) == [("Yes.",), ("Well then",)]
    assert lines(layout("one two three", pauses={2: 1000})) == [("one two three",)]


def test_a_speakers_name_has_its_place() -> None:
    assert lines(layout("It fits on one line of forty-two letters.", indent=11)) == [
        ("It fits on one", "line of forty-two letters.")
    ]


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("plain text, café", ALPHABETIC),
        ("Привет", ALPHABETIC),
        ("مرحبا", ALPHABETIC),
        ("你好，世界", CHINESE),
        ("東京へ行く", JAPANESE),
        ("コーヒー", JAPANESE),
        ("안녕", KOREAN),
        ("", ALPHABETIC),
    ],
)
def test_scripts_are_read_as_they_are(text: str, reading: Reading) -> None:
    assert reading_of(text) == reading


def test_japanese_lines_end_behind_particles() -> None:
    text = "それから一緒に美術館に行きました。"
    made = Layout(tokens_of(text, (), 0, 3, widest=JAPANESE.line_cells), JAPANESE)
    assert lines(made) == [("それから一緒に", "美術館に行きました。")]


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60)


@given(st.lists(WORDS, min_size=1, max_size=40), st.floats(0, 40), st.sampled_from([0, 11]))
def test_every_cue_has_at_most_two_lines_that_fit_and_nothing_is_left_out(
    words: Sequence[str], seconds: float, indent: int
) -> None:
    text = plain(" ".join(words))
    reading = reading_of(text)
    tokens = tokens_of(text, (), 0, seconds, widest=reading.line_cells - indent) if text else []
    made = Layout(tokens, reading, indent)
    bounds = list(made.cues())
    assert [end for _, end in bounds][:-1] == [first for first, _ in bounds][1:]
    for first, end in bounds:
        shown = made.lines(first, end)
        assert len(shown) <= 2
        assert all(cells(line) + indent * (at == 0) <= reading.line_cells for at, line in enumerate(shown))
        assert end == first + 1 or tokens[end - 1].end_ms - tokens[first].start_ms <= MAX_MS
    heard = "".join("".join(made.lines(first, end)) for first, end in bounds)
    assert heard.replace(" ", "") == text.replace(" ", "")
