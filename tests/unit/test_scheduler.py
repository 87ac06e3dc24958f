"""The scheduler with an engine whose every answer the test gives, and a clock that only the test moves."""

import asyncio
import gc
import logging
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.engines.engine import Capabilities, Description, EngineError, Job, Outcome, Recognition, Redo
from transcriber.engines.queue import Priority
from transcriber.engines.scheduler import AudioSeconds, Request, Scheduler
from transcriber.events import Error, Options

LIVE_FINAL, LIVE_PARTIAL, BACKLOG, RECOVERY = Priority
TICKS = 20
"""Turns of the event loop in which everything that can happen has happened."""


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(eq=False)
class Call:
    """One batch that the engine was given."""

    jobs: list[Job]
    answer: asyncio.Future[Sequence[Outcome]] = field(default_factory=asyncio.Future[Sequence[Outcome]])

    def finish(self, *outcomes: Outcome) -> None:
        self.answer.set_result(outcomes or [heard(job) for job in self.jobs])


class StagedEngine:
    """Answers when the test says so."""

    def __init__(self, *, workers: int = 1, max_batch: int = 1) -> None:
        self.capabilities = Capabilities(0, 0, paid=False, workers=workers, max_batch=max_batch)
        self.description = Description("staged", "none")
        self.calls: list[Call] = []

    def refusal(self, options: Options) -> Error | None:
        return None

    def batch_key(self, job: Job) -> object:
        return job.final, job.full_context

    async def recognize(self, jobs: Sequence[Job]) -> Sequence[Outcome]:
        call = Call(list(jobs))
        self.calls.append(call)
        return await call.answer

    async def close(self) -> None:
        raise AssertionError("the scheduler does not own the engine")


def heard(job: Job) -> Recognition:
    return Recognition(f"{len(job.samples)} samples")


def job(seconds: float = 1.0, *, final: bool = True, deadline: float = 1060.0) -> Job:
    samples = np.zeros(int(seconds * SAMPLE_RATE), np.float32)
    return Job(samples, Options(), final=final, deadline=deadline)


def request(
    session: str = "a", utterance: int = 0, priority: Priority = LIVE_FINAL, *, what: Job | None = None
) -> Request:
    return Request(session, (session, utterance), what or job(final=priority is not LIVE_PARTIAL), priority)


async def ticks() -> None:
    for _ in range(TICKS):
        await asyncio.sleep(0)


@dataclass
class Stage:
    """A scheduler, its engine and clock, and callers as tasks."""

    engine: StagedEngine
    clock: Clock
    scheduler: Scheduler
    callers: list[asyncio.Task[list[Recognition]]] = field(default_factory=list[asyncio.Task[list[Recognition]]])

    async def ask(self, wanted: Request) -> asyncio.Task[list[Recognition]]:
        async def collect() -> list[Recognition]:
            return [recognition async for recognition in self.scheduler.transcribe(wanted)]

        caller = asyncio.create_task(collect())
        self.callers.append(caller)
        await ticks()
        return caller

    def calls(self, *lengths: Sequence[float]) -> bool:
        """Whether the engine was called with batches of jobs of these lengths in seconds."""
        return [[len(one.samples) / SAMPLE_RATE for one in call.jobs] for call in self.engine.calls] == [
            list(batch) for batch in lengths
        ]

    async def finish(self, number: int, *outcomes: Outcome) -> None:
        self.engine.calls[number].finish(*outcomes)
        await ticks()


Staged = Callable[..., Awaitable[Stage]]


@pytest.fixture
async def staged() -> AsyncIterator[Staged]:
    stages: list[Stage] = []

    async def make(*, workers: int = 1, max_batch: int = 1, max_waiting: int = 100) -> Stage:
        engine, clock = StagedEngine(workers=workers, max_batch=max_batch), Clock()
        stages.append(Stage(engine, clock, Scheduler(engine, max_waiting=max_waiting, clock=clock)))
        return stages[-1]

    yield make
    for stage in stages:
        await stage.scheduler.close()
        await asyncio.gather(*stage.callers, return_exceptions=True)


async def code(caller: asyncio.Task[list[Recognition]]) -> str:
    with pytest.raises(EngineError) as caught:
        await asyncio.wait_for(caller, 1)
    return caught.value.code


