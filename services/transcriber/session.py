"""What happens next in one client's session: inputs in, effects out, and nothing else.

    WAITING ──Started──► LISTENING ──Ended, Disconnected, Draining, fatal Rejected──► FINISHING ──Stored──► CLOSED

In WAITING the client may still say how its audio is coded. In FINISHING no audio comes any more; finals are owed until
every utterance has its text or its error. `Stored` may come only when nothing is owed; it brings the last event.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from transcriber.audio.pcm import FRAME_SAMPLES, seconds
from transcriber.events import (
    Clear,
    Close,
    CloseUtterance,
    Complete,
    Damaged,
    Disconnected,
    Draining,
    DropUtterance,
    Effect,
    Ended,
    EngineFailed,
    Error,
    Event,
    Failed,
    Finalize,
    Hypothesis,
    Input,
    Opened,
    OpenUtterance,
    Options,
    Partial,
    PauseRecording,
    Probabilities,
    Reason,
    Reconfigure,
    Recording,
    RecordingPaused,
    RecordingResumed,
    Rejected,
    ResumeRecording,
    SpeechStarted,
    SpeechStopped,
    Stalled,
    Started,
    Status,
    Stored,
    Tell,
    Warned,
)
from transcriber.in_force import InForce
from transcriber.utterances import OpenSpeech, Utterance, told
from transcriber.vad.endpointer import Began, Boundary, Endpointer, Endpointing

State = Enum("State", "WAITING LISTENING FINISHING CLOSED")


@dataclass(slots=True)
class _Track:
    endpointer: Endpointer
    turn: int | None = None
    open: Utterance | None = None
    owed: deque[Utterance] = field(default_factory=deque[Utterance])
    """Closed utterances without a told final, oldest first."""


class Session:
    """One client's life, over several connections. `handle` is synchronous and performs nothing."""

    def __init__(self, defaults: Options | None = None, *, max_samples: int | None = None) -> None:
        """`max_samples` is where a session ends that its client does not end."""
        self.state = State.WAITING
        self._max_samples = max_samples
        self._in_force = InForce(defaults or Options())
        self._status: Status | None = None
        self._tracks: dict[int, _Track] = {}
        self._utterances = self._turns = 0
        self._speech_samples = 0
        self._paused = False
        self._failure: Error | None = None
        self._close = Close(1000, "complete")
        self._effects: list[Effect] = []
        self._handlers: dict[type, Callable[[Any], None]] = {
            Opened: self._open,
            Started: self._start,
            Probabilities: self._judge,
            Stalled: lambda stalled: self._finish_utterances(stalled.at, "silence"),
            Finalize: lambda finalize: self._finish_utterances(finalize.at, finalize.reason),
            Clear: self._clear,
            Reconfigure: self._reconfigure,
            PauseRecording: self._mark,
            ResumeRecording: self._mark,
            Rejected: self._reject,
            Damaged: self._miss,
            Hypothesis: self._hypothesis,
            EngineFailed: self._result,
            Draining: self._drain,
            Ended: lambda ended: self._end(ended.at),
            Disconnected: lambda gone: self._end(gone.at),
            Stored: self._stored,
        }

    @property
    def options(self) -> Options:
        """Those of what comes now."""
        return self._in_force.now

    @property
    def owes(self) -> bool:
        """Whether an utterance still waits for its final."""
        return any(track.owed or track.open for track in self._tracks.values())

    @property
    def speech(self) -> list[OpenSpeech]:
        """The utterances that are being spoken now, at most one a track."""
        return [
            OpenSpeech(track.open.number, number, track.open.start, track.endpointer.floor, voiced, track.open.options)
            for number, track in self._tracks.items()
            if track.open and (voiced := track.endpointer.voiced_samples)
        ]

    def needed_from(self, track: int) -> int | None:
        """The first sample that speech still going on needs; None when nobody speaks on the track."""
        known = self._tracks.get(track)
        return known.endpointer.needed_from if known else None

    @property
    def untold_from(self) -> int | None:
        """Where the first utterance without a told final begins; None when there is none."""
        waiting = [utterance for track in self._tracks.values() for utterance in (*track.owed, track.open)]
        return min((utterance.start for utterance in waiting if utterance), default=None)

    def handle(self, heard: Input) -> list[Effect]:
        """What is to be done about an input. In CLOSED: nothing."""
        if self.state is not State.CLOSED:
            self._handlers[type(heard)](heard)
        effects, self._effects = self._effects, []
        return effects

    def _tell(self, event: Event) -> None:
        self._effects.append(Tell(event))

    def _open(self, opened: Opened) -> None:
        self._status = opened.status
        self._tell(opened.status.shown)

    def _start(self, started: Started) -> None:
        if self.state is not State.WAITING:
            message = "The session has already started; only `configure` changes its options now."
            self._tell(Failed(Error("already_started", message, field="type")))
            return
        self.state = State.LISTENING
        self._in_force.start(started.options)
        if self._status and self._status.options != started.options:
            self._tell(replace(self._status, options=started.options).shown)

    def _endpointing(self) -> Endpointing:
        return Endpointing(speech_threshold=self.options.speech_threshold, endpointing_ms=self.options.endpointing_ms)

    def _judge(self, probabilities: Probabilities) -> None:
        if self.state is not State.LISTENING:
            return
        track = self._tracks.get(probabilities.track)
        if track is None:
            track = self._tracks[probabilities.track] = _Track(Endpointer(self._endpointing()))
        frames = list(zip(probabilities.values, probabilities.levels, strict=True))
        left = len(frames)
        if self._max_samples is not None:
            left = max(0, self._max_samples - probabilities.first_sample) // FRAME_SAMPLES
        for boundary in track.endpointer.feed(probabilities.first_sample, frames[:left]):
            self._pass(probabilities.track, track, boundary)
        if left < len(frames):
            end = probabilities.first_sample + left * FRAME_SAMPLES
            message = "The session is as long as sessions may be, and ends here."
            self._tell(Warned("session_too_long", message, seconds(end)))
            self._close = Close(1000, "session_too_long")
            self._end(end)

    def _pass(self, number: int, track: _Track, boundary: Boundary) -> None:
        """A boundary of an utterance is passed."""
        if isinstance(boundary, Began):
            if track.turn is None:
                self._turns += 1
                track.turn = self._turns
                self._tell(SpeechStarted(track.turn, number, seconds(boundary.start)))
            self._utterances += 1
            options = self._in_force.at(boundary.start)
            track.open = Utterance(self._utterances, track.turn, number, boundary.start, options)
            self._effects.append(OpenUtterance(self._utterances, number, boundary.start, boundary.floor))
            return
        utterance = track.open
        assert utterance is not None and track.turn is not None
        utterance.finished, track.open = boundary, None
        track.owed.append(utterance)
        self._speech_samples += boundary.end - boundary.start
        where = (boundary.start, boundary.end, boundary.floor, boundary.ceiling)
        self._effects.append(CloseUtterance(utterance.number, number, *where, utterance.options))
        if boundary.ends_turn:
            self._tell(SpeechStopped(track.turn, number, seconds(boundary.end)))
            track.turn = None

    def _finish_utterances(self, at: int, reason: Reason) -> None:
        for number, track in self._tracks.items():
            for boundary in track.endpointer.finish(at, reason):
                self._pass(number, track, boundary)

    def _clear(self, clear: Clear) -> None:
        for number, track in self._tracks.items():
            track.endpointer.clear(clear.at)
            if track.open:
                self._effects.append(DropUtterance(track.open.number))
                assert track.turn is not None
                self._tell(SpeechStopped(track.turn, number, seconds(clear.at)))
            track.open = track.turn = None

    def _reconfigure(self, reconfigure: Reconfigure) -> None:
        self._in_force.change(reconfigure.changes, reconfigure.at)
        for track in self._tracks.values():
            track.endpointer.configure(self._endpointing())

    def _mark(self, mark: Recording) -> None:
        """An utterance lies before or behind: its text is kept or not as a whole."""
        paused = isinstance(mark, PauseRecording)
        if paused is not self._paused:
            self._paused = paused
            self._finish_utterances(mark.at, "finalize")
            self._tell((RecordingPaused if paused else RecordingResumed)(seconds(mark.at)))

    def _reject(self, rejected: Rejected) -> None:
        if rejected.error.close_code is None:
            self._tell(Failed(rejected.error))
        elif self._failure is None:
            if rejected.loses_audio:
                self._tell(_not_transcribed(rejected))
            self._failure = rejected.error
            self._close = Close(rejected.error.close_code, rejected.error.code)
            self._end(rejected.at)

    def _miss(self, damaged: Damaged) -> None:
        self._tell(_damage(damaged))

    def _drain(self, draining: Draining) -> None:
        self._close = Close(1012, "service restart")
        self._end(draining.at)

    def _end(self, at: int) -> None:
        if self.state is not State.FINISHING:
            self._finish_utterances(at, "end")
            self.state = State.FINISHING

    def _hypothesis(self, hypothesis: Hypothesis) -> None:
        if hypothesis.final:
            self._result(hypothesis)
            return
        opened = (track.open for track in self._tracks.values())
        utterance = next((each for each in opened if each and each.number == hypothesis.utterance), None)
        if utterance is None:
            return
        self._tell(
            Partial(
                utterance=utterance.number,
                turn=utterance.turn,
                channel=utterance.track,
                start=seconds(utterance.start),
                end=seconds(hypothesis.end or utterance.start),
                text=hypothesis.text,
                stable_words=utterance.agreement.stable_words(hypothesis.text),
            )
        )

    def _result(self, result: Hypothesis | EngineFailed) -> None:
        """A final is here; tell it and those behind it that had to wait for it."""
        for track in self._tracks.values():
            for utterance in track.owed:
                if utterance.number == result.utterance and utterance.result is None:
                    utterance.result = result
            while track.owed and track.owed[0].result is not None:
                self._tell(told(track.owed.popleft()))

    def _stored(self, stored: Stored) -> None:
        assert self.state is State.FINISHING and not self.owes
        if self._failure:
            self._tell(Failed(self._failure))
        else:
            self._tell(
                Complete(
                    full_transcription=stored.full_transcription,
                    received_bytes=stored.received_bytes,
                    total_chunks=stored.received_messages,
                    duration=stored.duration,
                    speech=seconds(self._speech_samples),
                    utterances=self._utterances,
                    storage=stored.storage,
                )
            )
        self._effects.append(self._close)
        self.state = State.CLOSED


def _damage(damaged: Damaged) -> Warned:
    """What is told of a stretch that is missing."""
    at = seconds(damaged.at)
    if damaged.end is not None:
        end = seconds(damaged.end)
        message = f"From {at:.3f} to {end:.3f} s audio is damaged or missing; there is silence instead."
        return Warned("audio_damaged", message, at, end)
    message = f"At {at:.3f} s audio is damaged or missing; what could not be decoded was left out."
    if damaged.disbelieved_seconds is not None:
        message += f" That it is {damaged.disbelieved_seconds:.0f} s, as the stream says, is not believed."
    return Warned("audio_damaged", message, at)


def _not_transcribed(rejected: Rejected) -> Warned:
    """What is told of audio behind an error that ends the session."""
    at, code = seconds(rejected.at), rejected.error.code
    return Warned("audio_not_transcribed", f"From {at:.3f} s on audio has no text: {code}.", at, cause=code)
