"""The service over TLS, by a certificate of the tests' own authority: also renewed while it runs."""

import asyncio
import ssl
from collections.abc import Generator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tests import lj001
from tests.certificates import Authority
from tests.checked_client import CheckedClient
from tests.service_process import ServiceProcess

SPEECH = lj001.wav(9.955, 11.9)


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture(params=["uvloop", "asyncio"])
def secure(
    authority: Authority, openai_settings: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> Generator[ServiceProcess]:
    cert, key = authority.write(tmp_path, "before")
    settings = {"tls_cert_file": cert, "tls_key_file": key, "event_loop": request.param, "drain_seconds": 0}
    with ServiceProcess(tmp_path / "service", **settings, **openai_settings) as running:
        yield running


async def _request(port: int, context: ssl.SSLContext, path: str) -> tuple[bytes, str]:
    """A whole answer, to the end of the connection, and the name in the certificate."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(2):
        answer = await reader.read()
    shown = writer.get_extra_info("peercert")
    writer.close()
    return answer, dict(pair for (pair,) in shown["subject"])["commonName"]


async def test_sessions_and_requests_over_tls(secure: ServiceProcess, authority: Authority, tmp_path: Path) -> None:
    context = authority.client_context()
    async with connect(f"wss://localhost:{secure.port}/ws", ssl=context, proxy=None) as connection:
        speaker = CheckedClient(connection)
        await speaker.say(SPEECH, "END")
        assert await speaker.hear_all() == (1000, "complete")
        assert speaker.text
    answer, name = await _request(secure.port, context, "/health")
    assert (answer[:15], name) == (b"HTTP/1.1 200 \r\n", "before")
    authority.write(tmp_path, "after")
    async with asyncio.timeout(20):
        while (await _request(secure.port, context, "/health"))[1] != "after":  # noqa: ASYNC110 - rings no bell
            await asyncio.sleep(0.5)


async def test_plain_http_is_not_spoken_there(secure: ServiceProcess) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", secure.port)
    writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    async with asyncio.timeout(5):
        assert not (await reader.read()).startswith(b"HTTP")
    writer.close()
    assert "Traceback" not in secure.log_text()
