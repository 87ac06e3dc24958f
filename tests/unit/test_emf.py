"""Lines that CloudWatch makes metrics of."""

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.stage import until
from transcriber.emf import LATENCY, SERIES, EmfReporter
from transcriber.metrics import Metrics, Readings

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"


def line_of(reporter: EmfReporter) -> dict[str, Any]:
    return json.loads(reporter.line())


def test_a_line_has_the_form_that_cloudwatch_asks_for() -> None:
    line = line_of(EmfReporter(Metrics(), "Speech"))
    about = line["_aws"]
    assert abs(about["Timestamp"] / 1000 - time.time()) < 60
    (directive,) = about["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == ("Speech", [[]])
    units = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert units == {series.name: series.unit for series in SERIES}
    assert set(units) | {"_aws", "event", "host"} == set(line)
    assert set(units.values()) <= {"Count", "Seconds", "Bytes"}


def test_states_are_told_as_they_are_and_counts_as_they_grew() -> None:
    metrics = Metrics()
    reporter = EmfReporter(metrics, "Speech")
    metrics.read = lambda: Readings(
        lag_seconds=2.5, queue_jobs=7, upstream_finals_seconds=3, upstream_partials_seconds=1
    )
    metrics.sessions.labels("listening").inc(3)
    metrics.sessions.labels("finishing").inc()
    metrics.engine_errors.labels("engine_timeout", "final").inc(2)
    metrics.engine_errors.labels("engine_error", "partial").inc()
    first, second = line_of(reporter), line_of(reporter)
    assert (first["ActiveSessions"], second["ActiveSessions"]) == (4, 4)
    assert (first["EngineErrors"], second["EngineErrors"]) == (3, 0)
    assert (first["EngineLag"], first["EngineQueue"], first["AudioUpstream"]) == (2.5, 7, 4)


def test_latencies_are_told_as_values_once() -> None:
    metrics = Metrics()
    reporter = EmfReporter(metrics, "Speech")
    for latency in range(150):
        metrics.final_told(latency)
    line = line_of(reporter)
    assert line[LATENCY.name] == list(range(50, 150)), "no more than CloudWatch takes"
    named = [metric["Name"] for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]]
    assert LATENCY.name in named
    assert LATENCY.name not in line_of(reporter)


def test_what_is_no_number_is_left_out() -> None:
    metrics = Metrics()
    metrics.read = lambda: Readings(lag_seconds=float("inf"), queue_jobs=3)
    metrics.final_told(float("nan"))
    line = json.loads(EmfReporter(metrics, "Speech").line(), parse_constant=pytest.fail)
    named = {metric["Name"] for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    assert named == named & set(line)
    assert not named & {"EngineLag", LATENCY.name}
    assert line["EngineQueue"] == 3


async def test_an_output_that_is_gone_ends_nothing() -> None:
    told: list[str] = []

    def write(line: str) -> None:
        told.append(line)
        if len(told) == 1:
            raise BrokenPipeError

    reporting = asyncio.create_task(EmfReporter(Metrics(), "Speech", write).run(0.01))
    await until(lambda: len(told) > 2)
    assert not reporting.done()
    reporting.cancel()


async def test_a_line_now_and_then_and_one_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = Metrics()
    reporting = asyncio.create_task(EmfReporter(metrics, "Speech").run(0.05))
    await asyncio.sleep(0.12)
    metrics.refusals.labels("draining").inc()
    reporting.cancel()
    await asyncio.gather(reporting, return_exceptions=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) >= 2
    assert [line["Refusals"] for line in lines] == [0] * (len(lines) - 1) + [1]


def test_every_series_is_one_of_ours() -> None:
    known = {sample.name for metric in Metrics().registry.collect() for sample in metric.samples}
    families = {metric.name for metric in Metrics().registry.collect()}
    for series in SERIES:
        assert series.sample in known or series.sample.removesuffix("_total") in families


def test_the_documentation_has_them_all() -> None:
    rows = [f"| `{series.name}` | {series.unit} | {series.about} |" for series in (*SERIES, LATENCY)]
    shown = re.findall(r"^\| `[A-Z][a-z]\w+` \| (?:Count|Seconds|Bytes) .*$", DOCUMENT.read_text(), re.MULTILINE)
    assert shown == rows, "\n".join(["should be:", *rows])
