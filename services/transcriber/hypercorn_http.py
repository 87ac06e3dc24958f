"""Hypercorn's HTTP/1.1, with request heads that are held to their limits before anything is made of them."""

import base64
import binascii
from typing import Any
from urllib.parse import urlsplit

import h11
from hypercorn.events import Closed
from hypercorn.protocol.events import StreamClosed
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol, H11WSConnection

from transcriber.http_errors import error_answer

_ASCII_ONLY = frozenset({b"connection", b"sec-websocket-extensions", b"sec-websocket-protocol"})
"""Headers that Hypercorn decodes as such."""
_KEY_BYTES = 16
"""What a handshake's key stands for (RFC 6455, section 4.1)."""


class CheckedHeads(h11.Connection):
    """h11's parser; a head that is too large, or that Hypercorn or Quart would trip over, is a protocol error."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size=limit_bytes)
        self._limit_bytes = limit_bytes

    def next_event(self) -> Any:
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._check(event)
        return event

    def _check(self, request: h11.Request) -> None:
        """Raises RemoteProtocolError, which Hypercorn answers with the status in it."""
        # h11's own limit is for heads that are not complete: one that comes in a single read may be larger.
        size = len(request.target) + sum(len(name) + len(value) for name, value in request.headers)
        if size > self._limit_bytes:
            raise h11.RemoteProtocolError("request head too large", 431)
        # HTTP/2 has connections, streams and headers of its own to limit, no client of ours speaks it without TLS,
        # and WebSockets over it crash (hypercorn#329). "1.2" would be answered 200 where WebSockets want 101.
        if request.http_version not in (b"1.0", b"1.1"):
            raise h11.RemoteProtocolError("only HTTP/1.1 is spoken here", 505)
        for name, value in request.headers:
            if name in _ASCII_ONLY and not value.isascii():
                raise h11.RemoteProtocolError("header is not ASCII", 400)
        _check_body(request)
        if request.method == b"GET" and b"websocket" in (value.lower() for value in _all(request, b"upgrade")):
            _check_handshake(request)
        try:
            urlsplit(request.target.decode("ascii"))
        except ValueError:
            raise h11.RemoteProtocolError("target is no URL", 400) from None


def _all(request: h11.Request, wanted: bytes) -> list[bytes]:
    return [value for name, value in request.headers if name == wanted]


def _check_body(request: h11.Request) -> None:
    """A body that two servers on its way may find different ends of is none (RFC 9112, section 6.1)."""
    if _all(request, b"transfer-encoding") and (_all(request, b"content-length") or request.http_version == b"1.0"):
        raise h11.RemoteProtocolError("body in two framings", 400)


def _check_handshake(request: h11.Request) -> None:
    """The bytes of a body would be taken for frames; and any key at all for a key."""
    if _all(request, b"transfer-encoding") or _all(request, b"content-length") not in ([], [b"0"]):
        raise h11.RemoteProtocolError("handshake with a body", 400)
    keys = _all(request, b"sec-websocket-key")
    try:
        whole = len(keys) == 1 and len(base64.b64decode(keys[0], validate=True)) == _KEY_BYTES
    except binascii.Error:
        whole = False
    if not whole:
        raise h11.RemoteProtocolError("handshake without a key", 400)


class HttpProtocol(H11Protocol):
    """One connection's HTTP."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.connection = CheckedHeads(self.config.h11_max_incomplete_size)

    async def _check_protocol(self, event: h11.Request) -> None:
        """No upgrade to HTTP/2: the request is answered as it is."""

    async def _create_stream(self, request: h11.Request) -> None:
        await super()._create_stream(request)
        # A handshake that is no valid one is answered, and then forgotten with the connection open.
        if self.stream is not None and self.stream.closed:
            await self.stream_send(StreamClosed(stream_id=STREAM_ID))

    async def _send_error_response(self, status_code: int) -> None:
        """Hypercorn's own says the status alone."""
        headers, body = error_answer(status_code)
        headers += self.config.response_headers("h11")
        await self._send_h11_event(h11.Response(status_code=status_code, headers=headers))
        await self._send_h11_event(h11.Data(data=body))
        await self._send_h11_event(h11.EndOfMessage())

    async def _maybe_recycle(self) -> None:
        if isinstance(self.connection, H11WSConnection):
            # Closed first: that the app has room for the news may take as long as it likes.
            await self.send(Closed())
        await super()._maybe_recycle()
