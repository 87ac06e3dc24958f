"""Traces as a collector gets them, over real HTTP."""

import asyncio
import subprocess
import sys
import time

from tests.otlp_stub import OtlpStub, attributes
from transcriber.otel import OtelTraces

SECOND_NS = 1_000_000_000


async def test_spans_arrive_within_their_parents_and_with_their_names() -> None:
    async with OtlpStub() as collector:
        traces = OtelTraces(collector.endpoint + "/", "speech", "1.2")
        session = traces.begin("session", session="s1")
        utterance = session.child("utterance", ago_seconds=2.0, utterance=1)
        engine = utterance.child("engine", kind="final", audio_seconds=1.5)
        engine.end("engine_timeout")
        utterance.end()
        session.end(attributes={"finals": 1, "recovered": False})
        await traces.close()
        by_name = {span.name: span for span in collector.spans}
        assert list(by_name) == ["engine", "utterance", "session"]
        assert collector.resources["service.name"] == "speech"
        assert collector.resources["service.version"] == "1.2"
    assert len({span.trace_id for span in by_name.values()}) == 1
    assert by_name["engine"].parent_span_id == by_name["utterance"].span_id
    assert by_name["utterance"].parent_span_id == by_name["session"].span_id
    assert by_name["session"].parent_span_id == b""
    assert attributes(by_name["session"]) == {
        "transcriber.session": "s1",
        "transcriber.finals": 1,
        "transcriber.recovered": False,
    }
    assert attributes(by_name["engine"]) == {
        "transcriber.kind": "final",
        "transcriber.audio_seconds": 1.5,
        "error.type": "engine_timeout",
    }
    began = by_name["session"].start_time_unix_nano - by_name["utterance"].start_time_unix_nano
    assert 1.9 * SECOND_NS < began < 2.1 * SECOND_NS
    assert (by_name["engine"].status.code, by_name["utterance"].status.code) == (2, 0)


async def test_every_session_is_a_trace_of_its_own() -> None:
    async with OtlpStub() as collector:
        traces = OtelTraces(collector.endpoint, "speech", "1.2")
        sessions = [traces.begin("session"), traces.begin("session")]
        for session in sessions:
            session.end()
        await traces.close()
        assert len({span.trace_id for span in collector.spans}) == 2


async def test_a_collector_that_never_answers_does_not_hold_up_the_end() -> None:
    async with OtlpStub(answer=False) as collector:

        async def process() -> None:
            traces = OtelTraces(collector.endpoint, "speech", "1.2")
            traces.begin("session").end()
            await traces.close()

        began = time.monotonic()
        await asyncio.to_thread(asyncio.run, process())
        assert time.monotonic() - began < 5


async def test_nothing_of_it_is_imported_where_no_traces_are_wanted() -> None:
    script = "import sys, transcriber.app; sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    process = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script], timeout=30, check=False)
    assert process.returncode == 0
