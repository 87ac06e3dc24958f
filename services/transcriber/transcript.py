"""Words with times, and the transcript of a whole session in the forms that are kept."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.subtitles import Spoken, cues, srt, vtt

Times = Literal["model", "aligned", "estimated"]
"""Where word times come from: the engine's own output, alignment with its attention, or interpolation."""

FILES = {
    "transcript": "transcript.json",
    "text": "transcript.txt",
    "srt": "transcript.srt",
    "vtt": "transcript.vtt",
}
"""What a transcript is kept as: the names of its files by kind."""

DAMAGED = "audio_damaged"
"""The reason for what is missing because it could not be decoded."""

FORMAT_VERSION = 1
"""Of transcript.json; grows when a field changes its meaning."""

_LEAST_WORD_SECONDS = 0.02


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
    heard_at: str | None = None
    """When it began on the wall clock, UTC, ISO 8601; None where its audio did not come as it was spoken."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Audio without text that no utterance is about, in seconds."""

    start: float
    end: float | None = None
    """None where nobody knows it of damage; of anything else, it is the end of what was sent."""
    reason: str = DAMAGED


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
    missing: tuple[Missing, ...] = ()

    @property
    def text(self) -> str:
        """All that was heard, in the order of time, as one paragraph."""
        return join(line.text for line in self.ordered)

    @property
    def ordered(self) -> list[Line]:
        """Lines by start, then channel."""
        return sorted(self.lines, key=lambda line: (line.start, line.channel))

    def files(self) -> dict[str, str]:
        """Everything that is kept, by file name; text that UTF-8 can carry. Takes a while for a long transcript."""
        shown = cues(self._spoken())
        made = {"transcript": self.to_json(), "text": self.to_text(), "srt": srt(shown), "vtt": vtt(shown)}
        # What an engine answers in JSON may escape lone surrogates.
        return {FILES[kind]: text.encode(errors="replace").decode() for kind, text in made.items()}

    def to_json(self) -> str:
        """One object; its `utterances` carry words and times, gaps are utterances with a `gap`."""
        document = {"version": FORMAT_VERSION} | asdict(self)
        del document["lines"]
        document["text"] = self.text
        document["utterances"] = [self._utterance(line) for line in self.ordered]
        return json.dumps(document, ensure_ascii=False, indent=1) + "\n"

    def to_text(self) -> str:
        """A line per utterance, with its speaker where channels are apart; a line in brackets where text is
        missing, with its time."""
        lines = (f"{each.speaker}: {each.text}" if each.speaker else each.text for each in self._spoken(timed=True))
        return "".join(f"{line}\n" for line in lines)

    def _spoken(self, *, timed: bool = False) -> list[Spoken]:
        """All that can be read, by start; `timed`: notices say when they are about."""
        separate = bool(self.options.get("separate_channels"))
        spoken = [
            Spoken(
                line.start,
                line.end,
                line.text if line.gap is None else _no_text(line, timed=timed),
                line.words,
                f"Channel {line.channel + 1}" if separate else None,
                notice=line.gap is not None,
            )
            for line in self.ordered
            if line.text or line.gap
        ]
        missing = [
            Spoken(each.start, each.start if each.end is None else each.end, _missing(each, timed=timed), notice=True)
            for each in self.missing
        ]
        return sorted([*spoken, *missing], key=lambda each: each.start)

    def _utterance(self, line: Line) -> dict[str, Any]:
        values = asdict(line)
        del values["heard_at"]
        began = _moment(line.heard_at) if line.heard_at else _moment(self.started_at) + timedelta(seconds=line.start)
        ended = began + timedelta(seconds=line.end - line.start)
        clock = "arrival" if line.heard_at else "position"
        return values | {"start_utc": _written(began), "end_utc": _written(ended), "clock": clock}


def join(texts: Iterable[str]) -> str:
    """Texts of successive utterances as running text."""
    return " ".join(text for text in texts if text)


def moved(words: Iterable[Word], samples: int) -> tuple[Word, ...]:
    """The same words, so much later."""
    by = samples / SAMPLE_RATE
    return tuple(replace(word, start=round(word.start + by, 3), end=round(word.end + by, 3)) for word in words)


def within(words: Iterable[Word], start: float, end: float) -> tuple[Word, ...]:
    """The same words, cut to their utterance where they reach over its ends: an engine gives the silence beside a word
    to it. None gets shorter than the least a word can be, and one that lies outside stays there."""
    cut: list[Word] = []
    for word in words:
        begins = max(word.start, min(start, round(word.end - _LEAST_WORD_SECONDS, 3)))
        ends = min(word.end, max(end, round(begins + _LEAST_WORD_SECONDS, 3)))
        cut.append(replace(word, start=begins, end=ends))
    return tuple(cut)


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


def _no_text(line: Line, *, timed: bool) -> str:
    when = f" for {_clock(line.start)}-{_clock(line.end)}" if timed else ""
    return f"[no text{when}: {line.gap}]"


def _missing(missing: Missing, *, timed: bool) -> str:
    start = _clock(missing.start)
    if missing.reason != DAMAGED:
        return f"[no text from {start if timed else 'here'} on: {missing.reason}]"
    when = f" at {start}" if missing.end is None else f" for {start}-{_clock(missing.end)}"
    return f"[audio damaged or missing{when if timed else ''}]"


def _moment(iso: str) -> datetime:
    return datetime.fromisoformat(iso).astimezone(UTC)


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours:02d}:{minutes:02d}:{rest:06.3f}"
