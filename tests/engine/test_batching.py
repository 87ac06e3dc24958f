"""What a job yields never depends on its batch-mates, nor on what runs beside it."""

import asyncio

import pytest

from tests.engine.asking import CLIP, job_of
from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.engines.engine import Job, Outcome
from transcriber.engines.local_whisper import LocalWhisper

# Cut anywhere, also inside words: such windows are those that go wrong most. Lengths differ, the shape does not.
STARTS_SECONDS = (0, 6, 13, 22, 29, 36, 41, 44)
WINDOWS = [
    CLIP[start * SAMPLE_RATE : (start + 5) * SAMPLE_RATE + 1600 * number]
    for number, start in enumerate(STARTS_SECONDS, 1)
]


@pytest.mark.parametrize("final", [True, False], ids=["beam 5", "beam 1"])
async def test_text_and_times_are_the_same_in_every_batch(tiny: LocalWhisper, final: bool) -> None:
    def jobs(size: int, at: int) -> list[Job]:
        return [job_of(window, final=final, language="en") for window in WINDOWS[at : at + size]]

    assert len({tiny.batch_key(job) for job in jobs(8, 0)}) == 1
    seen: dict[int, list[str]] = {}
    for size in (1, 2, 4, 8):
        outcomes = [out for at in range(0, len(WINDOWS), size) for out in await tiny.recognize(jobs(size, at))]
        seen[size] = [_without_job(outcome) for outcome in outcomes]
    assert seen[1] == seen[2] == seen[4] == seen[8]
    assert sum("Recognition" in each for each in seen[1]) >= len(WINDOWS) // 2


async def test_text_and_times_are_the_same_beside_others(tiny: LocalWhisper) -> None:
    alone = [await tiny.recognize([job_of(window)]) for window in WINDOWS]
    beside = await asyncio.gather(*(tiny.recognize([job_of(window)]) for window in WINDOWS))
    assert [_without_job(out) for (out,) in alone] == [_without_job(out) for (out,) in beside]


async def test_the_loop_runs_on_while_the_model_works(tiny: LocalWhisper) -> None:
    loop = asyncio.get_running_loop()
    work = asyncio.create_task(tiny.recognize([job_of(window) for window in WINDOWS[:4]]))
    gaps: list[float] = []
    before = loop.time()
    while not work.done():
        await asyncio.sleep(0.001)
        gaps.append(loop.time() - before)
        before = loop.time()
    assert len(gaps) > 20
    assert sorted(gaps)[len(gaps) // 2] < 0.05


def _without_job(outcome: Outcome) -> str:
    """An outcome to compare; a redo's job holds samples, which don't compare."""
    return type(outcome).__name__ if not hasattr(outcome, "text") else repr(outcome)
