"""What is put right in Quart and Hypercorn, against both of them on a real port."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import pytest
from quart import Quart
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.served import installed
from tests.stage import until
from transcriber.connection import SocketClosed
from transcriber.transport import QuartSocket

Handler = Callable[[QuartSocket], Awaitable[None]]


def app_of(handler: Handler) -> Quart:
    app = Quart(__name__)

    async def serve() -> None:
        socket = QuartSocket()
        await socket.accept(None)
        await handler(socket)

    app.add_websocket("/ws", "ws", serve)
    return app


def url(port: int) -> str:
    return f"ws://127.0.0.1:{port}/ws"


class Listener:
    """A handler that reads to the end, slowly at first."""

    def __init__(self, *, pause_seconds: float = 0) -> None:
        self.heard: list[bytes | str] = []
        self.over = False
        self._pause_seconds = pause_seconds

    async def __call__(self, socket: QuartSocket) -> None:
        await asyncio.sleep(self._pause_seconds)
        try:
            while True:
                self.heard.append(await socket.receive())
        except SocketClosed:
            await asyncio.sleep(0.05)
            self.over = True


async def test_what_was_sent_before_the_close_is_read_and_the_handler_runs_on() -> None:
    listener = Listener(pause_seconds=0.2)
    async with installed(app_of(listener)) as port:
        async with connect(url(port)) as connection:
            for number in range(100):
                await connection.send(number.to_bytes(2, "big") * 500)
        await until(lambda: listener.over)
    assert [message[:2] for message in listener.heard] == [number.to_bytes(2, "big") for number in range(100)]


async def test_a_reset_does_not_cancel_the_handler() -> None:
    listener = Listener()
    async with installed(app_of(listener)) as port, connect(url(port)) as connection:
        await connection.send(b"audio")
        await until(lambda: listener.heard)
        connection.transport.abort()
        await until(lambda: listener.over)
    assert listener.heard == [b"audio"]


async def test_messages_keep_their_kind_and_empty_ones_are_messages() -> None:
    listener = Listener()
    async with installed(app_of(listener)) as port:
        async with connect(url(port)) as connection:
            for message in (b"", "", b"audio", "END"):
                await connection.send(message)
        await until(lambda: listener.over)
    assert listener.heard == [b"", "", b"audio", "END"]


async def test_behind_the_end_a_socket_stays_closed() -> None:
    refusals: list[SocketClosed] = []

    async def insist(socket: QuartSocket) -> None:
        for _ in range(2):
            try:
                await socket.receive()
            except SocketClosed as closed:
                refusals.append(closed)

    async with installed(app_of(insist)) as port:
        async with connect(url(port)):
            pass
        await until(lambda: len(refusals) == 2)


async def test_compression_is_not_agreed_on() -> None:
    async with installed(app_of(Listener())) as port, connect(url(port)) as connection:
        assert connection.request is not None
        assert connection.response is not None
        assert "permessage-deflate" in connection.request.headers["Sec-WebSocket-Extensions"]
        assert "Sec-WebSocket-Extensions" not in connection.response.headers


async def test_what_is_not_read_stays_with_the_client() -> None:
    go_on, sent_bytes = asyncio.Event(), 0

    async def wait(socket: QuartSocket) -> None:
        await go_on.wait()

    async with installed(app_of(wait)) as port, connect(url(port)) as connection:

        async def send() -> None:
            nonlocal sent_bytes
            while True:
                await connection.send(bytes(256 << 10))
                sent_bytes += 256 << 10

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(send(), 1)
        connection.transport.abort()
        go_on.set()
    assert sent_bytes < 32 << 20, "the kernel's buffers hold less"


async def test_a_close_reaches_a_client_that_is_still_sending() -> None:
    async def refuse(socket: QuartSocket) -> None:
        await socket.receive()
        await socket.send('{"type": "error"}')
        await socket.close(1003, "unsupported_audio")

    async with installed(app_of(refuse)) as port:
        async with connect(url(port)) as connection:
            with contextlib.suppress(ConnectionClosed):
                for _ in range(10_000):
                    await connection.send(bytes(4096))
            assert await connection.recv() == '{"type": "error"}'
        assert (connection.close_code, connection.close_reason) == (1003, "unsupported_audio")


async def test_a_connection_that_is_over_does_not_hold_up_the_end_of_the_server() -> None:
    listener = Listener()
    async with installed(app_of(listener)) as port:
        async with connect(url(port)) as connection:
            await connection.send(b"audio")
        await until(lambda: listener.over)
        began = time.monotonic()
    assert time.monotonic() - began < 2, "the graceful timeout is 3 s, and pings come every 20"
