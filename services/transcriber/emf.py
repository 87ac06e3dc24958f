"""For CloudWatch: what scaling and alarms need of the metrics, as log lines in the embedded metric format, from which
CloudWatch Logs makes metrics by itself."""

import asyncio
import contextlib
import json
import math
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from transcriber.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Series:
    """A metric of CloudWatch: the sum of all samples of one of ours, whatever their labels."""

    name: str
    unit: str
    sample: str
    about: str
    growth: bool = True
    """What was added since the line before; False: what it is now."""


SERIES = (
    Series("ActiveSessions", "Count", "transcriber_sessions", "Sessions that are going on: scale on it.", growth=False),
    Series("SessionsEnded", "Count", "transcriber_sessions_ended_total", "Sessions that ended."),
    Series("Refusals", "Count", "transcriber_refusals_total", "Handshakes that were refused."),
    Series("AudioIn", "Seconds", "transcriber_audio_in_seconds_total", "Audio decoded."),
    Series("AudioUpstream", "Seconds", "transcriber_audio_upstream_seconds_total", "Audio given to the engine."),
    Series("EngineErrors", "Count", "transcriber_engine_errors_total", "What the engine could not do."),
    Series("EngineLag", "Seconds", "transcriber_engine_lag_seconds", "How long a new final would wait.", growth=False),
    Series("EngineQueue", "Count", "transcriber_engine_queue_jobs", "Jobs that wait for the engine.", growth=False),
    Series("StoreErrors", "Count", "transcriber_store_errors_total", "Sessions that could not be stored."),
    Series("SpoolBytes", "Bytes", "transcriber_spool_bytes", "What is not yet stored.", growth=False),
)

LATENCY = Series(
    "FinalLatency", "Seconds", "transcriber_final_latency_seconds", "From the end of speech to its final text: values."
)
"""All that were measured, or the newest 100, so that CloudWatch knows percentiles; left out where none was."""


class EmfReporter:
    """Writes a line now and then, and one at the end."""

    def __init__(self, metrics: Metrics, namespace: str, write: Callable[[str], None] | None = None) -> None:
        self._metrics = metrics
        self._namespace = namespace
        self._write = write or _to_stdout
        self._before: dict[str, float] = {}
        self._host = socket.gethostname()

    async def run(self, every_seconds: float) -> None:
        """Until cancelled."""
        try:
            while True:
                await asyncio.sleep(every_seconds)
                self._report()
        finally:
            self._report()

    def _report(self) -> None:
        # An output that is closed, or full for now, costs a line.
        with contextlib.suppress(OSError):
            self._write(self.line())

    def line(self) -> str:
        """Metrics without dimensions, so that their statistics are over all tasks; which task it was stands beside
        them."""
        values = self._values()
        units = {series.name: series.unit for series in (*SERIES, LATENCY)}
        directive: dict[str, object] = {
            "Namespace": self._namespace,
            "Dimensions": [[]],
            "Metrics": [{"Name": name, "Unit": units[name]} for name in values],
        }
        about: dict[str, object] = {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": [directive]}
        return json.dumps({"_aws": about, "event": "metrics", "host": self._host, **values})

    def _values(self) -> Mapping[str, float | list[float]]:
        now: defaultdict[str, float] = defaultdict(float)
        for metric in self._metrics.registry.collect():
            for sample in metric.samples:
                now[sample.name] += sample.value
        grown = {name: value - self._before.get(name, 0.0) for name, value in now.items()}
        self._before = dict(now)
        values = {
            series.name: round(grown.get(series.sample, 0.0) if series.growth else now[series.sample], 3)
            for series in SERIES
        }
        # CloudWatch drops a whole line for one value that is no number.
        values = {name: value for name, value in values.items() if math.isfinite(value)}
        latencies = [round(latency, 3) for latency in self._metrics.take_latencies() if math.isfinite(latency)]
        return values | {LATENCY.name: latencies} if latencies else values


def _to_stdout(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
