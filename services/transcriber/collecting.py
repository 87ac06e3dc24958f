"""The transcript that a session's events make."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace

from transcriber.audio.formats import decoded_at_end, plain_samples
from transcriber.audio.wav import MAX_HEADER_BYTES
from transcriber.events import (
    Event,
    Failed,
    Options,
    RecordingPaused,
    RecordingResumed,
    Status,
    Transcription,
    TranscriptionLate,
    Warned,
)
from transcriber.pauses import SETTLE_SECONDS, Pauses
from transcriber.spool import Spool
from transcriber.transcript import DAMAGED, Line, Missing, Transcript

_NEAR_SECONDS = 1
"""Damage may be seen in the bytes of a container before the times behind it say how much is missing."""


def collect(spool: Spool, status: Status, options: Options, duration: float) -> Transcript:
    """A late text fills its gap; what was said while the recording was paused is one."""
    lines: dict[int, Line] = {}
    missing: list[Missing] = []
    pauses = Pauses()
    cursor = spool.events()
    while (numbered := cursor.next()) is not None:
        event = numbered[1]
        if isinstance(event, Transcription | TranscriptionLate | Failed) and event.utterance is not None:
            lines[event.utterance] = _line(event, lines.get(event.utterance))
        elif isinstance(event, Warned):
            missing += _missing(event, duration)
        elif isinstance(event, RecordingPaused | RecordingResumed):
            pauses.mark(event.at, paused=isinstance(event, RecordingPaused))
    asked = asdict(options)
    del asked["resume"]
    return Transcript(
        session_id=status.session_id,
        started_at=status.started_at,
        duration=duration,
        engine=status.engine,
        model=status.model,
        service_version=status.version,
        options=asked,
        lines=tuple(map(_hiding(spool, options, pauses), lines.values())),
        missing=tuple(_distinct(missing)),
    )


def _line(event: Transcription | TranscriptionLate | Failed, before: Line | None) -> Line:
    """An utterance as an event has it; `before` is what was told of it, if that failed."""
    if isinstance(event, Failed):
        start, end = event.start or 0.0, event.end or 0.0
        number, turn, channel = event.utterance or 0, event.turn or 0, event.channel or 0
        return Line(number, turn, channel, start, end, "", gap=event.error.code, heard_at=event.heard_at)
    heard_at = event.heard_at if isinstance(event, Transcription) else before and before.heard_at
    return Line(
        event.utterance,
        event.turn,
        event.channel,
        event.start,
        event.end,
        event.text,
        event.language,
        event.words,
        event.times,
        heard_at=heard_at,
    )


def _missing(warned: Warned, duration: float) -> list[Missing]:
    """The audio without text that a warning is about, if it is about any."""
    match warned.code:
        case "audio_damaged":
            return [Missing(warned.at or 0.0, warned.end)]
        case "audio_not_transcribed":
            return [Missing(warned.at or 0.0, reason=warned.cause or warned.code)]
        case "session_too_long":
            return [Missing(duration if warned.at is None else warned.at, reason=warned.code)]
        case _:
            return []


def _distinct(missing: Sequence[Missing]) -> Iterator[Missing]:
    """Without damage of which it turned out just behind it how long it is."""
    for at, each in enumerate(missing):
        measured = [later.start for later in missing[at + 1 : at + 2] if later.end is not None]
        if each.end is not None or each.reason != DAMAGED or not measured or measured[0] - each.start >= _NEAR_SECONDS:
            yield each


def _hiding(spool: Spool, options: Options, pauses: Pauses) -> Callable[[Line], Line]:
    """What makes gaps of the lines that must not be kept."""
    unkept = said_in_pauses(spool, options, pauses)

    def hidden(line: Line) -> Line:
        if unkept(line.start, line.end):
            return replace(line, text="", language=None, words=(), times=None, gap="recording_paused")
        return line

    return hidden


class Unkept:
    """Which texts may be told to the client, and to nobody who keeps them, by the events that are told."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._pauses = Pauses()

    def told(self, event: Event, options: Options) -> bool:
        """Whether it has what was said while the recording was paused."""
        if isinstance(event, RecordingPaused | RecordingResumed):
            self._pauses.mark(event.at, paused=isinstance(event, RecordingPaused))
        if not self._pauses.ranges or not isinstance(event, Transcription | TranscriptionLate):
            return False
        return said_in_pauses(self._spool, options, self._pauses)(event.start, event.end)


def said_in_pauses(spool: Spool, options: Options, pauses: Pauses) -> Callable[[float, float], bool]:
    """Whether what was said from one second to another may have been said while the recording was paused."""
    if not pauses.ranges:
        return lambda start, end: False
    head = spool.read_audio(0, MAX_HEADER_BYTES)
    if decoded_at_end(options, head):  # Nothing is decoded before the end: nobody knows.
        return lambda start, end: True
    settle = 0.0 if plain_samples(options, head) else SETTLE_SECONDS
    return lambda start, end: pauses.touch(start, end, settle)
