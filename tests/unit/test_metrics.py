"""What is counted, as Prometheus gets it, and as it is documented."""

import asyncio
import re
import time
from pathlib import Path

import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from transcriber.metrics import Metrics, Readings, watch_loop

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"transcriber_{name}", labels)


def test_a_registry_is_its_owners_alone() -> None:
    one, other = Metrics(), Metrics()
    one.audio_in.inc(3)
    assert (value(one, "audio_in_seconds_total"), value(other, "audio_in_seconds_total")) == (3, 0)
    assert not [name for name in prometheus_client.REGISTRY._names_to_collectors if "transcriber" in name]


def test_readings_are_taken_when_somebody_looks() -> None:
    metrics = Metrics()
    assert value(metrics, "engine_lag_seconds") == 0
    metrics.read = lambda: Readings(1, 2, 3.5, 4.5, 5.5, 6, 7.5, 8.5, 9, 10)
    assert value(metrics, "engine_queue_jobs") == 1
    assert value(metrics, "engine_running_jobs") == 2
    assert value(metrics, "engine_lag_seconds") == 3.5
    assert value(metrics, "audio_upstream_seconds_total", kind="final") == 4.5
    assert value(metrics, "audio_upstream_seconds_total", kind="partial") == 5.5
    assert value(metrics, "spool_bytes") == 6
    assert value(metrics, "detector_cpu_seconds_total") == 7.5
    assert value(metrics, "decoder_cpu_seconds_total") == 8.5
    assert value(metrics, "tcp_connections") == 9
    assert value(metrics, "tcp_refusals_total") == 10


@pytest.mark.parametrize(
    ("accept", "parse"),
    [("", text_string_to_metric_families), ("application/openmetrics-text; version=1.0.0", parse_openmetrics)],
)
def test_the_text_is_what_prometheus_reads(accept: str, parse: object) -> None:
    metrics = Metrics()
    metrics.final_told(0.7)
    text, content_type = metrics.exposition(accept)
    assert content_type.startswith(accept.partition(";")[0] or "text/plain; version=")
    families = {family.name: family for family in parse(text.decode())}  # type: ignore[operator]
    assert {"transcriber_sessions", "transcriber_final_latency_seconds", "process_open_fds"} <= set(families)
    assert not [name for name in families if name.endswith("_created")]
    (count,) = (s for s in families["transcriber_final_latency_seconds"].samples if s.name.endswith("_count"))
    assert count.value == 1


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text; version=zzz; q=foo",
        "application/openmetrics-text;version=9.9.9;escaping=none",
        "application/openmetrics-text;version=0.0.1, */*;q=",
        "text/plain; version=;",
        ";;,,=",
        "text/plain; version=1.0.0; escaping=allow-utf-8",
    ],
)
def test_what_asks_for_no_known_form_gets_a_known_one(accept: str) -> None:
    text, content_type = Metrics().exposition(accept)
    assert content_type in (
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        "text/plain; version=0.0.4; charset=utf-8",
    )
    assert b"transcriber_sessions" in text


@given(st.text(st.sampled_from("aptx/-;=,*.1 ") | st.characters(max_codepoint=255), max_size=60))
def test_whatever_is_accepted_there_is_an_answer(accept: str) -> None:
    assert Metrics().exposition(f"application/openmetrics-text{accept}")[0]
    assert Metrics().exposition(accept)[0]


async def test_a_loop_that_is_held_up_is_seen() -> None:
    metrics = Metrics()
    watching = asyncio.create_task(watch_loop(metrics))
    await asyncio.sleep(0.1)
    time.sleep(0.4)  # noqa: ASYNC251 - that is what is to be seen
    await asyncio.sleep(0.05)
    watching.cancel()
    delayed = value(metrics, "event_loop_delay_seconds_sum")
    assert delayed is not None
    assert 0.2 < delayed < 5


def test_every_series_is_documented_as_it_is() -> None:
    rows = [
        f"| `{_name(family.name, family.type)}` | {family.type} | {family.documentation} |"
        for family in Metrics().registry.collect()
        if family.name.startswith("transcriber_")
    ]
    shown = re.findall(r"^\| `transcriber_\w+` \| \w+ \| .*$", DOCUMENT.read_text(), re.MULTILINE)
    assert sorted(shown) == sorted(rows), "\n".join(["should be, in any order:", *rows])


def test_names_have_units() -> None:
    counted = (
        "sessions",
        "connections",
        "jobs",
        "seconds",
        "bytes",
        "messages",
        "ended",
        "refusals",
        "errors",
        "webhooks",
        "build",
    )
    for family in Metrics().registry.collect():
        if family.name.startswith("transcriber_"):
            assert family.name.endswith(counted)


def _name(name: str, kind: str) -> str:
    return name + {"counter": "_total", "info": "_info"}.get(kind, "")
