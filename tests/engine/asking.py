"""How the heavy suite asks an engine: a job at a time, redos included."""

import asyncio
import dataclasses

from tests import lj001
from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.engines.engine import Engine, Job, Recognition, Redo, Samples
from transcriber.events import Options

CLIP = lj001.samples().astype("float32") / 32768


def passage(number: int) -> Samples:
    """A passage of the demo recording."""
    place = lj001.passages()[number]
    return CLIP[round(place.start * SAMPLE_RATE) : round(place.end * SAMPLE_RATE)]


def job_of(samples: Samples, *, final: bool = True, **options: object) -> Job:
    deadline = asyncio.get_running_loop().time() + 50
    return Job(samples, dataclasses.replace(Options(), **options), final, deadline)


async def recognize(engine: Engine, job: Job) -> Recognition:
    (outcome,) = await engine.recognize([job])
    if isinstance(outcome, Redo):
        (outcome,) = await engine.recognize([outcome.job])
    assert isinstance(outcome, Recognition)
    return outcome
