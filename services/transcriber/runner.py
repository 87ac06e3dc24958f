"""One session's work, from its first byte until it is stored, whoever is connected meanwhile.

Inputs from the intake and from the engine reach the session in one place, and its effects are performed there at once;
recognitions run beside it as tasks.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable
from dataclasses import replace

from transcriber.audio.pcm import SAMPLE_RATE, samples_of_ms, seconds
from transcriber.endings import entry_of
from transcriber.engines.engine import EngineError, Job, Recognition, checked
from transcriber.engines.partials import PartialPolicy
from transcriber.engines.scheduler import Request
from transcriber.events import (
    Ack,
    Close,
    CloseUtterance,
    Disconnected,
    DropUtterance,
    Effect,
    EngineFailed,
    Error,
    Event,
    Failed,
    Hypothesis,
    Input,
    Opened,
    OpenUtterance,
    Partial,
    Probabilities,
    Record,
    Started,
    Status,
    Storage,
    Tell,
    Transcription,
)
from transcriber.figures import Figures
from transcriber.gaps import Gaps
from transcriber.intake import Intake
from transcriber.parts import Parts
from transcriber.replay import Replay
from transcriber.session import Session, State
from transcriber.spool import Spool
from transcriber.standing import Standing
from transcriber.transcript import moved
from transcriber.utterances import OpenSpeech

log = logging.getLogger(__name__)

_PENDING_SECONDS = 30
"""Audio decoded and not yet recognized, beyond which decoding waits."""
_STALL_FACTOR = 2
"""Times the endpointing time without audio: a pause."""
_PATIENCE = 60
"""Times an utterance's usual deadline, where nobody is connected who waits for its text."""
_REPAIR_PAUSE_SECONDS = 30
"""Between two attempts at what the engine failed on."""


Watch = Callable[[Event], None]


