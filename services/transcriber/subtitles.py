"""Transcripts as subtitles: cues with times, written as SubRip (SRT) and WebVTT."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from transcriber.cue_layout import MAX_MS, MIN_MS, READING_CELLS_PER_SECOND, cells, lay_out, split, tokens_of
from transcriber.transcript import Line, Transcript

GAP_MS = 84
"""Between two cues, so that the change is seen: two frames of 24 a second."""


@dataclass(frozen=True, slots=True)
class Cue:
    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    channel: int
    gap: bool = False
    """Whether it stands for speech without text."""


def cues(transcript: Transcript) -> list[Cue]:
    """Cues that never overlap, by start. Speech that is faster than people read, or of several channels at once, is
    shown shorter or later, never left out."""
    spoken = sorted(_spoken(transcript), key=lambda cue: cue.start_ms)
    shown: list[Cue] = []
    for at, cue in enumerate(spoken):
        start = max(cue.start_ms, shown[-1].end_ms + GAP_MS) if shown else cue.start_ms
        end = max(cue.end_ms, start + _reading_ms(cue))
        if not cue.gap:
            end = min(end, start + MAX_MS)
        if at + 1 < len(spoken):
            end = min(end, max(start + MIN_MS, spoken[at + 1].start_ms - GAP_MS))
        shown.append(Cue(start, end, cue.lines, cue.channel, cue.gap))
    return shown


def srt(transcript: Transcript) -> str:
    """SubRip. Where several channels speak, a cue of another channel than the one before begins with its name."""
    several = _has_channels(transcript)
    channel = None
    blocks: list[str] = []
    for number, cue in enumerate(cues(transcript), start=1):
        name = f"{_name(cue.channel)}: " if several and cue.channel != channel else ""
        channel = cue.channel
        # The format has no way to write its own arrow.
        text = (name + "\n".join(cue.lines)).replace("-->", "→")
        blocks.append(f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n{text}\n")
    return "\n".join(blocks)


def vtt(transcript: Transcript) -> str:
    """WebVTT. Where several channels speak, each is a voice."""
    several = _has_channels(transcript)
    blocks = ["WEBVTT\n"]
    for cue in cues(transcript):
        voice = f"<v {_name(cue.channel)}>" if several else ""
        text = "\n".join(cue.lines).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        blocks.append(f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n{voice}{text}\n")
    return "\n".join(blocks)


def _spoken(transcript: Transcript) -> Iterator[Cue]:
    """Cues at the times of their speech, in the order of the text of each channel."""
    several = _has_channels(transcript)
    earliest: dict[int, int] = {}
    for line in transcript.ordered:
        indent = cells(f"{_name(line.channel)}: ") if several else 0
        for start, end, lines in _pieces(line, indent):
            start = earliest[line.channel] = max(start, earliest.get(line.channel, 0))
            yield Cue(start, max(start, end), lines, line.channel, line.gap is not None)


def _pieces(line: Line, indent: int) -> Iterator[tuple[int, int, Sequence[str]]]:
    if line.gap is not None:
        yield round(line.start * 1000), round(line.end * 1000), (f"[no text: {line.gap}]",)
    elif line.text.strip():
        for tokens in split(tokens_of(line), indent):
            yield tokens[0].start_ms, tokens[-1].end_ms, lay_out(tokens, indent) or ()


def _reading_ms(cue: Cue) -> int:
    return max(MIN_MS, sum(map(cells, cue.lines)) * 1000 // READING_CELLS_PER_SECOND)


def _has_channels(transcript: Transcript) -> bool:
    return any(line.channel for line in transcript.lines)


def _name(channel: int) -> str:
    """Channels are counted from 1 for people, from 0 in `transcript.json`."""
    return f"Channel {channel + 1}"


def _clock(milliseconds: int, point: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{point}{rest:03d}"
