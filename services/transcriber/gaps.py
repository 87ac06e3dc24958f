"""Second attempts at utterances that the engine failed on: their samples are kept in the spool until then.

Each is attempted once, when the engine is known to work again; what it gives is told as late.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from transcriber.engines.engine import EngineError, Job, Recognition
from transcriber.engines.queue import Priority
from transcriber.engines.scheduler import Request, Scheduler
from transcriber.events import CloseUtterance, Failed, TranscriptionLate
from transcriber.spool import Spool
from transcriber.transcript import estimate_words, moved, within

log = logging.getLogger(__name__)

_FULL_SCALE = 32767
"""Samples are kept in 16 bits: 15 s take 480 kB."""


@dataclass(frozen=True, slots=True)
class Gap:
    """An utterance without text, where its samples begin, and what was told of it."""

    utterance: CloseUtterance
    start: int
    told: Failed | None = None

    @property
    def name(self) -> str:
        return f"gap-{self.utterance.utterance}"


class Gaps:
    """Those of one session."""

    def __init__(self, spool: Spool, session_id: str, scheduler: Scheduler) -> None:
        self._spool = spool
        self._session_id = session_id
        self._scheduler = scheduler
        self._untold: dict[int, Gap] = {}
        self._gaps: list[Gap] = []

    @property
    def due(self) -> bool:
        """Whether there is something to attempt."""
        return bool(self._gaps)

    def failed(self, utterance: CloseUtterance, job: Job, start: int) -> None:
        """The engine gave no text for an utterance, whose job begins at `start`. Without room its gap stays."""
        gap = Gap(utterance, start)
        samples = (np.clip(job.samples, -1, 1) * _FULL_SCALE).round().astype("<i2")
        try:
            self._spool.put_beside(gap.name, samples.tobytes())
        except OSError as problem:
            log.warning("gap stays", extra={"session": self._session_id, "reason": type(problem).__name__})
        else:
            self._untold[utterance.utterance] = gap

    def told(self, failed: Failed) -> None:
        """The client knows of it: from now on it may be told the text."""
        if failed.utterance is not None and (gap := self._untold.pop(failed.utterance, None)):
            self._gaps.append(replace(gap, told=failed))

    async def attempt(self, tell: Callable[[TranscriptionLate], None], *, deadline: float) -> None:
        """Try all gaps there are. The first failure ends it: then the engine does not work after all."""
        try:
            async with asyncio.timeout_at(deadline):
                while self._gaps:
                    tell(await self._late(self._gaps[0], deadline))
                    self._spool.drop_beside(self._gaps.pop(0).name)
        except (TimeoutError, EngineError, OSError) as problem:
            log.info("gaps stay", extra={"session": self._session_id, "reason": type(problem).__name__})

    async def _late(self, gap: Gap, deadline: float) -> TranscriptionLate:
        samples = np.frombuffer(self._spool.read_beside(gap.name), "<i2").astype(np.float32) / np.float32(_FULL_SCALE)
        job = Job(samples, gap.utterance.options, final=True, deadline=deadline)
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
        words = within(moved(words, gap.start), told.start, told.end)
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
