"""From Whisper's tokens to words with times: pieces joined, steps of its attention made seconds. Pure."""

import statistics
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from transcriber.engines.languages import UNSPACED
from transcriber.transcript import Word

STEP_SECONDS = 0.02
"""One position of Whisper's encoder: two mel frames."""

_LONGEST_MEDIAN_SECONDS = 0.7
_STRETCHED = 2.0
"""Times the median length: alignment gives a pause to the word beside it, and no word is as long as that."""
_SENTENCE_ENDS = frozenset(".?!")


@dataclass(frozen=True, slots=True)
class Piece:
    """Text as Whisper writes it, spaces included, and the tokens it is made of."""

    text: str
    tokens: tuple[int, ...]

    def __add__(self, other: "Piece") -> "Piece":
        return Piece(self.text + other.text, self.tokens + other.tokens)


@dataclass(frozen=True, slots=True)
class Alignment:
    """Where tokens were heard: (token's index, step) along the path through the audio, and each token's probability."""

    path: Sequence[tuple[int, int]]
    probabilities: Sequence[float]


def join_words(pieces: Sequence[Piece], language: str) -> list[Piece]:
    """Pieces of text as words: as spaces part them or, where there are none, by character with its punctuation."""
    words: list[Piece] = []
    space: Piece | None = None
    for piece in pieces:
        if not piece.text.strip():
            space = space + piece if space else piece
        elif space:
            words.append(space + piece)
            space = None
        elif words and _continues(piece.text, language):
            words[-1] += piece
        else:
            words.append(piece)
    if space and words:
        words[-1] += space
    return words


def _continues(text: str, language: str) -> bool:
    if language in UNSPACED:
        return all(unicodedata.category(character).startswith("P") for character in text)
    return not text[0].isspace()


def timed_words(pieces: Sequence[Piece], alignment: Alignment, seconds: float) -> tuple[Word, ...]:
    """The words of all aligned tokens, in order, none empty, none before 0 or after `seconds`."""
    if not pieces:
        return ()
    steps: dict[int, int] = {}
    for token, step in alignment.path:
        steps.setdefault(token, step)
    last = alignment.path[-1][1] if alignment.path else 0
    bounds = [0]
    for piece in pieces:
        bounds.append(bounds[-1] + len(piece.tokens))
    times = [min(steps.get(token, last) * STEP_SECONDS, seconds) for token in bounds]
    spans = _spread(_without_pauses(pieces, list(pairwise(times))), seconds)
    return tuple(
        Word(piece.text.strip(), round(start, 3), round(end, 3), _probability(alignment, first, after))
        for piece, (start, end), (first, after) in zip(pieces, spans, pairwise(bounds), strict=True)
    )


def _probability(alignment: Alignment, first: int, after: int) -> float | None:
    values = alignment.probabilities[first:after]
    return round(statistics.fmean(values), 3) if values else None


def _without_pauses(pieces: Sequence[Piece], spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Words at the borders of sentences, cut to a length that a word can have."""
    lengths = [end - start for start, end in spans if end > start]
    if not lengths:
        return list(spans)
    longest = min(statistics.median(lengths), _LONGEST_MEDIAN_SECONDS) * _STRETCHED
    result: list[tuple[float, float]] = []
    begins = True
    for piece, (start, end) in zip(pieces, spans, strict=True):
        ends = _ends_sentence(piece.text)
        if end - start <= longest or not (begins or ends):
            result.append((start, end))
        elif begins:
            result.append((end - longest, end))
        else:
            result.append((start, start + longest))
        begins = ends
    return result


def _ends_sentence(text: str) -> bool:
    # Full-width forms fold to the plain ones; the ideographic full stop does not.
    last = unicodedata.normalize("NFKC", text.rstrip())[-1:]
    return last in _SENTENCE_ENDS or last == "\N{IDEOGRAPHIC FULL STOP}"


def _spread(spans: Sequence[tuple[float, float]], seconds: float) -> list[tuple[float, float]]:
    """Spans in order, one after the other, each of at least one step (less only where so many don't fit)."""
    least = min(STEP_SECONDS, seconds / len(spans))
    forward: list[tuple[float, float]] = []
    free = 0.0
    for start, end in spans:
        begin = max(start, free)
        free = max(end, begin + least)
        forward.append((begin, free))
    backward: list[tuple[float, float]] = []
    limit = seconds
    for start, end in reversed(forward):
        finish = min(end, limit)
        limit = max(min(start, finish - least), 0.0)
        backward.append((limit, finish))
    return backward[::-1]
