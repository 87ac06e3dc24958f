"""Second attempts at utterances that the engine failed on: their audio is decoded again from the spool.

Each is attempted once, when the engine is known to work again; what it gives is told as late.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from transcriber.audio.decoder import Decoder, ReadAt
from transcriber.audio.pcm import samples_of_ms
from transcriber.audio.samples import Samples
from transcriber.engines.engine import Capabilities, EngineError, Job, Recognition
from transcriber.engines.queue import Priority
from transcriber.engines.scheduler import Request, Scheduler
from transcriber.events import CloseUtterance, Failed, Options, TranscriptionLate
from transcriber.intake import Intake
from transcriber.spool import Spool
from transcriber.transcript import estimate_words, moved
from transcriber.vad.detector import Frames, Probability

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Gap:
    """An utterance without text: its audio with the context that the engine wants, and what was told of it."""

    utterance: CloseUtterance
    start: int
    stop: int
    told: Failed | None = None


class Gaps:
    """Those of one session."""

    def __init__(
        self,
        spool: Spool,
        session_id: str,
        scheduler: Scheduler,
        capabilities: Capabilities,
        decoder_for: Callable[[Options, ReadAt], Decoder],
    ) -> None:
        self._spool = spool
        self._session_id = session_id
        self._scheduler = scheduler
        self._capabilities = capabilities
        self._decoder_for = decoder_for
        self._untold: dict[int, Gap] = {}
        self._gaps: list[Gap] = []

    @property
    def due(self) -> bool:
        """Whether there is something to attempt."""
        return bool(self._gaps)

    def failed(self, utterance: CloseUtterance) -> None:
        """The engine gave no text for an utterance."""
        start = max(utterance.floor, utterance.start - samples_of_ms(self._capabilities.context_before_ms), 0)
        stop = min(utterance.ceiling, utterance.end + samples_of_ms(self._capabilities.context_after_ms))
        self._untold[utterance.utterance] = Gap(utterance, start, stop)

    def told(self, failed: Failed) -> None:
        """The client knows of it: from now on it may be told the text."""
        if failed.utterance is not None and (gap := self._untold.pop(failed.utterance, None)):
            self._gaps.append(Gap(gap.utterance, gap.start, gap.stop, failed))

    async def attempt(self, tell: Callable[[TranscriptionLate], None], *, heard: int, deadline: float) -> None:
        """Try all gaps there are, in one pass over the audio; `heard` is how many samples of it there were so far. The
        first failure ends the pass: then the engine does not work after all."""
        gaps, self._gaps = sorted(self._gaps, key=lambda gap: gap.stop), []
        intake = Intake(self._spool, _Deaf(), self._decoder_for, room=_at_once, stall_after=lambda: None)
        try:
            async with asyncio.timeout_at(deadline), contextlib.aclosing(intake.inputs()) as inputs:
                async for _ in inputs:
                    while gaps and intake.judged >= min(gaps[0].stop, heard):
                        tell(await self._late(gaps.pop(0), intake.samples, deadline))
                    if not gaps:
                        return
                    intake.samples.release(min(intake.judged, *(gap.start for gap in gaps)))
        except (TimeoutError, EngineError) as problem:
            log.info("gaps stay", extra={"session": self._session_id, "reason": type(problem).__name__})
        finally:
            self._gaps = gaps + self._gaps

    async def _late(self, gap: Gap, samples: Samples, deadline: float) -> TranscriptionLate:
        audio = samples.read(gap.utterance.track, gap.start, min(gap.stop, samples.end))
        job = Job(audio, gap.utterance.options, final=True, deadline=deadline)
        request = Request(self._session_id, (self._session_id, gap.utterance.utterance), job, Priority.RECOVERY)
        async for recognition in self._scheduler.transcribe(request):
            return _told_late(gap, recognition)
        raise EngineError("engine_error", "The engine gave nothing.")


def _told_late(gap: Gap, recognition: Recognition) -> TranscriptionLate:
    told, words, times = gap.told, recognition.words, recognition.times or "estimated"
    assert told is not None and told.start is not None and told.end is not None
    if words is None:
        speech = (gap.utterance.start, gap.utterance.end)
        words, times = estimate_words(recognition.text, [speech]), "estimated"
    else:
        words = moved(words, gap.start)
    return TranscriptionLate(
        utterance=gap.utterance.utterance,
        turn=told.turn or 0,
        channel=told.channel or 0,
        text=recognition.text,
        start=told.start,
        end=told.end,
        language=recognition.language,
        words=words,
        times=times,
    )


class _Deaf:
    """A detector for audio whose speech is known."""

    def track(self) -> "_Deaf":
        return self

    async def detect(self, frames: Frames) -> Probability:
        await asyncio.sleep(0)
        return np.zeros(len(frames), np.float32)

    async def close(self) -> None:
        return None


async def _at_once() -> None:
    return None
