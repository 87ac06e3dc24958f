"""Sessions that can't begin are refused in the handshake, with a reason that programs and people can read."""

import json
from collections.abc import Generator
from pathlib import Path

import pytest

from tests import lj001
from tests.checked_client import client, refusal, transcribe
from tests.http_get import get
from tests.service_process import ServiceProcess
from tests.stage import until
from tests.transport.raw_client import connected

SPEECH = lj001.wav(9.955, 11.9)


@pytest.mark.parametrize(
    ("query", "status", "code", "field"),
    [
        ({"langauge": "en"}, 400, "unknown_field", "langauge"),
        ({"sample_rate": "fast"}, 400, "invalid_field", "sample_rate"),
        ({"language": "english"}, 400, "invalid_field", "language"),
        ({"last_event": 3}, 400, "invalid_field", "last_event"),
        ({"model": "gpt-9"}, 400, "unsupported_model", "model"),
        ({"resume_token": ""}, 400, "invalid_field", "resume_token"),
        ({"resume_token": "guessed"}, 404, "unknown_session", "resume_token"),
    ],
    ids=str,
)
async def test_a_wrong_query(
    service: ServiceProcess, query: dict[str, object], status: int, code: str, field: str
) -> None:
    response, error = await refusal(service.url, **query)
    assert (response.status_code, error["code"], error["field"]) == (status, code, field)
    assert error["message"]


@pytest.fixture(scope="module")
def small(openai_settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Generator[ServiceProcess]:
    """A service for one session at a time."""
    settings = {"max_sessions": 1, "default_language": "en", "endpointing_ms": 250}
    with ServiceProcess(tmp_path_factory.mktemp("small"), **settings, **openai_settings) as running:
        yield running


async def test_no_more_sessions_than_there_may_be(small: ServiceProcess) -> None:
    async with client(small.url) as first:
        await first.hear()
        response, error = await refusal(small.url)
        assert (response.status_code, error["code"]) == (503, "too_many_sessions")
        assert int(response.headers["Retry-After"]) > 0
        await first.say(SPEECH, "END")
        assert await first.hear_all() == (1000, "complete")
    assert (await transcribe(small.url, "END")).received[-1]["type"] == "complete"


async def test_no_more_connections_than_there_may_be(openai_settings: dict[str, str], tmp_path: Path) -> None:
    with ServiceProcess(tmp_path, max_connections=2, **openai_settings) as crowded:
        async with connected(crowded.port), connected(crowded.port), connected(crowded.port) as third:
            assert await third.status() == "503"
            assert json.loads(await third.reader.read())["error"]["code"] == "too_many_connections"

        def counted() -> str:
            return get(crowded.port, "/metrics")[1]

        await until(lambda: "transcriber_tcp_connections 1.0" in counted())
        refusals = [line for line in counted().splitlines() if line.startswith("transcriber_tcp_refusals_total")]
        assert float(refusals[0].split()[1]) >= 1


async def test_settings_are_the_defaults_of_options(small: ServiceProcess) -> None:
    speaker = await transcribe(small.url, "END")
    options = speaker.received[0]["options"]
    assert (options["language"], options["endpointing_ms"]) == ("en", 250)


@pytest.mark.parametrize("path", ["/health", "/live"])
def test_a_load_balancer_is_told_that_all_is_well(service: ServiceProcess, path: str) -> None:
    status, body = get(service.port, path)
    assert (status, json.loads(body)["status"]) == (200, "ok")


@pytest.mark.parametrize(("path", "status", "code"), [("/ws", 426, "websocket_only"), ("/nothing", 404, "not_found")])
def test_plain_http_gets_an_answer_where_there_is_only_a_websocket(
    service: ServiceProcess, path: str, status: int, code: str
) -> None:
    answered, body = get(service.port, path)
    assert (answered, json.loads(body)["error"]["code"]) == (status, code)