async def test_a_job_is_recognized(staged: Staged) -> None:
    stage = await staged()

    caller = await stage.ask(request(what=job(2)))
    assert stage.scheduler.in_flight == 1
    await stage.finish(0)

    assert await caller == [Recognition("32000 samples")]
    assert (stage.scheduler.in_flight, stage.scheduler.waiting) == (0, 0)


async def test_jobs_beyond_the_workers_wait_their_turn(staged: Staged) -> None:
    stage = await staged(workers=2)

    callers = [await stage.ask(request(session, what=job(n + 1))) for n, session in enumerate("abc")]
    assert stage.calls([1], [2])
    assert (stage.scheduler.in_flight, stage.scheduler.waiting) == (2, 1)

    await stage.finish(1)
    assert stage.calls([1], [2], [3])
    assert [caller.done() for caller in callers] == [False, True, False]


async def test_what_matters_most_goes_first(staged: Staged) -> None:
    stage = await staged()
    wanted = [(RECOVERY, 2), (BACKLOG, 3), (LIVE_PARTIAL, 4), (LIVE_FINAL, 5)]
    await stage.ask(request(what=job(1)))
    for priority, seconds in wanted:
        what = job(seconds, final=priority is not LIVE_PARTIAL)
        await stage.ask(request("b", priority, priority, what=what))

    for number in range(4):
        await stage.finish(number)

    assert stage.calls([1], [5], [4], [3], [2])


async def test_equal_jobs_share_a_batch_and_each_caller_gets_its_own(staged: Staged) -> None:
    stage = await staged(max_batch=4)
    await stage.ask(request(what=job(1)))
    callers = [await stage.ask(request(session, what=job(n + 2))) for n, session in enumerate("bcd")]

    await stage.finish(0)
    assert stage.calls([1], [2, 3, 4])
    assert stage.scheduler.in_flight == 3
    await stage.finish(1)

    assert [await caller for caller in callers] == [[Recognition(f"{n * SAMPLE_RATE} samples")] for n in (2, 3, 4)]


async def test_one_failure_in_a_batch_is_not_the_others(staged: Staged) -> None:
    stage = await staged(max_batch=2)
    await stage.ask(request())
    failed, fine = [await stage.ask(request(session)) for session in "bc"]
    await stage.finish(0)
    await stage.finish(1, EngineError("quota_exceeded", "Pay."), Recognition("fine"))

    assert await code(failed) == "quota_exceeded"
    assert await fine == [Recognition("fine")]


async def test_a_redo_is_another_job_behind_live_finals(staged: Staged) -> None:
    stage = await staged()
    first = job(1)
    caller = await stage.ask(request(what=first))
    await stage.ask(request("b", what=job(2)))
    await stage.ask(request("c", priority=LIVE_PARTIAL, what=job(3, final=False)))

    await stage.finish(0, Redo(replace(first, full_context=True)))
    assert not caller.done()
    await stage.finish(1)
    assert stage.calls([1], [2], [1])
    assert stage.engine.calls[2].jobs[0].full_context
    await stage.finish(2, Recognition("again"))

    assert await caller == [Recognition("again")]


async def test_a_redo_does_not_hold_up_its_batch(staged: Staged) -> None:
    stage = await staged(max_batch=2)
    await stage.ask(request())
    again, fine = [await stage.ask(request(session)) for session in "bc"]
    await stage.finish(0)
    await stage.finish(1, Redo(job(9)), Recognition("fine"))

    assert await fine == [Recognition("fine")]
    assert not again.done()


async def test_an_engine_that_never_trusts_itself_is_broken(staged: Staged, caplog: pytest.LogCaptureFixture) -> None:
    stage = await staged()
    caller = await stage.ask(request())
    await stage.finish(0, Redo(job(2)))
    await stage.finish(1, Redo(job(3)))

    assert await code(caller) == "engine_error"
    assert caplog.messages == ["engine asked twice for a redo"]


async def test_a_partial_is_not_redone(staged: Staged) -> None:
    stage = await staged()
    caller = await stage.ask(request(priority=LIVE_PARTIAL))
    await stage.finish(0, Redo(job()))

    assert await caller == []
    assert len(stage.engine.calls) == 1


async def test_a_redo_nobody_waits_for_is_not_done(staged: Staged) -> None:
    stage = await staged()
    caller = await stage.ask(request())
    caller.cancel()
    await ticks()
    await stage.finish(0, Redo(job()))

    assert len(stage.engine.calls) == 1
    assert stage.scheduler.waiting == 0


