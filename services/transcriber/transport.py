"""What Quart and Hypercorn need put right for sockets that carry audio, in one place."""

import asyncio
import asyncio.base_events
import contextlib
from typing import Any, cast

import hypercorn.protocol.ws_stream
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, WebsocketScope
from quart import Quart, Websocket, websocket
from quart.asgi import ASGIWebsocketConnection

from transcriber.connection import SocketClosed

_LINGER_SECONDS = 5
"""How long what the client still sends is read after our close frame: unread data would turn it into a reset."""


class _Received:
    """Messages straight from the server, one at a time: what is not read stays in its bounded queue, then with TCP."""

    def __init__(self, receive: ASGIReceiveCallable) -> None:
        self._receive = receive
        self._closed = False

    async def get(self) -> bytes | str:
        """The next message; empty ones stay what they are. Raises SocketClosed."""
        if self._closed:
            raise SocketClosed
        event = cast("dict[str, Any]", await self._receive())
        if event["type"] == "websocket.connect":
            return await self.get()
        if event["type"] == "websocket.disconnect":
            self._closed = True
            raise SocketClosed
        data = event.get("bytes")
        return data if data is not None else event["text"]


class DirectWebsocketConnection(ASGIWebsocketConnection):
    """Quart's connection without its unbounded queue, and without cancelling the handler when the client goes: what
    the client sent before is still read."""

    def __init__(self, app: Quart, scope: WebsocketScope) -> None:
        super().__init__(app, scope)

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        received = _Received(receive)
        self.queue = cast("asyncio.Queue[Any]", received)
        await self.handle_websocket(self._create_websocket_from_scope(send), send)
        with contextlib.suppress(SocketClosed, TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS if self._accepted else 0):
                while True:
                    await received.get()


class QuartSocket:
    """The current request's WebSocket, as `connection` wants it."""

    def __init__(self) -> None:
        # What stands behind the proxy of the request's context, so that any task may use it.
        self._websocket: Websocket = cast("Any", websocket)._get_current_object()

    async def accept(self, subprotocol: str | None) -> None:
        """Answer the handshake."""
        await cast("Any", self._websocket).accept(subprotocol=subprotocol)

    async def receive(self) -> bytes | str:
        return await self._websocket.receive()

    async def send(self, message: bytes | str) -> None:
        await self._websocket.send(message)

    async def close(self, code: int, reason: str) -> None:
        await self._websocket.close(code, reason)


def install(app: Quart) -> None:
    """Put the fixes in place, for this app and for the process's Hypercorn."""
    app.asgi_websocket_class = DirectWebsocketConnection
    # Audio does not compress, and a compressed message can grow a thousandfold; Hypercorn always accepts the
    # extension (hypercorn#307).
    cast("Any", hypercorn.protocol.ws_stream).server_extensions_handshake = _no_extensions
    # Since Python 3.12 this waits for every open connection, before Hypercorn's graceful timeout begins
    # (hypercorn#308).
    cast("Any", asyncio.base_events.Server).wait_closed = _do_not_wait


def _no_extensions(requested: object, supported: object) -> None:
    return None


async def _do_not_wait(server: asyncio.base_events.Server) -> None:
    return None
