"""Utterances while a session has them: what is known of each, and the event that ends it."""

from dataclasses import dataclass, field

from transcriber.agreement import LocalAgreement
from transcriber.audio.pcm import seconds
from transcriber.events import EngineFailed, Error, Failed, Hypothesis, Options, Transcription
from transcriber.transcript import estimate_words, within
from transcriber.vad.endpointer import Finished


@dataclass(frozen=True, slots=True)
class OpenSpeech:
    """An utterance that is being spoken."""

    utterance: int
    track: int
    start: int
    floor: int
    voiced_samples: int
    options: Options


@dataclass(slots=True)
class Utterance:
    """From its beginning to its final."""

    number: int
    turn: int
    track: int
    start: int
    options: Options
    finished: Finished | None = None
    result: Hypothesis | EngineFailed | None = None
    agreement: LocalAgreement = field(default_factory=LocalAgreement)


def told(utterance: Utterance) -> Transcription | Failed:
    """The event that ends an utterance."""
    finished, result = utterance.finished, utterance.result
    assert finished is not None and result is not None
    start, end = seconds(finished.start), seconds(finished.end)
    if isinstance(result, EngineFailed):
        cause = f"No text for {start:.3f}-{end:.3f} s: {result.error.message} ({result.error.code})"
        return Failed(Error("engine_failed", cause), utterance.number, utterance.turn, utterance.track, start, end)
    words, times = result.words, result.times or "estimated"
    if words is None:
        words, times = estimate_words(result.text, finished.voiced), "estimated"
    words = within(words, start, end)
    return Transcription(
        utterance=utterance.number,
        turn=utterance.turn,
        channel=utterance.track,
        text=result.text,
        start=start,
        end=end,
        reason=finished.reason,
        ends_turn=finished.ends_turn,
        language=result.language,
        words=words,
        times=times,
    )
