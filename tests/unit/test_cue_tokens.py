"""Text in pieces with times."""

from hypothesis import given
from hypothesis import strategies as st

from transcriber.cue_tokens import Token, cells, plain, tokens_of
from transcriber.transcript import Word

WIDE = 42


def texts(tokens: list[Token]) -> list[str]:
    return [token.text for token in tokens]


def whole(tokens: list[Token]) -> str:
    return "".join(" " * token.spaced + token.text for token in tokens)


def test_words_keep_their_own_times() -> None:
    words = (Word("Hello", 0.5, 0.9), Word("there.", 1.0, 1.5))
    assert tokens_of("Hello there.", words, 0.4, 1.6, widest=WIDE) == [
        Token("Hello", 500, 900, False),
        Token("there.", 1000, 1500, True),
    ]


def test_words_that_are_not_the_text_are_not_believed() -> None:
    spread = tokens_of("Hello there.", (Word("Hello", 0.5, 0.9),), 0.0, 1.2, widest=WIDE)
    assert spread == [Token("Hello", 0, 500, False), Token("there.", 600, 1200, True)]
    assert tokens_of("ab cd", (Word("x", 0, 1), Word("y", 1, 2)), 0, 1, widest=WIDE)[0].end_ms == 400


def test_one_word_of_many_is_spread_over_them() -> None:
    tokens = tokens_of("a b", (Word("a b", 1.0, 2.0),), 1.0, 2.0, widest=WIDE)
    assert tokens == [Token("a", 1000, 1333, False), Token("b", 1667, 2000, True)]


def test_chinese_and_japanese_break_between_characters_but_not_before_punctuation() -> None:
    assert texts(tokens_of("今日は、いい（天気）です。", (), 0, 1, widest=26)) == [
        *("今", "日", "は、", "い", "い", "（天", "気）", "で", "す。")
    ]
    assert texts(tokens_of("ちょっとコーヒー", (), 0, 1, widest=26)) == ["ちょっ", "と", "コー", "ヒー"]
    assert texts(tokens_of("用OpenAI的API", (), 0, 1, widest=32)) == ["用", "OpenAI", "的", "API"]


def test_korean_breaks_at_its_spaces() -> None:
    assert texts(tokens_of("안녕하세요 여러분", (), 0, 1, widest=32)) == ["안녕하세요", "여러분"]


def test_thai_of_single_characters_is_not_broken_between_them() -> None:
    text = "สวัสดีครับ"
    words = tuple(Word(letter, at / 10, at / 10 + 0.1) for at, letter in enumerate(text))
    assert tokens_of(text, words, 0, 1, widest=WIDE) == [Token(text, 0, 1000, False)]


def test_what_is_wider_than_a_line_is_torn_but_not_within_a_character() -> None:
    assert texts(tokens_of("x" * 25, (), 0, 1, widest=10)) == ["x" * 8, "x" * 8, "x" * 9]
    accented = "e\N{COMBINING ACUTE ACCENT}" * 6
    assert texts(tokens_of(accented, (), 0, 1, widest=4)) == [accented[:6], accented[6:]]
    family = "👩‍👩‍👧" * 2
    assert all(not token.startswith("\N{ZERO WIDTH JOINER}") for token in texts(tokens_of(family, (), 0, 1, widest=6)))


def test_what_has_no_place_to_be_torn_is_torn_all_the_same() -> None:
    joined = "\N{ZERO WIDTH JOINER}".join("👨👩👧👦") * 2
    for text in ("ab" + joined, "\N{ZERO WIDTH JOINER}".join("👨" * 9), "abcd " + joined):
        tokens = tokens_of(text, (), 0, 1, widest=8)
        assert whole(tokens) == text
        assert max(cells(token.text) for token in tokens) <= 8


def test_scripts_without_spaces_are_torn_evenly_and_between_syllables() -> None:
    thai = "ไปเที่ยวที่จังหวัดเชียงใหม่ซึ่งเป็นจังหวัดที่มีความสวยงามมาก"
    lines = texts(tokens_of(thai, (), 0, 1, widest=WIDE))
    assert "".join(lines) == thai
    assert [cells(line) for line in lines] == [21, 23]
    for syllable in ("กา", "เก", "नी", "क्ष"):
        torn = texts(tokens_of(syllable * 5, (), 0, 1, widest=3))
        assert len(torn) > 1
        assert all(token == syllable * (len(token) // len(syllable)) for token in torn)


def test_line_breaks_and_control_characters_are_no_text() -> None:
    assert plain(" one\r\n\x00 two\u2028\u2029three\tfour\x1b\ud800 ") == "one two three four"
    assert plain("\x00") == ""


def test_cells() -> None:
    assert (cells("abc"), cells("漢字"), cells("한글"), cells("e\u0301"), cells("\u200f"), cells("ｱ")) == (
        3,
        4,
        4,
        1,
        0,
        1,
    )


JOINED = st.text(st.sampled_from("aก👨日 \N{ZERO WIDTH JOINER}\N{COMBINING ACUTE ACCENT}ाเ"), max_size=60)


@given(st.text() | JOINED, st.lists(st.floats(0, 1e4), min_size=2, max_size=20), st.integers(2, 40))
def test_tokens_make_up_the_text_in_order_and_none_is_too_wide(text: str, times: list[float], widest: int) -> None:
    text = plain(text)
    words = [Word(word, times[at % len(times)], times[-1 - at % len(times)]) for at, word in enumerate(text.split())]
    for known in (words, ()):
        tokens = tokens_of(text, known, times[0], times[-1], widest=widest) if text else []
        assert whole(tokens) == text
        assert all(token.text and cells(token.text) <= widest for token in tokens)
        starts = [token.start_ms for token in tokens]
        assert starts == sorted(starts)
        assert all(token.start_ms <= token.end_ms for token in tokens)
