"""What a person can read at once: words with times cut into cues, and cues into lines, where sentences and clauses end.

The figures are those of broadcasters' guidelines, see docs/subtitles.md. Widths are in cells: a wide East Asian
character takes two.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

from transcriber.cue_tokens import Token, cells

MIN_MS = 834
MAX_MS = 7000
PAUSE_MS = 1500
"""A pause in which nothing is shown."""

_HESITATION_MS = 300
"""A pause as good as a comma."""
_SENTENCE_END = re.compile(r"[.?!…。！？؟۔।][\"'”’»)\]」』）]*$")
_CLAUSE_END = re.compile(r"[,;:–—，、；：،؛][\"'”’»)\]」』）]*$")

_FUNCTION_WORDS = """
    a an the this that my your his her its our their of to in on at by for with from into and or but nor if as than who
    which is are was were be been have has had do does did will would can could may might must not no very i we you he
    she it they der die das den dem des ein eine einen einem einer und oder zu mit von im ins le la les un une du de et
    el los las una y en con il lo gli uno e di da del della
"""
_CLINGING = frozenset(_FUNCTION_WORDS.split())
"""Articles, prepositions, conjunctions, pronouns and auxiliaries belong to the word after them."""

# Costs, against one another: of a cue at all; by the weakness of its end; by that of the end of a line, next to cells
# by which its lines differ.
_CUE = 40.0
_CUE_END = (0.0, 15.0, 60.0, 90.0)
_LINE_END = (0.0, 8.0, 24.0, 40.0)
_PER_MISSING_SECOND = 100.0
_PER_CELL_TOO_FAST = 3.0
_TOP_HEAVY = 3.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What readers of a script take in: a line, and how fast."""

    line_cells: int
    cells_per_second: int


ALPHABETIC = Reading(42, 17)
CHINESE = Reading(32, 18)
JAPANESE = Reading(26, 14)
KOREAN = Reading(32, 24)

_SCRIPTS = (("HIRAGANA", JAPANESE), ("KATAKANA", JAPANESE), ("HANGUL", KOREAN), ("CJK", CHINESE))
"""By how the names of its letters begin; Japanese text has Chinese letters too, so the first that occurs decides."""


def reading_of(text: str) -> Reading:
    """By the scripts of its letters."""
    wide = {unicodedata.name(letter, "").partition(" ")[0] for letter in text if cells(letter) > 1}
    return next((reading for script, reading in _SCRIPTS if script in wide), ALPHABETIC)


@dataclass(frozen=True)
class Layout:
    """One utterance in tokens, none wider than a line."""

    tokens: Sequence[Token]
    reading: Reading
    indent: int = 0
    """Cells of each cue's first line that are taken."""

    def cues(self) -> Iterator[tuple[int, int]]:
        """The tokens of each cue, from and to: of all ways to cut the utterance, the one that costs least."""
        count = len(self.tokens)
        best: list[tuple[float, int]] = [(0.0, count)] * (count + 1)
        """By token: what it costs from there on, and where the cue that begins there ends."""
        for first in reversed(range(count)):
            best[first] = min((self._cost(first, end) + best[end][0], end) for end in self._ends(first))
        first = 0
        while first < count:
            yield first, best[first][1]
            first = best[first][1]

    def lines(self, first: int, end: int) -> tuple[str, ...]:
        """The text of a cue: one line if it is long enough, else two that end well and are about as long."""
        if self._width(first, end) + self.indent <= self.reading.line_cells:
            return (self._text(first, end),)
        cut = min(range(first + 1, end), key=lambda cut: self._imbalance(first, cut, end))
        return self._text(first, cut), self._text(cut, end)

    def _imbalance(self, first: int, cut: int, end: int) -> tuple[bool, float]:
        top, bottom = self._width(first, cut) + self.indent, self._width(cut, end)
        unbalanced = abs(top - bottom) + _TOP_HEAVY * (top > bottom)
        return max(top, bottom) > self.reading.line_cells, _LINE_END[self._weakness[cut - 1]] + unbalanced

    def _ends(self, first: int) -> Iterator[int]:
        """Where a cue that begins with token `first` may end: at least behind that token."""
        yield first + 1
        latest_ms = self.tokens[first].start_ms + MAX_MS
        for end in range(first + 2, self._furthest(first) + 1):
            last, before = self.tokens[end - 1], self.tokens[end - 2]
            if last.start_ms - before.end_ms >= PAUSE_MS or last.end_ms > latest_ms:
                return
            yield end

    def _furthest(self, first: int) -> int:
        """The last end that two lines take, the first as long as it can be."""
        cut = max(first + 1, self._line_end(first, self.reading.line_cells - self.indent))
        return self._line_end(cut, self.reading.line_cells) if cut < len(self.tokens) else cut

    def _line_end(self, first: int, limit: int) -> int:
        """The last end of a line that begins with token `first`."""
        return bisect_right(self._reach, self._reach[first] + self._lead(first) + limit, first) - 1

    def _cost(self, first: int, end: int) -> float:
        if end == len(self.tokens):
            return _CUE
        cost = _CUE + self._end_costs[end - 1]
        shown_ms = self.tokens[end].start_ms - self.tokens[first].start_ms
        if shown_ms < MIN_MS:
            cost += _PER_MISSING_SECOND * (MIN_MS - shown_ms) / 1000
            shown_ms = MIN_MS
        too_fast = self._width(first, end) * 1000 / shown_ms - self.reading.cells_per_second
        return cost + _PER_CELL_TOO_FAST * too_fast if too_fast > 0 else cost

    @cached_property
    def _reach(self) -> list[int]:
        """Cells before each token, the space that stands before it not counted, and after the last one."""
        widths = (cells(token.text) + self._lead(at) for at, token in enumerate(self.tokens))
        return list(accumulate(widths, initial=0))

    @cached_property
    def _weakness(self) -> list[int]:
        """How bad it is to stop behind each token but the last: 0 ends a sentence, 1 a clause, 2 neither; 3 separates
        what belongs together."""
        return [_weakness(token.text, following) for token, following in pairwise(self.tokens)]

    @cached_property
    def _end_costs(self) -> list[float]:
        """Of a cue that ends with each token but the last."""
        pauses = (after.start_ms - before.end_ms for before, after in pairwise(self.tokens))
        return [
            _CUE_END[min(weakness, 1) if pause >= _HESITATION_MS else weakness]
            for weakness, pause in zip(self._weakness, pauses, strict=True)
        ]

    def _lead(self, at: int) -> int:
        return int(self.tokens[at].spaced)

    def _width(self, first: int, end: int) -> int:
        return self._reach[end] - self._reach[first] - self._lead(first)

    def _text(self, first: int, end: int) -> str:
        pieces = (" " * token.spaced + token.text for token in self.tokens[first:end])
        return "".join(pieces).removeprefix(" ")


def _weakness(text: str, following: Token) -> int:
    if _SENTENCE_END.search(text):
        return 0
    if _CLAUSE_END.search(text):
        return 1
    if following.spaced:
        return 3 if text.casefold() in _CLINGING else 2
    # In Japanese most words begin with a letter that is not hiragana, and end with one that is.
    return 2 if _is_hiragana(text[-1:]) and not _is_hiragana(following.text[:1]) else 3


def _is_hiragana(letter: str) -> bool:
    return "\N{HIRAGANA LETTER SMALL A}" <= letter <= "\N{HIRAGANA DIGRAPH YORI}"
