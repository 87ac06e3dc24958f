"""What is counted of one session while it runs: for the metrics of the process, for its trace, and for the line that
the log has of it at its end. Names, numbers and codes; never what was said."""

import asyncio
import contextlib
import logging
import math
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass

from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.engines.engine import EngineError, Job
from transcriber.events import CloseUtterance, Event, Failed, Partial, Status, Storage, Transcription, TranscriptionLate
from transcriber.metrics import Metrics
from transcriber.session import State
from transcriber.spool import Spool
from transcriber.tracing import Span, Traces

log = logging.getLogger(__name__)

_LATENCIES = 1000
"""So many, the newest, are remembered for percentiles."""
_COUNT_SECONDS = 1.0
"""Of audio, between two looks at what came: cheaper than counting messages."""
_ENDS = {"service restart": "draining"}
"""Reasons of close frames that say something else to whoever runs the service."""


@dataclass(slots=True)
class _Utterance:
    """One that has no final yet. Times are on the event loop's clock, None where they are not live."""

    span: Span
    began_at: float | None
    """None, too, when it has its first partial."""
    ended_at: float | None = None


class Figures:
    """Of one session in this process; begins with it."""

    def __init__(self, status: Status, spool: Spool, metrics: Metrics, traces: Traces, *, recovered: bool) -> None:
        self._session_id = status.session_id
        self._recovered = recovered
        self._metrics = metrics
        self._spool = spool
        self._clock = asyncio.get_running_loop().time
        self._began_at = self._clock()
        self._span = traces.begin("session", session=status.session_id, engine=status.engine, model=status.model)
        self._utterances: dict[int, _Utterance] = {}
        self._latencies: deque[float] = deque(maxlen=_LATENCIES)
        self._state: State | None = None
        self._counted_seconds = 0.0
        self._counted_bytes, self._counted_messages = (spool.received_bytes, spool.messages) if recovered else (0, 0)
        """What the metrics of a process know already."""
        self._heard_seconds = 0.0
        self._speech_seconds = 0.0
        self._upstream_seconds = 0.0
        self._spoken = self._finals = self._late = self._failures = self._partials = 0
        self._end = "suspended"
        self.disconnected = False
        """Whether the client went without a word."""
        self.storage: Storage | None = None
        self.job = False
        """Whether nobody was connected: a file."""

    @property
    def speech_seconds(self) -> float:
        return self._speech_seconds

    @property
    def upstream_seconds(self) -> float:
        """What the engine has answered for in this process, context and partials included."""
        return self._upstream_seconds

    @property
    def utterances(self) -> int:
        return self._spoken

    def state(self, state: State) -> None:
        """The session is in this state now."""
        if state is not self._state:
            self._leave_state()
            self._metrics.sessions.labels(state.name.lower()).inc()
            self._state = state

    def heard(self, samples: int, *, before: bool = False) -> None:
        """So much was searched for speech so far; if `before`, by the process before this one, too."""
        self._heard_seconds = samples / SAMPLE_RATE
        if before:
            self._counted_seconds = self._heard_seconds
        elif self._heard_seconds >= self._counted_seconds + _COUNT_SECONDS:
            self._count()

    def opened(self, utterance: int, began_at: float | None) -> None:
        ago_seconds = self._clock() - began_at if began_at is not None else 0.0
        span = self._span.child("utterance", ago_seconds=ago_seconds, utterance=utterance)
        self._utterances[utterance] = _Utterance(span, began_at)

    def closed(self, utterance: CloseUtterance, ended_at: float | None) -> None:
        """It is whole."""
        self._spoken += 1
        self._speech_seconds += (utterance.end - utterance.start) / SAMPLE_RATE
        if known := self._utterances.get(utterance.utterance):
            known.ended_at = ended_at

    def dropped(self, utterance: int) -> None:
        """The client took it back."""
        self._let_go(utterance, "dropped")

    @contextlib.contextmanager
    def asking(self, utterance: int, job: Job) -> Generator[Callable[[], None]]:
        """While the engine is asked. What is given is to be called when it has answered: a partial may get none."""
        kind = "final" if job.final else "partial"
        seconds = len(job.samples) / SAMPLE_RATE
        parent = known.span if (known := self._utterances.get(utterance)) else self._span
        span = parent.child("engine", kind=kind, audio_seconds=round(seconds, 3))
        asked_at = self._clock()
        with contextlib.ExitStack() as ending:
            ending.callback(span.end)

            def answered() -> None:
                ending.close()
                self._upstream_seconds += seconds
                self._metrics.engine_answer.labels(kind).observe(self._clock() - asked_at)

            try:
                yield answered
            except EngineError as problem:
                self._metrics.engine_errors.labels(problem.code, kind).inc()
                ending.pop_all()
                span.end(problem.code)
                raise

    def told(self, event: Event, *, before: bool = False) -> None:
        """The client is told; if `before`, by the process before this one, which has counted it."""
        match event:
            case Transcription() | Failed(utterance=int()) if before:
                self._let_go(event.utterance)
            case Transcription():
                self._finals += 1
                self._metrics.audio_transcribed.inc(max(0.0, event.end - event.start))
                self._finish(event.utterance)
            case TranscriptionLate() if not before:
                self._late += 1
                self._metrics.audio_transcribed.inc(max(0.0, event.end - event.start))
            case Failed(utterance=int()):
                self._failures += 1
                self._let_go(event.utterance, event.error.code)
            case Partial():
                self._partials += 1
                self._guess(event.utterance)
            case _:
                pass

    def closing(self, reason: str) -> None:
        """The last thing is told; `reason` is that of the close frame, or the code of an error."""
        self._end = "disconnected" if self.disconnected and reason == "complete" else _ENDS.get(reason, reason)

    def over(self) -> None:
        """The session leaves this process: stored, or to be taken up by the next one."""
        self._count()
        self._leave_state()
        for utterance in tuple(self._utterances):
            self._let_go(utterance, "given_up")
        self._metrics.sessions_ended.labels(self._end).inc()
        line = self._line()
        log.info("session over", extra={"session": self._session_id, **line})
        self._span.end(attributes={name: value for name, value in line.items() if value is not None})

    def _line(self) -> dict[str, str | int | float | bool | None]:
        latencies = sorted(self._latencies)
        return {
            "end": self._end,
            "seconds": round(self._clock() - self._began_at, 3),
            "audio_seconds": round(self._heard_seconds, 3),
            "speech_seconds": round(self._speech_seconds, 3),
            "upstream_seconds": round(self._upstream_seconds, 3),
            "utterances": self._spoken,
            "finals": self._finals,
            "late_finals": self._late,
            "failures": self._failures,
            "partials": self._partials,
            "latency_p50_seconds": _percentile(latencies, 0.5),
            "latency_p95_seconds": _percentile(latencies, 0.95),
            "received_bytes": self._spool.received_bytes,
            "received_messages": self._spool.messages,
            "storage": self.storage.state if self.storage else "spool",
            "recovered": self._recovered,
        }

    def _finish(self, utterance: int) -> None:
        """An utterance has its text."""
        known = self._utterances.get(utterance)
        if known and known.ended_at is not None:
            latency = self._clock() - known.ended_at
            self._latencies.append(latency)
            self._metrics.final_told(latency)
        self._let_go(utterance)

    def _guess(self, utterance: int) -> None:
        """A partial of it is told."""
        known = self._utterances.get(utterance)
        if known and known.began_at is not None:
            self._metrics.first_partial_latency.observe(self._clock() - known.began_at)
            known.began_at = None

    def _let_go(self, utterance: int | None, error: str | None = None) -> None:
        """Nothing more comes of an utterance."""
        if known := self._utterances.pop(utterance or 0, None):
            known.span.end(error)

    def _count(self) -> None:
        received_bytes, messages = self._spool.received_bytes, self._spool.messages
        self._metrics.audio_in.inc(max(0.0, self._heard_seconds - self._counted_seconds))
        self._metrics.received_bytes.inc(received_bytes - self._counted_bytes)
        self._metrics.received_messages.inc(messages - self._counted_messages)
        self._counted_seconds = self._heard_seconds
        self._counted_bytes, self._counted_messages = received_bytes, messages

    def _leave_state(self) -> None:
        if self._state is not None:
            self._metrics.sessions.labels(self._state.name.lower()).dec()
            self._state = None


def _percentile(ordered: list[float], share: float) -> float | None:
    """The least value that is not less than such a share of all; None where there are none."""
    return round(ordered[math.ceil(share * len(ordered)) - 1], 3) if ordered else None
