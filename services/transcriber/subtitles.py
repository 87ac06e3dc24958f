"""What was said as subtitles: cues with times, written as SubRip (SRT) and WebVTT."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from transcriber.cue_layout import MAX_MS, MIN_MS, Layout, reading_of
from transcriber.cue_tokens import Timed, cells, plain, tokens_of

GAP_MS = 84
"""Between two cues, so that the change is seen: two frames of 24 a second."""
HANG_MS = 1500
"""How long a cue may stay behind its speech for those who read more slowly than people speak."""
_CHAINED_MS = 500
"""A shorter time in which nothing is shown looks like an error."""
_LATE_MS = 3000
"""A cue that comes later than this is shown for half as long as reading takes, so that the next one is not later still;
one that comes twice as late, for a moment."""

_UNWRITABLE = {ord("<"): "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}"} | {
    ord(">"): "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"
}
"""SubRip has no way to write what its tags and its arrow are made of."""

_LEFT_TO_RIGHT, _RIGHT_TO_LEFT = "\N{LEFT-TO-RIGHT MARK}", "\N{RIGHT-TO-LEFT MARK}"
_EMBED, _EMBEDDED = "\N{RIGHT-TO-LEFT EMBEDDING}", "\N{POP DIRECTIONAL FORMATTING}"


@dataclass(frozen=True, slots=True)
class Spoken:
    """An utterance, in seconds. A notice stands where there should be one, and is shown as long as that."""

    start: float
    end: float
    text: str
    words: Sequence[Timed] = ()
    speaker: str | None = None
    notice: bool = False


@dataclass(frozen=True, slots=True)
class Cue:
    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    speaker: str | None = None
    notice: bool = False
    reading_ms: int = MIN_MS
    """How long it takes to read it."""
    right_to_left: bool = False


def cues(spoken: Sequence[Spoken]) -> list[Cue]:
    """Cues that never overlap, by start. Speech that is faster than people read, or of several speakers at once, is
    shown shorter or later, never left out."""
    waiting = sorted(_cues(spoken), key=lambda cue: cue.start_ms)
    shown: list[Cue] = []
    for at, cue in enumerate(waiting):
        following = waiting[at + 1].start_ms if at + 1 < len(waiting) else None
        start = max(cue.start_ms, shown[-1].end_ms + GAP_MS) if shown else cue.start_ms
        waited = start > cue.start_ms and shown[-1].speaker != cue.speaker
        shown.append(_placed(cue, start, following, waited=waited))
    return shown


def srt(made: Sequence[Cue]) -> str:
    """SubRip. A cue of another speaker than the one before begins with the speaker's name."""
    blocks: list[str] = []
    speaker = None
    for number, cue in enumerate(made, start=1):
        name = f"{cue.speaker}: " if cue.speaker and cue.speaker != speaker else ""
        speaker = cue.speaker
        lines = [line.translate(_UNWRITABLE) for line in cue.lines]
        if cue.right_to_left:
            # Players lay lines out from left to right unless they are told.
            lines = [f"{_EMBED}{line}{_EMBEDDED}" for line in lines]
        text = name + "\n".join(lines)
        blocks.append(f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n{text}\n")
    return "\n".join(blocks)


def vtt(made: Sequence[Cue]) -> str:
    """WebVTT. Each speaker is a voice."""
    blocks = ["WEBVTT\n"]
    for cue in made:
        voice = f"<v {_escaped(cue.speaker)}>" if cue.speaker else ""
        text = "\n".join(_escaped(_directed(line, cue)) for line in cue.lines)
        blocks.append(f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n{voice}{text}\n")
    return "\n".join(blocks)


def _cues(spoken: Sequence[Spoken]) -> Iterator[Cue]:
    """Cues at the times of their speech, in the order of the text of each speaker."""
    earliest: dict[str | None, int] = {}
    for utterance in sorted(spoken, key=lambda utterance: utterance.start):
        for cue in _of_one(utterance):
            start = earliest[cue.speaker] = max(cue.start_ms, earliest.get(cue.speaker, 0))
            yield replace(cue, start_ms=start, end_ms=max(start, cue.end_ms))


def _of_one(utterance: Spoken) -> Iterator[Cue]:
    text = plain(utterance.text)
    if not text:
        return
    reading = reading_of(text)
    indent = cells(f"{utterance.speaker}: ") if utterance.speaker else 0
    words = () if utterance.notice else utterance.words
    tokens = tokens_of(text, words, utterance.start, utterance.end, widest=reading.line_cells - indent)
    layout = Layout(tokens, reading, indent)
    bounds = [(0, len(tokens))] if utterance.notice else layout.cues()
    for first, end in bounds:
        lines = layout.lines(first, end)
        reading_ms = max(MIN_MS, sum(map(cells, lines)) * 1000 // reading.cells_per_second)
        start_ms, end_ms = tokens[first].start_ms, tokens[end - 1].end_ms
        right_to_left = _direction(text) == _RIGHT_TO_LEFT
        yield Cue(start_ms, end_ms, lines, utterance.speaker, utterance.notice, reading_ms, right_to_left)


def _placed(cue: Cue, start: int, following: int | None, *, waited: bool) -> Cue:
    """The cue where it can be shown; `following` is where the speech of the next one begins, `waited` whether another
    speaker's had to be read before."""
    end = max(cue.end_ms, min(start + cue.reading_ms, cue.end_ms + HANG_MS))
    if not cue.notice:
        end = min(end, start + MAX_MS)
    if following is not None:
        latest = following - GAP_MS
        if end > latest or (latest - end < _CHAINED_MS and latest - start <= MAX_MS):
            end = latest
    overlapped = waited or (following is not None and following < cue.end_ms)
    least_ms = _readable_ms(cue, start - cue.start_ms) if overlapped and not cue.notice else MIN_MS
    return replace(cue, start_ms=start, end_ms=max(end, start + least_ms))


def _readable_ms(cue: Cue, late_ms: int) -> int:
    """How long a cue is shown where speakers overlap, even if the next one has to wait."""
    if late_ms < _LATE_MS:
        return cue.reading_ms
    return max(MIN_MS, cue.reading_ms // 2) if late_ms < 2 * _LATE_MS else MIN_MS


def _direction(text: str) -> str | None:
    """The mark for the direction of the first letter that has one."""
    for letter in text:
        direction = unicodedata.bidirectional(letter)
        if direction in ("R", "AL"):
            return _RIGHT_TO_LEFT
        if direction == "L":
            return _LEFT_TO_RIGHT
    return None


def _directed(line: str, cue: Cue) -> str:
    """A line that is laid out in the direction of its utterance, whatever it begins with."""
    wanted = _RIGHT_TO_LEFT if cue.right_to_left else _LEFT_TO_RIGHT
    return line if _direction(line) in (wanted, None) else wanted + line


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(milliseconds: int, point: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{point}{rest:03d}"
