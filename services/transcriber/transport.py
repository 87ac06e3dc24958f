"""What Quart and Hypercorn need put right for sockets that carry audio: Quart's part, and where all of it is put in.

Each fix says what it is there for, with the upstream issue where there is one; `make bench-transport` prints what
happens with and without them. Hypercorn's part: hypercorn_tcp (connections), hypercorn_http (request heads) and
hypercorn_websocket (frames).
"""

import asyncio
import asyncio.base_events
from collections.abc import Generator
from typing import Any, cast

import hypercorn.asyncio.run
import hypercorn.protocol
import hypercorn.protocol.h11
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, WebsocketScope
from quart import Quart, Request, Response, Websocket, has_request_context, websocket
from quart.asgi import ASGIHTTPConnection, ASGIWebsocketConnection
from quart.wrappers.request import Body
from werkzeug.exceptions import HTTPException
from werkzeug.routing import WebsocketMismatch
from werkzeug.wrappers import Response as WerkzeugResponse

from transcriber.connection import SocketClosed
from transcriber.http_errors import error_body
from transcriber.hypercorn_config import Limits
from transcriber.hypercorn_http import HttpProtocol
from transcriber.hypercorn_tcp import TcpConnection
from transcriber.hypercorn_websocket import WebSocketStream

_INTERNAL_ERROR = 1011
_UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket"}


class _Received:
    """Messages straight from the server, one at a time: what is not read stays in its bounded queue, then with TCP."""

    def __init__(self, receive: ASGIReceiveCallable) -> None:
        self._receive = receive
        self._close_code: int | None = None

    async def get(self) -> bytes | str:
        """The next message; empty ones stay what they are. Raises SocketClosed."""
        if self._close_code is not None:
            raise SocketClosed(self._close_code)
        event = cast("dict[str, Any]", await self._receive())
        if event["type"] == "websocket.connect":
            return await self.get()
        if event["type"] == "websocket.disconnect":
            self._close_code = code = int(event["code"])
            raise SocketClosed(code)
        data = event.get("bytes")
        return data if data is not None else event["text"]


_BODY_AHEAD_BYTES = 256 << 10
"""Of a request's body, waiting for a handler that takes it in pieces."""


class StreamedBody(Body):
    """A body that memory does not grow with. Quart's takes all that comes, however long its handler is about it."""

    def __init__(self, expected_content_length: int | None, max_content_length: int | None) -> None:
        super().__init__(expected_content_length, max_content_length)
        self._left = self._whole = False
        self._room = asyncio.Event()
        self._room.set()
        self._judged = asyncio.Event()
        """Set once it does not matter that more was announced than may come: Quart leaves that out, though a handler
        that takes it has only not begun yet."""
        if self._must_raise is None:
            self._judged.set()

    def unlimited(self) -> "StreamedBody":
        """The same, of any length, for a handler that takes it in pieces and counts them."""
        self._must_raise = self._max_content_length = None
        self._judged.set()
        return self

    def leave(self) -> None:
        """What still comes is of no interest."""
        self._left = True
        self._data.clear()
        self._judged.set()
        self._room.set()

    async def put(self, data: bytes) -> None:
        """A piece has come. Returns when there is room for the next one: until then, TCP pushes back."""
        await self._judged.wait()
        await self._room.wait()
        if self._left:
            return
        self.append(data)
        if len(self._data) >= _BODY_AHEAD_BYTES and not self._whole:
            self._room.clear()
            await self._room.wait()

    async def __anext__(self) -> bytes:
        data = await super().__anext__()
        self._room.set()
        return data

    def __await__(self) -> Generator[Any, None, Any]:
        self._whole = True
        self._room.set()
        return (yield from super().__await__())


class StreamedRequest(Request):
    body_class = StreamedBody


