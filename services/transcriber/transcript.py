"""Words with times, and the transcript of a whole session in the forms that are kept."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from transcriber.audio.pcm import SAMPLE_RATE

Times = Literal["model", "aligned", "estimated"]
"""Where word times come from: the engine's own output, alignment with its attention, or interpolation."""

FORMAT_VERSION = 1
"""Of transcript.json; grows when a field changes its meaning."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word as written, punctuation included; seconds from the start of the session."""

    text: str
    start: float
    end: float
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One utterance of a transcript. `gap` is the reason why there is no text, None where there is."""

    utterance: int
    turn: int
    channel: int
    start: float
    end: float
    text: str
    language: str | None = None
    words: tuple[Word, ...] = ()
    times: Times | None = None
    gap: str | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    """What is kept of a session's text."""

    session_id: str
    started_at: str
    duration: float
    engine: str
    model: str
    service_version: str
    options: dict[str, Any]
    lines: tuple[Line, ...]

    @property
    def text(self) -> str:
        """All that was heard, in the order of time, as one paragraph."""
        return join(line.text for line in self.ordered)

    @property
    def ordered(self) -> list[Line]:
        """Lines by start, then channel."""
        return sorted(self.lines, key=lambda line: (line.start, line.channel))

    def to_json(self) -> str:
        """One object; its `utterances` carry words and times, gaps are utterances with a `gap`."""
        document = {"version": FORMAT_VERSION} | asdict(self)
        del document["lines"]
        document["text"] = self.text
        document["utterances"] = [asdict(line) for line in self.ordered]
        return json.dumps(document, ensure_ascii=False, indent=1) + "\n"

    def to_text(self) -> str:
        """A line per utterance; a gap is a line in brackets that says from when to when."""
        return "".join(f"{_readable(line)}\n" for line in self.ordered if line.text or line.gap)


def join(texts: Iterable[str]) -> str:
    """Texts of successive utterances as running text."""
    return " ".join(text for text in texts if text)


def moved(words: Iterable[Word], samples: int) -> tuple[Word, ...]:
    """The same words, so much later."""
    by = samples / SAMPLE_RATE
    return tuple(replace(word, start=round(word.start + by, 3), end=round(word.end + by, 3)) for word in words)


def estimate_words(text: str, voiced: Sequence[tuple[int, int]]) -> tuple[Word, ...]:
    """The words of `text` spread over stretches of speech, given in samples, in proportion to their length."""
    words = text.split()
    weights = [len(word) + 1 for word in words]
    total_samples = sum(end - start for start, end in voiced)
    if not words or not total_samples:
        return ()
    per_weight = total_samples / sum(weights)
    result: list[Word] = []
    passed = 0
    for word, weight in zip(words, weights, strict=True):
        start = _position(voiced, passed * per_weight)
        passed += weight
        result.append(Word(word, start, max(start, _position(voiced, passed * per_weight, end=True))))
    return tuple(result)


def _position(voiced: Sequence[tuple[int, int]], samples: float, *, end: bool = False) -> float:
    """The time at which so many samples of speech have passed; at a pause: before it for an `end`, else after it."""
    for start, stop in voiced:
        length = stop - start
        if samples < length or (end and samples <= length):
            return round((start + samples) / SAMPLE_RATE, 3)
        samples -= length
    return round(voiced[-1][1] / SAMPLE_RATE, 3)


def _readable(line: Line) -> str:
    if line.gap is None:
        return line.text
    return f"[no text for {_clock(line.start)}-{_clock(line.end)}: {line.gap}]"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours:02d}:{minutes:02d}:{rest:06.3f}"
