"""Stand-ins at the edges, written by hand: a detector and an engine whose answers follow from the audio alone."""

import asyncio
from collections.abc import Callable, Sequence

import numpy as np

from transcriber.engines.engine import Capabilities, Description, EngineError, Job, Outcome, Recognition
from transcriber.events import Error, Options
from transcriber.vad.detector import Frames, Probability


class LevelTrack:
    async def detect(self, frames: Frames) -> Probability:
        await asyncio.sleep(0)
        return (np.abs(frames).max(axis=1) > 0.01).astype(np.float32)


class LevelDetector:
    """Whatever is louder than -40 dBFS is speech."""

    def track(self) -> LevelTrack:
        return LevelTrack()

    async def close(self) -> None:
        return None


class LengthEngine:
    """Hears how many samples there were, and how loud: "s<samples> p<peak in percent>"."""

    def __init__(self, *, paid: bool = False, languages: frozenset[str] | None = None) -> None:
        self.capabilities = Capabilities(400, 300, paid, workers=2, languages=languages)
        self.description = Description("fake", "length")
        self.jobs: list[Job] = []
        self.answer: Callable[[Job], Outcome] = self.hear
        self.gate = asyncio.Event()
        """Cleared, the engine hangs."""
        self.gate.set()

    def refusal(self, options: Options) -> Error | None:
        languages = self.capabilities.languages
        if options.language and languages is not None and options.language not in languages:
            return Error("unsupported_language", "Not this one.", field="language")
        return None

    def batch_key(self, job: Job) -> object:
        return job.final

    async def recognize(self, jobs: Sequence[Job]) -> Sequence[Outcome]:
        self.jobs += jobs
        await self.gate.wait()
        return [self.answer(job) for job in jobs]

    async def close(self) -> None:
        return None

    @staticmethod
    def hear(job: Job) -> Recognition:
        peak = round(float(np.abs(job.samples).max(initial=0)) * 100)
        return Recognition(f"s{len(job.samples)} p{peak}")

    @staticmethod
    def fail(job: Job) -> EngineError:
        return EngineError("engine_unreachable", "The engine is down.")
