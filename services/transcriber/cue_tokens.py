"""The text of an utterance in pieces that are never broken, each with its time."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Protocol

_JOINER = "\N{ZERO WIDTH JOINER}"
_VIRAMA = 9
"""The combining class of what joins the consonants beside it."""
_VOWELS_BEFORE = frozenset("เแโใไເແໂໃໄ")
_VOWELS_BEHIND = frozenset("ะาำๅๆะາຳຽໆ")
"""Of Thai and Lao, that are letters of their own and stand before or behind their consonant; and what repeats it."""


class Timed(Protocol):
    """A word as it is spoken; seconds."""

    @property
    def text(self) -> str: ...
    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Token:
    """A word, or a character where scripts have no spaces."""

    text: str
    start_ms: int
    end_ms: int
    spaced: bool
    """Whether a space stands before it."""


def cells(text: str) -> int:
    return sum(map(_cells_of, text))


def plain(text: str) -> str:
    """Without line breaks and other characters that are no text; nothing else is lost."""
    kept = (letter for letter in text if letter.isspace() or unicodedata.category(letter) not in ("Cc", "Cs"))
    return " ".join("".join(kept).split())


def tokens_of(text: str, words: Sequence[Timed], start: float, end: float, *, widest: int) -> list[Token]:
    """`text`, spoken from `start` to `end`, in tokens whose times never go back; spread evenly where `words` don't make
    it up.

    Args:
        text: as `plain` gives it.
        widest: cells, at least 2; what is wider is broken all the same.
    """
    clock = _Clock(_stretches(text, words) or [_Stretch(0, len(text), start, end)])
    tokens: list[Token] = []
    earliest = 0
    for begin, stop in _pieces(text, widest):
        spaced = text[begin] == " "
        start_ms = max(earliest, clock.at(begin + spaced))
        tokens.append(Token(text[begin + spaced : stop], start_ms, max(start_ms, clock.at(stop, end=True)), spaced))
        earliest = start_ms
    return tokens


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Characters of a text, from and to, and the seconds in which they are spoken."""

    first: int
    end: int
    starts: float
    ends: float


class _Clock:
    """When each character of a text is spoken."""

    def __init__(self, stretches: Sequence[_Stretch]) -> None:
        self._stretches = stretches
        self._current = 0

    def at(self, position: int, *, end: bool = False) -> int:
        """When the character there begins, or the one before it ends, in milliseconds; to be asked in order."""
        while self._current + 1 < len(self._stretches) and position + (not end) > self._stretches[self._current].end:
            self._current += 1
        now = self._stretches[self._current]
        passed = max(0, position - now.first) / (now.end - now.first)
        return max(0, round(1000 * (now.starts + passed * max(0.0, now.ends - now.starts))))


def _stretches(text: str, words: Sequence[Timed]) -> list[_Stretch]:
    """The words in the text; none if they don't make it up."""
    found: list[_Stretch] = []
    position = 0
    for word in words:
        written = plain(word.text)
        if not written:
            continue
        position += text.startswith(" ", position)
        if not text.startswith(written, position):
            return []
        found.append(_Stretch(position, position + len(written), word.start, word.end))
        position += len(written)
    return found if position == len(text) else []


def _pieces(text: str, widest: int) -> Iterator[tuple[int, int]]:
    """Where each token begins, with the space before it, and ends."""
    breaks = [0, *(at for at in range(1, len(text)) if _may_break(text[at - 1], text[at])), len(text)]
    for first, end in pairwise(breaks):
        begin, left = first, cells(text[first:end].removeprefix(" "))
        while left > widest:
            cut = _tear(text, begin, end, widest, left / -(-left // widest))
            yield begin, cut
            left -= cells(text[begin:cut].removeprefix(" "))
            begin = cut
        if begin < end:
            yield begin, end


def _tear(text: str, begin: int, end: int, widest: int, wanted: float) -> int:
    """Where to end a line within what is too wide for one: where it may end, about so many cells on; else where it is
    full."""
    width, cut, best = 0, begin + 1, widest + 1.0
    for at in range(begin, end):
        far = abs(width - wanted)
        may = at > begin and _may_tear(text[at - 1], text[at])
        if may and width and far < best:
            cut, best = at, far
        width += _cells_of(text[at]) if text[at] != " " else 0
        if width > widest:
            return cut if best <= widest else max(at, begin + 1)
    return cut


@lru_cache(maxsize=4096)
def _cells_of(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 1 + (unicodedata.east_asian_width(letter) in "WF")


@lru_cache(maxsize=4096)
def _may_break(before: str, after: str) -> bool:
    """At spaces, and between letters of scripts that have none."""
    if after == " ":
        return True
    if before in (" ", _JOINER) or unicodedata.category(before) in ("Ps", "Pi"):
        return False
    if unicodedata.category(after) in ("Pe", "Pf", "Po", "Lm", "Mn", "Mc", "Me", "Cf") or _is_small_kana(after):
        return False
    return _is_unspaced(before) or _is_unspaced(after)


@lru_cache(maxsize=4096)
def _may_tear(before: str, after: str) -> bool:
    """Whether a line may end here when nothing better is found: not within what is seen as one character, nor between a
    consonant and its vowel."""
    if before == _JOINER or unicodedata.combining(before) == _VIRAMA or before in _VOWELS_BEFORE:
        return False
    return _cells_of(after) > 0 and unicodedata.category(after) != "Mc" and after not in _VOWELS_BEHIND


def _is_unspaced(letter: str) -> bool:
    """Whether it is of Chinese or Japanese; Korean is as wide, and has spaces."""
    if unicodedata.category(letter) not in ("Lo", "Lm") or unicodedata.east_asian_width(letter) not in "WF":
        return False
    return not unicodedata.name(letter, "").startswith("HANGUL")


def _is_small_kana(letter: str) -> bool:
    return " LETTER SMALL " in unicodedata.name(letter, "") and _is_unspaced(letter)