async def test_a_newer_partial_replaces_one_that_waits(staged: Staged) -> None:
    stage = await staged()
    await stage.ask(request())
    older = await stage.ask(request("b", 7, LIVE_PARTIAL, what=job(2, final=False)))
    other = await stage.ask(request("b", 8, LIVE_PARTIAL, what=job(3, final=False)))
    newer = await stage.ask(request("b", 7, LIVE_PARTIAL, what=job(4, final=False)))
    assert await older == []

    for number in range(3):
        await stage.finish(number)

    assert stage.calls([1], [4], [3])
    assert (len(await newer), len(await other)) == (1, 1)


async def test_dropped_partials_end_and_running_ones_are_left_alone(staged: Staged) -> None:
    stage = await staged()
    running = await stage.ask(request("a", 1, LIVE_PARTIAL))
    waiting = await stage.ask(request("a", 1, LIVE_PARTIAL))
    final = await stage.ask(request("a", 1))

    stage.scheduler.drop_partials(("a", 1))
    stage.scheduler.drop_partials(("a", 2))
    await ticks()
    assert await waiting == []
    await stage.finish(0)
    await stage.finish(1)

    assert len(await running) == 1
    assert len(await final) == 1
    assert len(stage.engine.calls) == 2


async def test_a_partial_dropped_as_its_caller_leaves_is_no_matter(staged: Staged) -> None:
    stage = await staged()
    await stage.ask(request())
    partial = await stage.ask(request("a", 1, LIVE_PARTIAL))

    partial.cancel()
    stage.scheduler.drop_partials(("a", 1))
    await ticks()

    assert partial.cancelled()


async def test_who_stops_waiting_takes_the_job_back(staged: Staged) -> None:
    stage = await staged()
    await stage.ask(request())
    caller = await stage.ask(request("b", what=job(2)))
    await stage.ask(request("c", what=job(3)))

    caller.cancel()
    await ticks()
    assert stage.scheduler.waiting == 1
    await stage.finish(0)

    assert stage.calls([1], [3])


async def test_who_stops_waiting_for_a_running_job_disturbs_nobody(staged: Staged) -> None:
    stage = await staged(max_batch=2)
    await stage.ask(request())
    leaving, staying = [await stage.ask(request(session)) for session in "bc"]
    await stage.finish(0)

    leaving.cancel()
    await ticks()
    await stage.finish(1)

    assert len(await staying) == 1


async def test_who_leaves_between_the_queue_and_the_engine_sends_nothing(staged: Staged) -> None:
    stage = await staged()
    await stage.ask(request())
    caller = await stage.ask(request("b"))
    stage.engine.calls[0].finish()
    for _ in range(TICKS):
        if not stage.scheduler.waiting:
            break
        await asyncio.sleep(0)

    caller.cancel()
    await ticks()

    assert len(stage.engine.calls) == 1
    assert (stage.scheduler.waiting, stage.scheduler.in_flight) == (0, 0)
    await stage.ask(request("c"))
    assert len(stage.engine.calls) == 2


async def test_audio_is_let_go_when_its_job_is_over(staged: Staged) -> None:
    stage = await staged()
    samples = np.zeros(SAMPLE_RATE, np.float32)
    gone = weakref.ref(samples)
    await stage.ask(request(what=Job(samples, Options(), final=True, deadline=1060.0)))
    del samples
    await stage.finish(0)

    stage.engine.calls.clear()
    stage.callers.clear()
    gc.collect()

    assert gone() is None


async def test_a_job_too_late_before_it_came_is_not_sent(staged: Staged) -> None:
    stage = await staged()

    assert await code(await stage.ask(request(what=job(deadline=999.0)))) == "engine_timeout"
    assert stage.engine.calls == []
    assert stage.scheduler.in_flight == 0


async def test_a_job_that_waited_too_long_is_not_sent(staged: Staged) -> None:
    stage = await staged()
    await stage.ask(request())
    late = await stage.ask(request("b", what=job(2, deadline=1010.0)))
    await stage.ask(request("c", what=job(3, deadline=1010.001)))
    stage.clock.now = 1010.0
    await stage.finish(0)

    assert await code(late) == "engine_timeout"
    assert stage.calls([1], [3])


async def test_who_waits_hears_of_the_deadline_when_it_passes(staged: Staged) -> None:
    stage = await staged()
    running = await stage.ask(request(what=job(1, deadline=1000.02)))
    waiting = await stage.ask(request("b", what=job(2, deadline=1000.02)))

    assert await code(running) == "engine_timeout"
    assert await code(waiting) == "engine_timeout"
    assert stage.scheduler.waiting == 0
    await stage.finish(0)
    assert stage.calls([1])


