"""What is put right in Quart and Hypercorn, against both of them on a real port."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import cast

import pytest
from quart import Quart, abort, request
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.served import installed
from tests.stage import until
from transcriber.connection import SocketClosed
from transcriber.hypercorn_tcp import TcpConnection
from transcriber.transport import QuartSocket, StreamedBody

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


# Bodies of requests


def body_app(handler: Callable[[StreamedBody], Awaitable[str]]) -> Quart:
    app = Quart(__name__)

    async def take() -> str:
        return await handler(cast("StreamedBody", request.body))

    app.add_url_rule("/take", view_func=take, methods=["POST"])
    return app


async def post(port: int, size: int, *, piece_bytes: int = 1 << 16) -> tuple[int, int]:
    """Status, and how much of a body was taken by then."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = 0
    try:
        writer.write(f"POST /take HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode())
        answer = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
        while sent < size and not answer.done():
            writer.write(bytes(piece_bytes))
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(0.3):
                    await writer.drain()
                    sent += piece_bytes
                    continue
            break
        async with asyncio.timeout(5):
            return int((await answer).split()[1]), sent
    finally:
        writer.transport.abort()


async def test_a_body_taken_in_pieces_may_have_any_length() -> None:
    async def count(body: StreamedBody) -> str:
        return str(sum([len(piece) async for piece in body.unlimited()]))

    async with installed(body_app(count)) as port:
        assert await post(port, 8 << 20) == (200, 8 << 20)


async def test_what_comes_before_a_body_is_taken_is_part_of_it() -> None:
    async def count_later(body: StreamedBody) -> str:
        await asyncio.sleep(0.1)
        taken = sum([len(piece) async for piece in body.unlimited()])
        return str(taken) if taken == 8 << 20 else abort(418)

    async with installed(body_app(count_later)) as port:
        assert await post(port, 8 << 20) == (200, 8 << 20)


async def test_a_body_that_is_too_large_is_refused_however_late() -> None:
    async def whole(body: StreamedBody) -> str:
        await asyncio.sleep(0.1)
        return str(len(await body))

    async with installed(body_app(whole)) as port:
        status, sent = await post(port, 64 << 20)
        assert status == 413
        assert sent < 32 << 20


async def test_a_body_that_is_not_taken_stays_with_its_client() -> None:
    held: list[int] = []
    done = asyncio.Event()

    async def dawdle(body: StreamedBody) -> str:
        body.unlimited()
        await done.wait()
        held.append(len(body._data))  # pyright: ignore[reportPrivateUsage]
        return "late"

    async with installed(body_app(dawdle)) as port:
        loop = asyncio.get_running_loop()
        loop.call_later(1, done.set)
        status, sent = await post(port, 256 << 20)
        assert status == 200
        assert sent < 64 << 20
        assert held[0] < 1 << 20


async def test_an_answer_before_the_body_does_not_wait_for_it() -> None:
    async def refuse(body: StreamedBody) -> str:
        body.unlimited()
        return "no"

    async with installed(body_app(refuse)) as port:
        for _ in range(3):
            status, _ = await post(port, 64 << 20)
            assert status == 200
        await until(lambda: TcpConnection.open == 0)


async def test_a_body_taken_whole_has_the_limit_of_all() -> None:
    async def whole(body: StreamedBody) -> str:
        return str(len(await body))

    async with installed(body_app(whole)) as port:
        assert (await post(port, 700 << 10))[0] == 200
        assert (await post(port, 2 << 20))[0] == 413
