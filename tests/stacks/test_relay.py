"""What stands between clients and a task in tests of both."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from .relay import Relay


def _run(work: Coroutine[Any, Any, None]) -> None:
    """In a loop that nothing else sees: tests of Pulumi's programs need the one that this thread has."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()


async def _asked(relay: Relay, sent: bytes) -> bytes:
    """What a client is answered."""
    server = await relay.serve()
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(sent)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()
    return answer


@pytest.mark.parametrize(
    ("balances", "wanted"),
    [
        (False, b"<GET / HTTP/1.1\r\n\r\nbody>"),
        (True, b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\n\r\nbody>"),
    ],
)
def test_both_ways_and_to_the_end(tmp_path: Path, balances: bool, wanted: bytes) -> None:
    _run(_both_ways(tmp_path, balances, wanted))


async def _both_ways(tmp_path: Path, balances: bool, wanted: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"<" + await reader.read() + b">")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_unix_server(answer, str(tmp_path / "there"))
    relay = Relay("127.0.0.1:0", str(tmp_path / "there"), balances=balances)
    assert wanted in await _asked(relay, b"GET / HTTP/1.1\r\n\r\nbody")
    server.close()
    await server.wait_closed()


def test_a_balancer_answers_for_who_is_not_there(tmp_path: Path) -> None:
    _run(_nobody_there(tmp_path))


async def _nobody_there(tmp_path: Path) -> None:
    relay = Relay("127.0.0.1:0", str(tmp_path / "nobody"), balances=True)
    assert (await _asked(relay, b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 503 ")