class DirectHttpConnection(ASGIHTTPConnection):
    """Quart's connection with a body that pushes back. Whatever comes behind the answer is read and left: the server
    would wait for room for it, and never end."""

    async def handle_messages(self, request: Request, receive: ASGIReceiveCallable) -> None:
        body = cast("StreamedBody", request.body)
        while True:
            event = cast("dict[str, Any]", await receive())
            if event["type"] == "http.disconnect":
                return
            await body.put(event.get("body", b""))
            if not event.get("more_body", False):
                body.set_complete()

    async def handle_request(self, request: Request, send: ASGISendCallable) -> None:
        async def answer(event: Any) -> None:
            cast("StreamedBody", request.body).leave()
            await send(event)

        await super().handle_request(request, answer)


class DirectWebsocketConnection(ASGIWebsocketConnection):
    """Quart's connection without its unbounded queue, and without cancelling the handler when the client goes: what
    the client sent before is still read."""

    def __init__(self, app: Quart, scope: WebsocketScope) -> None:
        super().__init__(app, scope)

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        self.queue = cast("asyncio.Queue[Any]", _Received(receive))
        await self.handle_websocket(self._create_websocket_from_scope(send), send)

    async def handle_websocket(self, websocket: Websocket, send: ASGISendCallable) -> None:
        # An exception is logged there, and answered with a 500.
        answer = await self.app.handle_websocket(websocket)
        if not self._accepted:
            await self._refuse(answer or Response(status=500), send)
        elif not self._closed:
            failed = answer is not None
            # Quart closes with 1000 even then (hypercorn#125 is its twin).
            await self.close_connection(send, _INTERNAL_ERROR if failed else 1000, "internal error" if failed else "")

    async def send_data(self, send: ASGISendCallable, data: str | bytes) -> None:
        try:
            await super().send_data(send, data)
        except OSError:
            raise SocketClosed from None

    async def _refuse(self, answer: Response | WerkzeugResponse, send: ASGISendCallable) -> None:
        # The connection can't be used again, whatever a pooling proxy thinks.
        answer.headers["Connection"] = "close"
        # What Quart itself answers, such as 404, is Werkzeug's own response.
        body = answer.get_data() if isinstance(answer, WerkzeugResponse) else await answer.get_data(as_text=False)
        headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
        event = {"type": "websocket.http.response.start", "status": answer.status_code, "headers": headers}
        await send(cast("Any", event))
        await send(cast("Any", {"type": "websocket.http.response.body", "body": body, "more_body": False}))


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


def install(app: Quart, limits: Limits | None = None) -> None:
    """Put the fixes in place, for this app and for the process's Hypercorn; that is told its limits by a
    `ServerConfig`."""
    limits = limits or Limits()
    app.asgi_http_class = DirectHttpConnection
    app.asgi_websocket_class = DirectWebsocketConnection
    app.request_class = StreamedRequest
    app.register_error_handler(HTTPException, _answer)
    app.config["MAX_CONTENT_LENGTH"] = limits.body_bytes
    app.config["BODY_TIMEOUT"] = limits.body_seconds
    cast("Any", hypercorn.asyncio.run).TCPServer = TcpConnection
    cast("Any", hypercorn.protocol).H11Protocol = HttpProtocol
    cast("Any", hypercorn.protocol.h11).WSStream = WebSocketStream
    # Since Python 3.12 this waits for every open connection, before Hypercorn's graceful timeout begins
    # (hypercorn#308).
    cast("Any", asyncio.base_events.Server).wait_closed = _do_not_wait


def _answer(problem: HTTPException) -> WerkzeugResponse | Response:
    """What Quart itself answers, such as 404, in the form of our own answers; headers that belong to it stay."""
    if problem.response is not None:
        return cast("WerkzeugResponse", problem.response)
    status = problem.code or 500
    headers = {name: value for name, value in problem.get_headers() if name.lower() != "content-type"}
    if isinstance(problem, WebsocketMismatch):
        # A WebSocket asked as a page, or the other way round.
        status, headers = (426, _UPGRADE) if has_request_context() else (404, {})
    return Response(error_body(status), status, headers, content_type="application/json")


async def _do_not_wait(server: asyncio.base_events.Server) -> None:
    return None
