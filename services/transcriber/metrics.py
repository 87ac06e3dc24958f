"""What the service counts: every series there is, by what is waited for. They are counted where effects are performed;
what other parts know of themselves is read when somebody looks."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

# A series per counter that says since when it counts: Prometheus sees restarts without.
prometheus_client.disable_created_metrics()

_LATENCY_BUCKETS = (0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0)
"""From the shortest endpointing that is of use to where nobody waits any more."""
_STORE_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_LOOP_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_LOOP_SECONDS = 0.25
_OPENMETRICS = "application/openmetrics-text"


@dataclass(frozen=True, slots=True)
class Readings:
    """What other parts know of themselves now."""

    queue_jobs: int = 0
    running_jobs: int = 0
    lag_seconds: float = 0.0
    upstream_finals_seconds: float = 0.0
    upstream_partials_seconds: float = 0.0
    spool_bytes: int = 0
    detector_cpu_seconds: float = 0.0
    decoder_cpu_seconds: float = 0.0
    tcp_connections: int = 0
    tcp_refusals: int = 0
    file_jobs: Mapping[str, int] = field(default_factory=dict[str, int])
    """By state."""


class Metrics:
    """All series, in a registry of their own. The text of each is its documentation."""

    def __init__(self) -> None:
        self.read: Callable[[], Readings] = Readings
        """Where readings come from, once there is something to read."""
        self.registry = CollectorRegistry()
        self._latencies: deque[float] = deque(maxlen=100)
        self._sessions()
        self._audio()
        self._speakers()
        self._engine()
        self._store()
        self._webhooks()
        self._machine()
        self.registry.register(_Reader(self))
        ProcessCollector(registry=self.registry)

    def final_told(self, latency_seconds: float) -> None:
        """A final was told so long after the end of its speech."""
        self.final_latency.observe(latency_seconds)
        self._latencies.append(latency_seconds)

    def take_latencies(self) -> list[float]:
        """The newest latencies of finals since this was last asked; 100 at most, as CloudWatch takes them."""
        taken = list(self._latencies)
        self._latencies.clear()
        return taken

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """Everything as text, and its content type, as an `Accept` header asks for it."""
        # The library's own choice fails on versions that are none, and writes what it was asked into the answer.
        if any(kind.partition(";")[0].strip().lower() == _OPENMETRICS for kind in accept.split(",")):
            write = cast("Callable[[CollectorRegistry], bytes]", cast("Any", openmetrics).generate_latest)
            return write(self.registry), openmetrics.CONTENT_TYPE_LATEST
        return generate_latest(self.registry), CONTENT_TYPE_PLAIN_0_0_4

    def _sessions(self) -> None:
        self.sessions = self._gauge(
            "sessions",
            "Sessions that are going on, by `state`: waiting (no audio yet), listening, finishing (no more audio, "
            "texts are owed), closed (told their end, still being stored).",
            "state",
        )
        self.connections = self._gauge("connections", "WebSockets that serve a session.")
        self.sessions_ended = self._counter(
            "sessions_ended",
            "Sessions that ended, by `end`: complete, disconnected (the client went without a word), draining, "
            "session_too_long, suspended (left to the next process), cancelled (a job), or the code of the fatal "
            "error.",
            "end",
        )
        self.refusals = self._counter(
            "refusals",
            "Handshakes and requests that were refused, by `reason`: the code of the error, or invalid_request.",
            "reason",
        )

    def _audio(self) -> None:
        self.received_bytes = self._counter("received_bytes", "Audio received, as it came.")
        self.received_messages = self._counter("received_messages", "Messages with audio.")
        self.audio_in = self._counter("audio_in_seconds", "Audio decoded and searched for speech.")
        self.audio_transcribed = self._counter("audio_transcribed_seconds", "Speech whose final text was told.")

    def _speakers(self) -> None:
        self.final_latency = self._histogram(
            "final_latency_seconds",
            "From the end of speech to its final text being told, in sessions that send no faster than real time.",
            _LATENCY_BUCKETS,
        )
        self.first_partial_latency = self._histogram(
            "first_partial_latency_seconds",
            "From the beginning of an utterance to its first partial, in sessions that send no faster than real time.",
            _LATENCY_BUCKETS,
        )

    def _engine(self) -> None:
        self.engine_answer = self._histogram(
            "engine_answer_seconds",
            "From asking the engine to its answer, with the time in the queue, by `kind`: final, partial.",
            _LATENCY_BUCKETS,
            "kind",
        )
        self.engine_errors = self._counter(
            "engine_errors",
            "What the engine could not do, by `code` and `kind`: final (the text is missing), partial.",
            "code",
            "kind",
        )

    def _store(self) -> None:
        self.stored_bytes = self._counter("stored_bytes", "Bytes put into the store, by `kind`: audio, text.", "kind")
        self.store_duration = self._histogram(
            "store_seconds", "From the end of a session to all of it being in the store.", _STORE_BUCKETS
        )
        self.store_errors = self._counter(
            "store_errors", "Sessions that could not be stored; their spools wait for the next start."
        )

    def _webhooks(self) -> None:
        self.webhooks = self._counter(
            "webhooks",
            "Webhooks, by `outcome`: delivered, failed (tried again later), given_up, dropped (too many wait).",
            "outcome",
        )

    def _machine(self) -> None:
        self.loop_delay = self._histogram(
            "event_loop_delay_seconds", "How late the event loop is, sampled every 250 ms.", _LOOP_BUCKETS
        )
        self.build = Info(
            "transcriber_build", "Version of the service, its engine and model, as labels.", registry=self.registry
        )

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(f"transcriber_{name}", documentation, labels, registry=self.registry)

    def _gauge(self, name: str, documentation: str, *labels: str) -> Gauge:
        return Gauge(f"transcriber_{name}", documentation, labels, registry=self.registry)

    def _histogram(self, name: str, documentation: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"transcriber_{name}", documentation, labels, registry=self.registry, buckets=buckets)


class _Reader(Collector):
    """Turns readings into series."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        now = self._metrics.read()
        upstream = CounterMetricFamily(
            "transcriber_audio_upstream_seconds",
            "Audio given to the engine, by `kind`: final, partial. What an engine sends again by itself is not in it.",
            labels=["kind"],
        )
        upstream.add_metric(["final"], now.upstream_finals_seconds)
        upstream.add_metric(["partial"], now.upstream_partials_seconds)
        yield upstream
        yield _now("engine_queue_jobs", "Jobs that wait for the engine.", now.queue_jobs)
        yield _now("engine_running_jobs", "Jobs that the engine has.", now.running_jobs)
        yield _now(
            "engine_lag_seconds",
            "How long a new live final would wait; beyond MAX_LAG_SECONDS sessions are refused.",
            now.lag_seconds,
        )
        yield _now("tcp_connections", "TCP connections that are served, whatever they are for.", now.tcp_connections)
        yield _total(
            "tcp_refusals", "TCP connections beyond MAX_CONNECTIONS, answered 503 or closed.", now.tcp_refusals
        )
        files = GaugeMetricFamily(
            "transcriber_file_jobs",
            "Files that are not yet done with, by `state`: receiving (of uploads that can be resumed), queued, "
            "running.",
            labels=["state"],
        )
        for state, count in now.file_jobs.items():
            files.add_metric([state], count)
        yield files
        yield _now("spool_bytes", "What sessions that are not yet stored take on the local disk.", now.spool_bytes)
        yield _total("detector_cpu_seconds", "CPU time of the detector's thread.", now.detector_cpu_seconds)
        yield _total(
            "decoder_cpu_seconds",
            "CPU time of decoders: measured in threads, estimated from one call in 16 on the event loop.",
            now.decoder_cpu_seconds,
        )


def _now(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(f"transcriber_{name}", documentation, value)


def _total(name: str, documentation: str, value: float) -> Metric:
    return CounterMetricFamily(f"transcriber_{name}", documentation, value)


async def watch_loop(metrics: Metrics) -> None:
    """Measure the event loop until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _LOOP_SECONDS
        await asyncio.sleep(_LOOP_SECONDS)
        metrics.loop_delay.observe(max(0.0, loop.time() - due))
