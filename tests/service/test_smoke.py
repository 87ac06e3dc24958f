"""The smoke test of a deployment, which says what is wrong with a service that does not transcribe."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from stacks.environment import smoke
from tests.certificates import Authority
from tests.openai_stub import OpenAIStub
from tests.service_process import ServiceProcess
from tests.stub_server import Reply, StubServer, json_reply
from tests.stubbed_engine import served
from transcriber.api_keys import KeyLimits, dump, new_key


@pytest.fixture
def serving(openai_settings: dict[str, str], tmp_path: Path) -> Iterator[ServiceProcess]:
    with ServiceProcess(tmp_path, drain_seconds=0, **openai_settings) as service:
        yield service


def _told(url: str, seconds: float = 60) -> str:
    with pytest.raises(smoke.Unheard) as raised:
        smoke.heard(url, seconds=seconds)
    assert "Traceback" not in str(raised.value)
    return str(raised.value)


async def _heard(url: str, seconds: float = 60) -> str:
    """As `_told`, beside what runs in this process."""
    return await asyncio.to_thread(_told, url, seconds)


def test_a_service_that_transcribes_is_heard(serving: ServiceProcess) -> None:
    assert smoke.heard(serving.url) > 0.95


def test_words_are_what_counts() -> None:
    spoken = smoke.SPOKEN.read_text()
    assert smoke.share_of(spoken, spoken.upper()) == 1
    assert smoke.share_of("one two three four", "Three, four!") == 0.5
    assert smoke.share_of(spoken, "nothing of it") < smoke.SHARE_HEARD


@pytest.mark.parametrize(
    ("text", "told"), [("", "heard 0% of the demo's words"), ("Something else.", "words:\nSomething else.")]
)
def test_a_service_that_hears_nothing_of_it(tmp_path: Path, text: str, told: str) -> None:
    with served(OpenAIStub(text)) as stub, ServiceProcess(tmp_path, drain_seconds=0, **stub.settings) as service:
        assert told in _told(service.url)


def test_a_service_whose_engine_refuses_its_key(openai_settings: dict[str, str], tmp_path: Path) -> None:
    settings = {**openai_settings, "openai_api_key": "not-the-key", "drain_seconds": 0}
    with ServiceProcess(tmp_path, **settings) as service:
        said = _told(service.url)
    assert "did not transcribe the demo (exit code 1):" in said
    assert "engine_failed" in said


def test_a_service_that_knows_another_key(openai_settings: dict[str, str], tmp_path: Path) -> None:
    settings = {**openai_settings, "api_keys": dump([new_key("alice", KeyLimits())[1]]), "drain_seconds": 0}
    with ServiceProcess(tmp_path, **settings) as service:
        assert "did not transcribe the demo (exit code 3):" in _told(service.url)


def test_nothing_listens() -> None:
    said = _told("ws://127.0.0.1:1/ws")
    assert said.startswith("ws://127.0.0.1:1/ws did not transcribe the demo (exit code 4):\n")
    assert "cannot connect to ws://127.0.0.1:1/ws" in said


def test_a_name_that_nobody_has() -> None:
    assert "cannot connect to ws://no-such-balancer.invalid/ws" in _told("ws://no-such-balancer.invalid/ws")


class Balancer(StubServer):
    """Answers for tasks that are not there."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self._reply = reply

    def reply(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        return self._reply


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(503, b"<h1>503 Service Temporarily Unavailable</h1>"), "503"),
        (Reply(404, b""), "404"),
        (json_reply({"status": "ok"}), "200"),
    ],
)
async def test_a_balancer_that_reaches_no_task(reply: Reply, told: str) -> None:
    async with Balancer(reply) as balancer:
        assert told in await _heard(f"ws://127.0.0.1:{balancer.port}/ws")


async def test_what_answers_nothing_is_not_waited_for_longer() -> None:
    async with Balancer(Reply(answer=False)) as balancer:
        said = await _heard(f"ws://127.0.0.1:{balancer.port}/ws", 1)
    assert said.endswith("did not transcribe the demo within 1 s")


# Over TLS


@asynccontextmanager
async def _listening(context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def test_a_certificate_of_an_authority_that_nobody_knows(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*Authority().write(tmp_path))
    async with _listening(context) as port:
        assert "CERTIFICATE_VERIFY_FAILED" in await _heard(f"wss://localhost:{port}/ws")


async def test_a_port_without_tls() -> None:
    async with _listening() as port:
        assert f"cannot connect to wss://localhost:{port}/ws" in await _heard(f"wss://localhost:{port}/ws")
