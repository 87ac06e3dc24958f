"""What an engine is: jobs in, recognitions out; shared by all sessions, and without a memory of any."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from transcriber.events import Error, Input, Options, Reconfigure, Rejected, Started
from transcriber.transcript import Times, Word

Samples = NDArray[np.float32]
"""16 kHz mono, float32 in [-1, 1], shape (samples,)."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What callers must know of an engine to use it well."""

    context_before_ms: int
    """Audio before an utterance that a job should include."""
    context_after_ms: int
    paid: bool
    """Audio sent costs money, so it is budgeted."""
    workers: int
    """Batches that may run at once."""
    max_batch: int = 1
    languages: frozenset[str] | None = None
    """ISO 639-1 codes that can be asked for; None means any."""
    translates: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One stretch of audio to be recognized, at most 15 s and its context."""

    samples: Samples
    options: Options
    final: bool
    """A partial may be recognized with less effort."""
    deadline: float
    """On the event loop's clock; after it nobody waits for the answer."""
    full_context: bool = False
    """Set by an engine that asks for the job again with a longer look at it, see `Redo`."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """What was heard. Word times are seconds from the job's first sample; None: the engine has no times."""

    text: str
    words: tuple[Word, ...] | None = None
    times: Times | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Redo:
    """The engine does not trust its answer and wants this job instead, queued like any other."""

    job: Job


class EngineError(Exception):
    """An engine could not do a job. `retryable`: the same job may succeed later."""

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.retryable = retryable

    @property
    def error(self) -> Error:
        return Error(self.code, str(self))


Outcome = Recognition | Redo | EngineError


@dataclass(frozen=True, slots=True)
class Description:
    """For people: what would be used. `details` are free name-value pairs."""

    engine: str
    model: str
    details: dict[str, str] = field(default_factory=dict[str, str])


class Engine(Protocol):
    """Turns jobs into recognitions."""

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def description(self) -> Description: ...

    def refusal(self, options: Options) -> Error | None:
        """Why these options can't be served (language, model, translation), or None."""
        ...

    def batch_key(self, job: Job) -> object:
        """Jobs with equal keys may share a batch; what a job yields never depends on its batch-mates."""
        ...

    async def recognize(self, jobs: Sequence[Job]) -> Sequence[Outcome]:
        """One outcome per job, in order. Failures are outcomes, never raised."""
        ...

    async def close(self) -> None: ...


def checked(engine: Engine, heard: Input, options: Options) -> Input:
    """An input to a session with such options, or its rejection where the engine can't do what it asks."""
    if isinstance(heard, Started):
        wanted, change = heard.options, False
    elif isinstance(heard, Reconfigure):
        wanted, change = replace(options, **heard.changes), True
    else:
        return heard
    error = engine.refusal(wanted)
    if error is None:
        return heard
    return Rejected(error if change else replace(error, close_code=1008), heard.at)
