"""The WebSocket route: who is let in, and into which session."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from quart import Quart

from tests.checked_client import client, refusal, transcribe, types
from tests.fakes import LengthEngine
from tests.gates import gate_of
from tests.served import installed
from tests.stage import SPEECH, House, until, wav
from transcriber.endpoints.stream import RETRY_AFTER_SECONDS, stream
from transcriber.events import Options
from transcriber.live import Limits
from transcriber.wire.native import NativeProtocol
from transcriber.wire.protocol import WireProtocol


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path, Limits(sessions=2)) as made:
        yield made


@pytest.fixture
async def url(house: House) -> AsyncIterator[str]:
    app = Quart(__name__)
    gate = gate_of(house)
    protocols: dict[str, Callable[[], WireProtocol]] = {"/ws": lambda: NativeProtocol(Options(endpointing_ms=400))}
    app.register_blueprint(stream(lambda: house.sessions, protocols, lambda: gate))
    async with installed(app) as port:
        yield f"ws://127.0.0.1:{port}/ws"


async def test_a_session_begins_with_the_options_of_its_query(url: str, house: House) -> None:
    speaker = await transcribe(url, wav(SPEECH), "END", language="de", record="none")
    options = speaker.received[0]["options"]
    assert (options["language"], options["record"], options["endpointing_ms"]) == ("de", "none", 400)
    assert types(speaker.received)[-1] == "complete"
    assert {job.options.language for job in house.engine.jobs} == {"de"}
    assert (speaker.connection.close_code, speaker.connection.close_reason) == (1000, "complete")


async def test_a_query_that_makes_no_sense_begins_nothing(url: str, house: House) -> None:
    response, error = await refusal(url, endpointing_ms="long")
    assert (response.status_code, error["code"], error["field"]) == (400, "invalid_field", "endpointing_ms")
    assert len(house.sessions) == 0


async def test_what_the_engine_can_not_do_is_refused_before_room_is_looked_for(tmp_path: Path) -> None:
    async with House(tmp_path, Limits(sessions=0)) as full:
        engine = LengthEngine(languages=frozenset({"en"}))
        full.sessions.parts = replace(full.sessions.parts, engine=engine)
        app = Quart(__name__)
        gate = gate_of(full)
        app.register_blueprint(stream(lambda: full.sessions, {"/ws": NativeProtocol}, lambda: gate))
        async with installed(app) as port:
            response, error = await refusal(f"ws://127.0.0.1:{port}/ws", language="de")
            assert (response.status_code, error["code"]) == (400, "unsupported_language")
            response, error = await refusal(f"ws://127.0.0.1:{port}/ws", language="en")
            assert (response.status_code, error["code"]) == (503, "too_many_sessions")


async def test_where_there_is_no_room_one_is_asked_to_come_again(url: str, house: House) -> None:
    async with client(url) as first, client(url) as second:
        await first.hear()
        await second.hear()
        response, error = await refusal(url)
        assert (response.status_code, error["code"]) == (503, "too_many_sessions")
        assert response.headers["Retry-After"] == str(RETRY_AFTER_SECONDS)
        assert response.headers["Connection"] == "close"
    await until(lambda: not house.sessions)


async def test_a_service_that_drains_sends_clients_away(url: str, house: House) -> None:
    house.sessions.draining = True
    response, error = await refusal(url)
    assert (response.status_code, error["code"]) == (503, "draining")


async def test_a_token_leads_to_its_session_even_where_there_is_no_room(url: str, house: House) -> None:
    async with client(url, resume="true") as first, client(url) as other:
        await other.hear()
        token = (await first.hear())["resume_token"]
        async with client(url, resume_token=token) as again:
            status = await again.hear()
            assert status["session_id"] == first.received[0]["session_id"]
            await again.say(wav(SPEECH), "END")
            assert await again.hear_all() == (1000, "complete")
    assert len(again.of("transcription")) == 3


async def test_a_token_of_no_session(url: str, house: House) -> None:
    response, error = await refusal(url, resume_token="guessed")
    assert (response.status_code, error["code"], error["field"]) == (404, "unknown_session", "resume_token")
    assert len(house.sessions) == 0


async def test_what_is_refused_is_counted_by_its_reason_and_who_is_connected_too(url: str, house: House) -> None:
    def count(name: str, **labels: str) -> float | None:
        return house.sessions.parts.metrics.registry.get_sample_value(f"transcriber_{name}", labels)

    await refusal(url, endpointing_ms="long")
    await refusal(url, resume_token="guessed")
    async with client(url) as first, client(url) as second:
        await first.hear()
        await second.hear()
        await refusal(url)
        assert count("connections") == 2
    await until(lambda: count("connections") == 0)
    reasons = ("invalid_request", "unknown_session", "too_many_sessions")
    assert [count("refusals_total", reason=reason) for reason in reasons] == [1, 1, 1]