async def test_a_bug_in_the_engine_costs_one_batch_and_tells_no_content(
    staged: Staged, caplog: pytest.LogCaptureFixture
) -> None:
    stage = await staged(max_batch=2)
    await stage.ask(request())
    unlucky = [await stage.ask(request(session)) for session in "bc"]
    await stage.finish(0)
    stage.engine.calls[1].answer.set_exception(ValueError("what was said"))
    await ticks()

    assert [await code(caller) for caller in unlucky] == ["engine_error"] * 2
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert "what was said" not in str(record.__dict__)
    assert record.__dict__["error"] == "ValueError"
    assert "test_scheduler.py:" in record.__dict__["place"]

    fine = await stage.ask(request())
    await stage.finish(2)
    assert len(await fine) == 1


async def test_too_few_outcomes_are_a_bug_of_the_engine(staged: Staged, caplog: pytest.LogCaptureFixture) -> None:
    stage = await staged(max_batch=2)
    await stage.ask(request())
    callers = [await stage.ask(request(session)) for session in "bc"]
    await stage.finish(0)
    await stage.finish(1, Recognition("whose?"))

    assert [await code(caller) for caller in callers] == ["engine_error"] * 2
    assert caplog.messages == ["engine gave 1 outcomes for 2 jobs"]


async def test_more_live_jobs_than_may_wait_are_refused(staged: Staged) -> None:
    stage = await staged(max_waiting=1)
    await stage.ask(request())
    waiting = await stage.ask(request("b"))
    refused = await stage.ask(request("c"))

    with pytest.raises(EngineError) as caught:
        await refused
    assert (caught.value.code, caught.value.retryable) == ("engine_overloaded", True)
    assert not waiting.done()


async def test_backlog_waits_for_room_and_is_no_obstacle_to_live_jobs(staged: Staged) -> None:
    stage = await staged(max_waiting=1)
    await stage.ask(request(what=job(1)))
    for seconds in (2, 3, 4):
        await stage.ask(request("b", priority=BACKLOG, what=job(seconds)))
    assert stage.scheduler.waiting == 1
    await stage.ask(request("c", what=job(5)))
    assert stage.scheduler.waiting == 2

    for number in range(4):
        await stage.finish(number)

    assert stage.calls([1], [5], [2], [3], [4])


async def test_room_left_by_who_stops_waiting_is_used(staged: Staged) -> None:
    stage = await staged(max_waiting=1)
    await stage.ask(request())
    leaving = await stage.ask(request("b", priority=BACKLOG, what=job(2)))
    await stage.ask(request("b", priority=BACKLOG, what=job(3)))

    leaving.cancel()
    await ticks()
    assert stage.scheduler.waiting == 1
    await stage.finish(0)

    assert stage.calls([1], [3])


async def test_who_had_the_engine_least_is_next(staged: Staged) -> None:
    stage = await staged()
    await stage.ask(request("x", what=job(5)))
    for session, seconds in (("a", 4), ("a", 3), ("b", 2), ("b", 1)):
        await stage.ask(request(session, what=job(seconds)))
    for number in range(4):
        await stage.finish(number)
    assert stage.calls([5], [4], [2], [1], [3])


async def test_what_the_engine_keeps_apart_is_no_batch(staged: Staged) -> None:
    stage = await staged(max_batch=3)
    await stage.ask(request())
    for session, full_context in (("b", False), ("c", True), ("d", False)):
        seconds = 3.0 if full_context else 2.0
        await stage.ask(request(session, what=replace(job(seconds), full_context=full_context)))
    await stage.finish(0)
    assert stage.calls([1], [2, 2])


async def test_waiting_for_room_ends_at_the_deadline(staged: Staged) -> None:
    stage = await staged(max_waiting=1)
    await stage.ask(request())
    await stage.ask(request("b", priority=BACKLOG))
    late = await stage.ask(request("c", priority=BACKLOG, what=job(deadline=1000.02)))

    assert await code(late) == "engine_timeout"


