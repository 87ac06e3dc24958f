"""What an answer of the transcription API says: text, words with times where there are some, and whether to believe it.
Pure."""

import itertools
import math
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

import openai

from transcriber.engines.engine import Recognition
from transcriber.engines.languages import UNSPACED, code_of
from transcriber.engines.whisper_guard import certain_surplus
from transcriber.transcript import Word, join

_DENSE = 2.4
"""Whisper's own threshold: text that zlib shrinks to less than 1/2.4 repeats itself."""
_DOUBTFUL_LOG_PROBABILITY = -1.0
"""Mean over tokens: of a whole text, or of a segment in which Whisper finds it likely, too, that nobody speaks."""
_NO_SPEECH_PROBABILITY = 0.6
_MAX_BYTES = 1 << 20
"""An answer with all that can be asked for has a hundredth of it."""
_LATE_SECONDS = 1.0
"""Word times so far after the end of the audio are in another unit."""


class _TimedWord(openai.BaseModel):
    word: str
    start: float
    end: float


class _Segment(openai.BaseModel):
    text: str
    start: float
    end: float
    avg_logprob: float | None = None
    compression_ratio: float | None = None
    no_speech_prob: float | None = None

    @property
    def doubtful(self) -> bool:
        unsure = (self.avg_logprob or 0.0) < _DOUBTFUL_LOG_PROBABILITY
        silent = (self.no_speech_prob or 0.0) > _NO_SPEECH_PROBABILITY
        return (unsure and silent) or (self.compression_ratio or 0.0) > _DENSE


class _Language(openai.BaseModel):
    code: str


class _Token(openai.BaseModel):
    logprob: float


class _Answer(openai.BaseModel):
    """`json` and `verbose_json` in one: what is missing was not asked for, or is unknown to the server."""

    text: str
    language: str | None = None
    languages: list[_Language] | None = None
    logprobs: list[_Token] | None = None
    segments: list[_Segment] | None = None
    words: list[_TimedWord] | None = None

    @property
    def detected(self) -> str | None:
        if self.languages:
            return code_of(self.languages[0].code)
        return code_of(self.language or "")


def read(body: bytes, *, seconds: float, language: str | None) -> Recognition:
    """What the answer `body` says of `seconds` of audio; `language` is the text's, None if the answer is to tell.

    Raises:
        ValueError: it is no answer.
    """
    if len(body) > _MAX_BYTES:
        raise ValueError("too long for an answer")
    answer = _Answer.model_validate_json(body)
    language = language or answer.detected
    text, words = _believed(answer)
    text = _without_loop(text, language)
    if not any(map(str.isalnum, text)):
        return Recognition("", language=language)
    timed = tuple(_timed(text, words, seconds, language)) if _plausible(words, seconds) else ()
    return Recognition(text, timed, "model", language) if timed else Recognition(text, language=language)


def _believed(answer: _Answer) -> tuple[str, Sequence[_TimedWord]]:
    """Text and words without what the model itself doubts."""
    tokens, segments, words = answer.logprobs or [], answer.segments or [], answer.words or []
    if tokens and sum(token.logprob for token in tokens) / len(tokens) < _DOUBTFUL_LOG_PROBABILITY:
        return "", ()
    kept = [segment for segment in segments if not segment.doubtful]
    if len(kept) == len(segments):
        return answer.text.strip(), words
    text = join(segment.text.strip() for segment in kept)
    return text, list(_within(words, kept))


def _within(words: Sequence[_TimedWord], segments: Sequence[_Segment]) -> Iterator[_TimedWord]:
    """The words whose middle is in one of the segments."""
    ordered = sorted((segment.start, segment.end) for segment in segments)
    starts = [start for start, _ in ordered]
    ends = list(itertools.accumulate((end for _, end in ordered), max))
    for word in words:
        middle = (word.start + word.end) / 2
        begun = bisect_right(starts, middle)
        if begun and middle <= ends[begun - 1]:
            yield word


def _without_loop(text: str, language: str | None) -> str:
    """Text without the copies of a phrase at its end; nothing at all where a phrase and its copies are all of it."""
    pieces = re.findall(r"\d+|\D", text) if language in UNSPACED else re.findall(r"\S+\s*", text)
    surplus = certain_surplus(pieces)
    if not surplus:
        return text
    plain = [_letters(piece) for piece in pieces]
    kept = len(pieces) - surplus
    return "" if plain[kept:] == plain[:surplus] else "".join(pieces[:kept]).rstrip()


def _plausible(words: Sequence[_TimedWord], seconds: float) -> bool:
    return bool(words) and all(0 <= word.start <= word.end <= seconds + _LATE_SECONDS for word in words)


def _timed(text: str, words: Sequence[_TimedWord], seconds: float, language: str | None) -> Iterator[Word]:
    """The words of `text` as written, with the times of the model's own, which have no punctuation and may be cut
    otherwise; none where the letters differ, the model's own where text has no spaces."""
    written = [word.word.strip() for word in words] if language in UNSPACED else text.split()
    spans = list(_letter_spans(words))
    if "".join(map(_letters, written)) != "".join(_letters(word.word) for word in words):
        return
    first, latest, limit = 0, 0.0, math.floor(seconds * 1000) / 1000
    for token in written:
        after = first + len(_letters(token))
        start, end = (spans[first][0], spans[after - 1][1]) if after > first else (latest, latest)
        start = min(max(round(start, 3), latest), limit)
        latest = min(max(round(end, 3), start), limit)
        yield Word(token, start, latest)
        first = after


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def _letter_spans(words: Sequence[_TimedWord]) -> Iterator[tuple[float, float]]:
    """Start and end of every letter, all in a word equally long."""
    for word in words:
        count = len(_letters(word.word))
        length = (word.end - word.start) / max(count, 1)
        for index in range(count):
            yield word.start + index * length, word.start + (index + 1) * length
