"""Between the sessions and the engine they share: jobs in by priority, what was heard out, to whoever asked.

Nothing is retried here: an engine knows which of its failures are worth another try within the job's deadline.
"""

import asyncio
import itertools
import logging
import traceback
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.engines.engine import Engine, EngineError, Job, Outcome, Recognition, Redo
from transcriber.engines.queue import Entry, Priority, Queue

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """A job, and whose it is: `session` and `utterance` are only compared."""

    session: Hashable
    utterance: Hashable
    job: Job
    priority: Priority


@dataclass(frozen=True, slots=True)
class AudioSeconds:
    """Seconds of audio given to the engine."""

    finals: float = 0.0
    partials: float = 0.0


@dataclass(slots=True, eq=False)
class _Ticket:
    """What one caller of `transcribe` waits for."""

    key: int
    request: Request
    job: Job
    answer: asyncio.Future[Recognition | None]
    """None: a partial that is not worth having any more."""
    redo: bool = False

    def fail(self, error: EngineError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


class Scheduler:
    """Keeps the engine's workers busy with the jobs that matter most. Used from one event loop; does not own the
    engine.

    `clock` is the one that deadlines are on, and `max_waiting` bounds live jobs and others each.
    """

    def __init__(self, engine: Engine, *, max_waiting: int = 1024, clock: Callable[[], float] = _loop_time) -> None:
        self._engine = engine
        able = engine.capabilities
        self._queue = Queue(workers=able.workers, max_batch=able.max_batch, max_waiting=max_waiting)
        self._clock = clock
        self._keys = itertools.count()
        self._tickets: dict[Hashable, _Ticket] = {}
        self._runs: dict[asyncio.Task[None], int] = {}
        """Running batches, and how many jobs are in each."""
        self._room = asyncio.Event()
        """Set when the queue may have become shorter."""
        self._upstream = AudioSeconds()
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End what runs and what waits; whoever still asks gets an `engine_closed`."""
        self._closed = True
        for run in self._runs:
            run.cancel()
        await asyncio.gather(*self._runs, return_exceptions=True)
        for ticket in self._tickets.values():
            ticket.fail(_closed())

    @property
    def waiting(self) -> int:
        """Jobs that no worker has yet."""
        return len(self._queue)

    @property
    def in_flight(self) -> int:
        """Jobs that the engine has."""
        return sum(self._runs.values())

    @property
    def upstream_audio_seconds(self) -> AudioSeconds:
        """Audio given to the engine so far, redos included; what it sends again by itself is not known here."""
        return self._upstream

    @property
    def lag_seconds(self) -> float:
        """How long a new live final would wait; 0 when none waits."""
        return self._queue.lag(self._clock())

    @property
    def partials_welcome(self) -> bool:
        """Whether partials are worth asking for: neither they nor live finals have long to wait."""
        return self._queue.partials_welcome(self._clock())

    async def transcribe(self, request: Request) -> AsyncIterator[Recognition]:
        """What the engine hears; nothing when a partial was replaced by a newer one, dropped or not trusted. Closing
        the iterator takes the job back, if it still waits.

        While too much waits, backlog and recovery wait to be let in, within their deadline.

        Raises:
            EngineError: the engine's own; `engine_timeout`, the deadline passed; `engine_overloaded`, too much waits;
                `engine_error`, the engine broke its contract; `engine_closed`.
        """
        answer = asyncio.get_running_loop().create_future()
        ticket = _Ticket(next(self._keys), request, request.job, answer)
        try:
            async with asyncio.timeout(request.job.deadline - self._clock()):
                await self._admit(ticket)
                recognition = await ticket.answer
        except TimeoutError:
            raise _timeout() from None
        finally:
            self._withdraw(ticket)
        if recognition is not None:
            yield recognition

    def drop_partials(self, utterance: Hashable) -> None:
        """Partials of this utterance are not wanted any more: one that waits ends, one that runs is left alone."""
        entry = self._queue.drop(utterance)
        if entry is not None:
            self._end(entry)

    async def _admit(self, ticket: _Ticket) -> None:
        priority = ticket.request.priority
        while self._queue.full(priority) and not self._closed:
            if priority.live:
                raise EngineError("engine_overloaded", "Too much audio waits for the engine.", retryable=True)
            self._room.clear()
            await self._room.wait()
        if self._closed:
            raise _closed()
        self._enqueue(ticket)

    def _enqueue(self, ticket: _Ticket) -> None:
        request, job = ticket.request, ticket.job
        entry = Entry(
            key=ticket.key,
            session=request.session,
            priority=request.priority,
            audio_seconds=_audio_seconds([job]),
            batch_key=self._engine.batch_key(job),
            enqueued=self._clock(),
            partial_of=None if job.final else request.utterance,
            redo=ticket.redo,
        )
        self._tickets[ticket.key] = ticket
        replaced = self._queue.add(entry)
        if replaced is not None:
            self._end(replaced)
        self._dispatch()

    def _end(self, entry: Entry) -> None:
        """A partial that left the queue unserved."""
        ticket = self._tickets[entry.key]
        if not ticket.answer.done():
            ticket.answer.set_result(None)

    def _withdraw(self, ticket: _Ticket) -> None:
        self._queue.remove(ticket.key)
        self._tickets.pop(ticket.key, None)
        self._room.set()

    def _dispatch(self) -> None:
        """Give free workers what is next."""
        while not self._closed and (batch := self._queue.take()):
            run = asyncio.get_running_loop().create_task(self._run(batch))
            self._runs[run] = len(batch)
            run.add_done_callback(self._runs.pop)
            self._room.set()

    async def _run(self, batch: list[Entry]) -> None:
        try:
            tickets = [ticket for entry in batch if (ticket := self._due(entry))]
            if tickets:
                await self._recognize(tickets)
        finally:
            self._queue.done(batch)
            self._dispatch()

    def _due(self, entry: Entry) -> _Ticket | None:
        """The ticket of an entry, unless it is too late for it or nobody waits."""
        ticket = self._tickets.get(entry.key)
        if ticket is None or ticket.answer.done():
            return None
        if ticket.job.deadline <= self._clock():
            ticket.fail(_timeout())
            return None
        return ticket

    async def _recognize(self, tickets: list[_Ticket]) -> None:
        jobs = [ticket.job for ticket in tickets]
        self._count(jobs)
        began = self._clock()
        outcomes = await self._outcomes(jobs)
        self._measure(tickets, outcomes, self._clock() - began)
        for ticket, outcome in zip(tickets, outcomes, strict=True):
            if not ticket.answer.done():
                self._settle(ticket, outcome)

    async def _outcomes(self, jobs: list[Job]) -> Sequence[Outcome]:
        """What the engine makes of the jobs; its bugs are errors of this batch alone."""
        try:
            outcomes = await self._engine.recognize(jobs)
        except Exception as error:
            # The message may hold what was said.
            place = traceback.extract_tb(error.__traceback__)[-1]
            log.error(
                "engine raised", extra={"error": type(error).__name__, "place": f"{place.filename}:{place.lineno}"}
            )
        else:
            if len(outcomes) == len(jobs):
                return outcomes
            log.error("engine gave %d outcomes for %d jobs", len(outcomes), len(jobs))
        return [_broken() for _ in jobs]

    def _settle(self, ticket: _Ticket, outcome: Outcome) -> None:
        match outcome:
            case Recognition():
                ticket.answer.set_result(outcome)
            case EngineError():
                ticket.fail(outcome)
            case Redo() if not ticket.job.final:
                # The next partial comes sooner than a redo of this one.
                ticket.answer.set_result(None)
            case Redo() if ticket.redo:
                log.error("engine asked twice for a redo")
                ticket.fail(_broken())
            case Redo(job):
                ticket.job, ticket.redo = job, True
                self._enqueue(ticket)

    def _count(self, jobs: list[Job]) -> None:
        finals, partials = self._upstream.finals, self._upstream.partials
        finals += _audio_seconds(job for job in jobs if job.final)
        partials += _audio_seconds(job for job in jobs if not job.final)
        self._upstream = AudioSeconds(finals, partials)

    def _measure(self, tickets: list[_Ticket], outcomes: Sequence[Outcome], wall_seconds: float) -> None:
        """Learn the speed from finals that went well; partials and redos take other effort."""
        usual = all(ticket.job.final and not ticket.redo for ticket in tickets)
        if usual and not any(isinstance(outcome, EngineError) for outcome in outcomes):
            self._queue.measured(_audio_seconds(ticket.job for ticket in tickets), wall_seconds)


def _audio_seconds(jobs: Iterable[Job]) -> float:
    return sum(len(job.samples) for job in jobs) / SAMPLE_RATE


def _timeout() -> EngineError:
    return EngineError("engine_timeout", "The engine did not answer in time.", retryable=True)


def _broken() -> EngineError:
    return EngineError("engine_error", "The engine failed.")


def _closed() -> EngineError:
    return EngineError("engine_closed", "The service is ending.", retryable=True)