class Runner:
    """Owns the work of one session; belongs to `sessions`."""

    def __init__(
        self, spool: Spool, status: Status, parts: Parts, *, recovering: bool = False, watch: Watch | None = None
    ) -> None:
        """`recovering`: it was begun before; `watch`: nobody is connected, but this is told the numbered events."""
        self.session = Session(status.options, max_samples=int(status.max_session_seconds * SAMPLE_RATE))
        self._spool = spool
        self._status = status
        self._parts = parts
        self._capabilities = parts.engine.capabilities
        self._replay = Replay(spool)
        self._intake = Intake(spool, parts.detector, parts.decoder_for, room=self._room, stall_after=self._stall_after)
        self._policies: dict[int, PartialPolicy] = {}
        self._guessing: dict[int, asyncio.Task[None]] = {}
        """Running partials, by utterance; at most one each."""
        self._heard_at: dict[int, str | None] = {}
        """When utterances began on the wall clock, those without a final."""
        self._gaps = Gaps(spool, status.session_id, parts.scheduler)
        self.recording = parts.recorder.begin(spool, status, parts.decoder_for)
        self._record: Record = status.options.record
        """The least that was asked to be kept, also by a `start` that was refused."""
        self._repairing: asyncio.Task[None] | None = None
        self._repaired_at = -math.inf
        self._engine_works = recovering
        """Whether it gave its last final; one that failed a process before this one may work again."""
        self._pending_samples = 0
        self.away: Callable[[], bool] = bool
        """Whether the client is gone for a while: that it sends nothing means nothing then."""
        self.storing = False
        """Whether all that is left to do is to store it."""
        self._settled = asyncio.Event()
        """Set when a recognition has ended."""
        self._standing = Standing(self._intake, spool, recovering=recovering, patient=watch is not None)
        self._deadline_seconds = parts.utterance_deadline_seconds * (_PATIENCE if watch else 1)
        self._watch: Watch = watch or (lambda event: None)
        self._figures = Figures(status, spool, parts.metrics, parts.traces, recovered=recovering)
        self._figures.job = watch is not None

    @property
    def audio_seconds(self) -> float:
        """How much audio was decoded so far."""
        return seconds(self._intake.samples.end)

    async def run(self) -> None:
        """Until the session is stored. Whatever happens, the connection is told how it ended."""
        try:
            await self._run()
        except Exception:
            log.exception("session failed", extra={"session": self._status.session_id})
            error = Error("internal_error", "The service failed; what was sent is kept.", close_code=1011)
            self._spool.append_event(failed := Failed(error))
            self._watch(failed)
            self._spool.shut(Close(1011, error.code))
            self._figures.closing(error.code)
        finally:
            self.recording.stop()
            self._figures.over()

    @property
    def storage(self) -> Storage | None:
        """What became of the recording, once it is known."""
        return self._figures.storage

    @property
    def progress(self) -> tuple[float, float]:
        """Seconds of audio that are done with, and an estimate of their share of all of it."""
        return self._standing.progress(self.session.untold_from)

    def give_up(self, reason: str) -> None:
        """Whoever cancels `run` says why."""
        self._figures.closing(reason)

    async def _run(self) -> None:
        self._hear(Opened(self._status))
        async with asyncio.TaskGroup() as self._tasks:
            async with contextlib.aclosing(self._intake.inputs()) as inputs:
                async for heard in inputs:
                    self._note(heard)
                    self._hear(checked(self._parts.engine, heard, self.session.options))
                    if self.session.state is State.FINISHING:
                        break
                    if isinstance(heard, Started):
                        self.recording.start(self.session.options.within(self._record))
                    if isinstance(heard, Probabilities) and heard.track + 1 < self._intake.tracks:
                        continue  # What the session needs of the tracks behind it, it does not know yet.
                    if not self._standing.catching_up:
                        self._guess()
                    self._release()
            self._spool.seal()
            while self.session.owes:
                self._settled.clear()
                await self._settled.wait()
            for task in self._guessing.values():
                task.cancel()
            self._repair_gaps(pause_seconds=0)
        duration = seconds(self._intake.samples.end)
        self.storing = True
        options = self.session.options.within(self._record)
        storing = self.recording.finish(options, duration, self._hear)
        entry = entry_of(self._status, options, self._figures, duration)
        self._figures.storage = await self._parts.endings.stored(self._status.owner, entry, storing)

    def _hear(self, heard: Input) -> None:
        """Tell the session and do what it orders."""
        for effect in self.session.handle(heard):
            self._perform(effect)
        self._figures.state(self.session.state)

    def _note(self, heard: Input) -> None:
        if isinstance(heard, Started) and self.session.state is State.WAITING:
            self._record = heard.options.within(self._record).record
        self._figures.disconnected |= isinstance(heard, Disconnected)
        if isinstance(heard, Probabilities):
            self._standing.heard()
            self._figures.heard(self._intake.judged, before=self._standing.catching_up)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Tell(event):
                self._tell(event)
            case OpenUtterance():
                self._policies[effect.utterance] = PartialPolicy(paid=self._capabilities.paid)
                self._heard_at[effect.utterance] = self._standing.heard_at(effect.start)
                self._figures.opened(effect.utterance, self._standing.arrived_at(effect.start))
            case CloseUtterance():
                self._drop(effect.utterance)
                self._figures.closed(effect, self._standing.arrived_at(effect.end))
                self._recognize(effect)
            case DropUtterance():
                self._drop(effect.utterance)
                self._heard_at.pop(effect.utterance, None)
                self._figures.dropped(effect.utterance)
            case Close():
                self._spool.shut(effect)
                self._figures.closing(effect.reason)

    def _tell(self, event: Event) -> None:
        if isinstance(event, Partial | Ack):
            self._spool.offer(event)
            self._figures.told(event)
            return
        if isinstance(event, Transcription | Failed) and event.utterance is not None and event.end is not None:
            chunks = self._intake.chunks.range_to(round(event.end * SAMPLE_RATE), self._spool.open_run)
            event = replace(event, chunk_range=chunks, heard_at=self._heard_at.pop(event.utterance, None))
        if isinstance(event, Failed):
            self._gaps.told(event)
        before = self._replay.told(event)
        self._figures.told(event, before=before)
        if self.recording.keeps(event, self.session.options) and not before:
            self._parts.endings.told(self._status, event)
        if not before:
            self._spool.append_event(event)
        self._watch(event)

    def _recognize(self, utterance: CloseUtterance) -> None:
        """Get an utterance's final: from what was told before the process ended, else from the engine."""
        if (result := self._replay.result(utterance.utterance)) is not None:
            if isinstance(result, EngineFailed) and utterance.utterance not in self._replay.late:
                request, start = self._final_request(utterance)
                self._gaps.failed(utterance, request.job, start)
            asyncio.get_running_loop().call_soon(self._settle, result)
            return
        request, start = self._final_request(utterance)
        self._pending_samples += len(request.job.samples)
        self._tasks.create_task(self._final(utterance, request, start))

    async def _final(self, utterance: CloseUtterance, request: Request, start: int) -> None:
        try:
            with self._figures.asking(utterance.utterance, request.job) as answered:
                async for recognition in self._parts.scheduler.transcribe(request):
                    answered()
                    self._engine_works = True
                    self._settle(_hypothesis(utterance.utterance, recognition, start, final=True))
                    self._repair_gaps(pause_seconds=_REPAIR_PAUSE_SECONDS)
        except EngineError as problem:
            self._engine_works = False
            self._gaps.failed(utterance, request.job, start)
            self._settle(EngineFailed(utterance.utterance, problem.error))
        finally:
            self._pending_samples -= len(request.job.samples)
            self._settled.set()

    def _settle(self, result: Hypothesis | EngineFailed) -> None:
        self._hear(result)
        self._settled.set()

    def _repair_gaps(self, *, pause_seconds: float) -> None:
        """Try again what the engine failed on, if it works now and that was not tried just before."""
        now = asyncio.get_running_loop().time()
        busy = self._repairing is not None and not self._repairing.done()
        if self._gaps.due and self._engine_works and not busy and now >= self._repaired_at + pause_seconds:
            attempt = self._gaps.attempt(self._tell, deadline=now + self._deadline_seconds)
            self._repairing, self._repaired_at = self._tasks.create_task(attempt), now

    def _guess(self) -> None:
        """Ask for partials of what is being spoken, where they are due."""
        if not self.session.options.interim_results or not self._parts.scheduler.partials_welcome:
            return
        for speech in self.session.speech:
            policy, end = self._policies[speech.utterance], self._intake.judged
            if speech.utterance in self._guessing:
                continue
            if policy.due(voiced=speech.voiced_samples, start=speech.start, end=end):
                policy.sent(start=speech.start, end=end)
                task = self._tasks.create_task(self._partial(speech, end))
                self._guessing[speech.utterance] = task

    async def _partial(self, speech: OpenSpeech, end: int) -> None:
        request, start = self._request(speech, end, final=False)
        try:
            with self._figures.asking(speech.utterance, request.job) as answered:
                async for recognition in self._parts.scheduler.transcribe(request):
                    answered()
                    self._hear(_hypothesis(speech.utterance, recognition, start, final=False, end=end))
        except EngineError as problem:
            log.debug("no partial", extra={"session": self._status.session_id, "code": problem.code})
        finally:
            self._guessing.pop(speech.utterance, None)

    def _final_request(self, utterance: CloseUtterance) -> tuple[Request, int]:
        stop = min(utterance.ceiling, utterance.end + samples_of_ms(self._capabilities.context_after_ms))
        return self._request(utterance, stop, final=True)

    def _request(self, speech: OpenSpeech | CloseUtterance, stop: int, *, final: bool) -> tuple[Request, int]:
        """The job for an utterance with the context that the engine wants, and where its audio begins."""
        samples, session_id = self._intake.samples, self._status.session_id
        start = max(speech.floor, speech.start - samples_of_ms(self._capabilities.context_before_ms), 0)
        audio = samples.read(speech.track, start, min(stop, samples.end))
        deadline = asyncio.get_running_loop().time() + self._deadline_seconds
        job = Job(audio, speech.options, final=final, deadline=deadline)
        return Request(session_id, (session_id, speech.utterance), job, self._standing.priority(final=final)), start

    def _drop(self, utterance: int) -> None:
        """No more partials of an utterance; one that is running ends unheard."""
        self._policies.pop(utterance, None)
        self._parts.scheduler.drop_partials((self._status.session_id, utterance))

    def _release(self) -> None:
        """Let go of the samples that nothing can need any more."""
        judged = self._intake.judged
        needed = [self.session.needed_from(track) for track in range(self._intake.tracks)]
        oldest = min((judged if start is None else start for start in needed), default=judged)
        self._intake.samples.release(max(0, oldest - samples_of_ms(self._capabilities.context_before_ms)))
        self.recording.release(self._intake.position_bytes)
        untold = self.session.untold_from
        self._intake.chunks.forget(oldest if untold is None else min(oldest, untold))

    async def _room(self) -> None:
        """Until the engine has caught up enough for more audio to be decoded."""
        while self._pending_samples > _PENDING_SECONDS * SAMPLE_RATE:
            self._settled.clear()
            await self._settled.wait()

    def _stall_after(self) -> float | None:
        speaking = self.session.speech and not self.away()
        return _STALL_FACTOR * self.session.options.endpointing_ms / 1000 if speaking else None


def _hypothesis(
    utterance: int, recognition: Recognition, start: int, *, final: bool, end: int | None = None
) -> Hypothesis:
    """A recognition with its times moved to the session's clock."""
    words = None if recognition.words is None else moved(recognition.words, start)
    return Hypothesis(utterance, recognition.text, words, final, recognition.language, recognition.times, end)
