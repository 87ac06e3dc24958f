"""Traces that go nowhere."""

from transcriber.tracing import NoTraces


async def test_without_a_place_to_go_spans_cost_nothing_and_may_be_used_as_any() -> None:
    traces = NoTraces()
    session = traces.begin("session", session="s1")
    utterance = session.child("utterance", ago_seconds=1.0, utterance=1)
    assert utterance is session
    utterance.end("engine_timeout")
    session.end(attributes={"finals": 1})
    await traces.close()