async def test_audio_sent_is_counted_by_kind_redos_included(staged: Staged) -> None:
    stage = await staged()
    assert stage.scheduler.upstream_audio_seconds == AudioSeconds(0, 0)
    await stage.ask(request(what=job(2)))
    await stage.finish(0, Redo(job(2)))
    await stage.finish(1)
    await stage.ask(request(priority=LIVE_PARTIAL, what=job(0.5, final=False)))
    await stage.finish(2)
    await stage.ask(request(priority=LIVE_PARTIAL, what=job(1, final=False)))
    await stage.finish(3)
    await stage.ask(request(what=job(3, deadline=0)))

    assert stage.scheduler.upstream_audio_seconds == AudioSeconds(finals=4, partials=1.5)


async def test_lag_is_what_a_new_final_would_wait(staged: Staged) -> None:
    stage = await staged()
    assert stage.scheduler.lag_seconds == 0
    await stage.ask(request(what=job(8)))
    await stage.ask(request("b", what=job(6)))
    stage.clock.now += 2
    assert stage.scheduler.lag_seconds == 2

    await stage.ask(request("c", what=job(12)))
    await stage.ask(request("c", what=job(12)))
    await stage.finish(0)

    assert stage.scheduler.lag_seconds == 24 / 4


@pytest.mark.parametrize(
    ("wanted", "outcome"),
    [
        (request(priority=LIVE_PARTIAL), Recognition("")),
        (request(), EngineError("engine_failed", "No.")),
    ],
    ids=["partial", "failure"],
)
async def test_speed_is_learnt_from_finals_that_went_well(staged: Staged, wanted: Request, outcome: Outcome) -> None:
    stage = await staged()
    await stage.ask(request(what=job(8)))
    stage.clock.now += 2
    await stage.finish(0)

    await stage.ask(wanted)
    stage.clock.now += 10
    await stage.finish(1, outcome)
    await stage.ask(request())
    await stage.ask(request(what=job(8)))

    assert stage.scheduler.lag_seconds == 2


async def test_a_redo_does_not_count_as_speed(staged: Staged) -> None:
    stage = await staged()
    await stage.ask(request(what=job(8)))
    stage.clock.now += 2
    await stage.finish(0, Redo(job(8)))
    stage.clock.now += 10
    await stage.finish(1)
    await stage.ask(request())
    await stage.ask(request(what=job(8)))

    assert stage.scheduler.lag_seconds == 2


async def test_partials_are_welcome_while_nothing_waits_long(staged: Staged) -> None:
    stage = await staged()
    await stage.ask(request())
    await stage.ask(request("b"))
    assert stage.scheduler.partials_welcome

    stage.clock.now += 0.6
    assert not stage.scheduler.partials_welcome
    await stage.finish(0)
    assert stage.scheduler.partials_welcome


async def test_closing_ends_what_runs_and_what_waits() -> None:
    engine, clock = StagedEngine(), Clock()
    async with Scheduler(engine, max_waiting=1, clock=clock) as scheduler:
        stage = Stage(engine, clock, scheduler)
        callers = [await stage.ask(request(session)) for session in "ab"]
        callers += [await stage.ask(request("c", priority=BACKLOG)) for _ in range(2)]
    assert scheduler.in_flight == 0

    assert [await code(caller) for caller in callers] == ["engine_closed"] * 4
    assert engine.calls[0].answer.cancelled()
    assert len(engine.calls) == 1
    assert await code(await stage.ask(request())) == "engine_closed"


@pytest.mark.parametrize("turns", range(6))
async def test_who_leaves_while_it_closes_is_no_matter(turns: int) -> None:
    engine, clock = StagedEngine(), Clock()
    scheduler = Scheduler(engine, clock=clock)
    stage = Stage(engine, clock, scheduler)
    callers = [await stage.ask(request(session)) for session in "ab"]

    closing = asyncio.create_task(scheduler.close())
    for _ in range(turns):
        await asyncio.sleep(0)
    for caller in callers:
        caller.cancel()
    await closing

    await asyncio.gather(*callers, return_exceptions=True)
    assert (scheduler.waiting, scheduler.in_flight) == (0, 0)


async def test_deadlines_are_on_the_clock_of_the_event_loop_by_default() -> None:
    engine = StagedEngine()
    now = asyncio.get_running_loop().time()
    async with Scheduler(engine) as scheduler:
        stage = Stage(engine, Clock(), scheduler)
        fine = await stage.ask(request(what=job(1, deadline=now + 30)))
        late = await stage.ask(request(what=job(2, deadline=now)))
        await stage.finish(0)

        assert len(await fine) == 1
        assert await code(late) == "engine_timeout"
