"""Hypercorn's HTTP/1.1, with request heads that are held to their limits before anything is made of them."""

from typing import Any
from urllib.parse import urlsplit

import h11
from hypercorn.events import Closed
from hypercorn.protocol.events import StreamClosed
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol, H11WSConnection

_ASCII_ONLY = frozenset({b"connection", b"sec-websocket-extensions", b"sec-websocket-protocol"})
"""Headers that Hypercorn decodes as such."""


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
        try:
            urlsplit(request.target.decode("ascii"))
        except ValueError:
            raise h11.RemoteProtocolError("target is no URL", 400) from None


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

    async def _maybe_recycle(self) -> None:
        if isinstance(self.connection, H11WSConnection):
            # Closed first: that the app has room for the news may take as long as it likes.
            await self.send(Closed())
        await super()._maybe_recycle()
