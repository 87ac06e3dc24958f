"""What a person can read at once: words with times cut into cues, and cues into lines, where sentences and clauses end.

The figures are those of broadcasters' guidelines, see docs/subtitles.md. Widths are in cells: a wide East Asian
character takes two.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from transcriber.transcript import Line

LINE_CELLS = 42
MIN_MS = 834
MAX_MS = 7000
READING_CELLS_PER_SECOND = 17
PAUSE_MS = 1500
"""A pause in which nothing is shown."""

_HESITATION_MS = 300
"""A pause as good as a comma."""
_SENTENCE_END = re.compile(r"[.?!…。！？][\"'”’»)\]」』）]*$")
_CLAUSE_END = re.compile(r"[,;:–—，、；：][\"'”’»)\]」』）]*$")

# Costs, against one another: of a cue at all; of its end; of the end of a line, next to cells by which lines differ.
_CUE = 40.0
_CUE_END = (0.0, 15.0, 60.0)
_LINE_END = (0.0, 8.0, 24.0)
_PER_MISSING_SECOND = 100.0
_PER_CELL_TOO_FAST = 3.0
_TOP_HEAVY = 3.0


@dataclass(frozen=True, slots=True)
class Token:
    """What is never broken: a word, or a character where scripts have no spaces."""

    text: str
    start_ms: int
    end_ms: int
    spaced: bool
    """Whether a space stands before it."""


Tokens = Sequence[Token]


def cells(text: str) -> int:
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text
    )


def joined(tokens: Tokens) -> str:
    return "".join(" " * (token.spaced and at > 0) + token.text for at, token in enumerate(tokens))


def tokens_of(line: Line) -> list[Token]:
    """The text of an utterance in pieces whose times never go back; spread evenly where the words have none."""
    text = " ".join(line.text.split())
    pieces = _located(text, line) or [(text, line.start, line.end, False)]
    tokens: list[Token] = []
    earliest = 0
    for piece, start, end, spaced in pieces:
        for token in _spread(piece, start * 1000, end * 1000, spaced=spaced):
            start_ms = max(earliest, token.start_ms)
            tokens.append(Token(token.text, start_ms, max(start_ms, token.end_ms), token.spaced))
            earliest = start_ms
    return tokens


def split(tokens: Tokens, indent: int = 0) -> list[Tokens]:
    """The cues of an utterance: of all ways to cut it, the one that costs least.

    Args:
        indent: cells of each cue's first line that are taken.
    """
    best: list[tuple[float, int]] = [(0.0, len(tokens))] * (len(tokens) + 1)
    """By token: what it costs from there on, and where the cue that begins there ends."""
    for first in reversed(range(len(tokens))):
        best[first] = min((_cost(tokens, first, end) + best[end][0], end) for end in _ends(tokens, first, indent))
    cues: list[Tokens] = []
    first = 0
    while first < len(tokens):
        cues.append(tokens[first : best[first][1]])
        first = best[first][1]
    return cues


def lay_out(tokens: Tokens, indent: int = 0) -> tuple[str, ...] | None:
    """One line if it is long enough, else two that end well and are about as long; None if they don't fit."""
    whole = joined(tokens)
    if len(tokens) == 1 or cells(whole) <= LINE_CELLS - indent:
        return (whole,)
    found: list[tuple[float, str, str]] = []
    for cut in range(1, len(tokens)):
        top, bottom = joined(tokens[:cut]), joined(tokens[cut:])
        top_cells, bottom_cells = cells(top) + indent, cells(bottom)
        if (cut == 1 or top_cells <= LINE_CELLS) and (cut == len(tokens) - 1 or bottom_cells <= LINE_CELLS):
            unbalanced = abs(top_cells - bottom_cells) + _TOP_HEAVY * (top_cells > bottom_cells)
            found.append((_LINE_END[_weakness(tokens[cut - 1])] + unbalanced, top, bottom))
    return min(found)[1:] if found else None


def _ends(tokens: Tokens, first: int, indent: int) -> Iterator[int]:
    """Where a cue that begins with token `first` may end: at least behind that token."""
    yield first + 1
    for end in range(first + 2, len(tokens) + 1):
        last, before = tokens[end - 1], tokens[end - 2]
        if last.start_ms - before.end_ms >= PAUSE_MS or last.end_ms - tokens[first].start_ms > MAX_MS:
            return
        if lay_out(tokens[first:end], indent) is None:
            return
        yield end


def _cost(tokens: Tokens, first: int, end: int) -> float:
    if end == len(tokens):
        return _CUE
    last, following = tokens[end - 1], tokens[end]
    weakness = _weakness(last)
    if following.start_ms - last.end_ms >= _HESITATION_MS:
        weakness = min(weakness, 1)
    shown_ms = max(1, following.start_ms - tokens[first].start_ms)
    missing_ms = max(0, MIN_MS - shown_ms)
    too_fast = max(0.0, cells(joined(tokens[first:end])) * 1000 / max(shown_ms, MIN_MS) - READING_CELLS_PER_SECOND)
    return _CUE + _CUE_END[weakness] + _PER_MISSING_SECOND * missing_ms / 1000 + _PER_CELL_TOO_FAST * too_fast


def _weakness(token: Token) -> int:
    """How bad it is to stop behind it: 0 ends a sentence, 1 a clause, 2 neither."""
    if _SENTENCE_END.search(token.text):
        return 0
    return 1 if _CLAUSE_END.search(token.text) else 2


def _located(text: str, line: Line) -> list[tuple[str, float, float, bool]] | None:
    """The words with their times and whether a space stands before each, or None if they don't make up the text."""
    pieces: list[tuple[str, float, float, bool]] = []
    position = 0
    for word in line.words:
        written = " ".join(word.text.split())
        if not written:
            continue
        spaced = text.startswith(" ", position)
        if not text.startswith(written, position + spaced):
            return None
        pieces.append((written, word.start, word.end, spaced))
        position += spaced + len(written)
    return pieces if position == len(text) else None


def _spread(text: str, start_ms: float, end_ms: float, *, spaced: bool) -> Iterator[Token]:
    """The tokens of a text that is spoken evenly."""
    breaks = [0, *(at for at in range(1, len(text)) if _may_break(text[at - 1], text[at])), len(text)]
    per_letter = max(0.0, end_ms - start_ms) / max(1, len(text))
    for begin, end in pairwise(breaks):
        written = text[begin:end]
        token_start, token_end = (round(start_ms + at * per_letter) for at in (begin, end))
        yield Token(written.strip(), token_start, token_end, spaced if begin == 0 else written.startswith(" "))


def _may_break(before: str, after: str) -> bool:
    """At spaces, and between letters of scripts that have none."""
    if after == " ":
        return True
    if before == " " or unicodedata.category(before) in ("Ps", "Pi"):
        return False
    if unicodedata.category(after) in ("Pe", "Pf", "Po", "Lm", "Mn", "Mc"):
        return False
    return _is_unspaced(before) or _is_unspaced(after)


def _is_unspaced(letter: str) -> bool:
    """Whether it is of Chinese or Japanese; Korean is as wide, and has spaces."""
    is_wide_letter = unicodedata.category(letter) == "Lo" and unicodedata.east_asian_width(letter) in "WF"
    return is_wide_letter and not unicodedata.name(letter, "").startswith("HANGUL")
