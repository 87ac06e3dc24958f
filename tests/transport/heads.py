"""Rows about HTTP: request heads, handshakes that are none, bodies."""

import asyncio
import json
from functools import partial

from tests.transport.raw_client import connected, handshake
from tests.transport.row import Rows
from tests.transport.server import Server

rows = Rows()

GET = b"GET /seen/x HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def asked(server: Server, request: bytes, seconds: float = 1) -> str:
    """The answer's status, and what becomes of the connection."""
    async with connected(server.port) as client:
        await client.send(request)
        async with asyncio.timeout(seconds):
            status = await client.status()
        return f"{status}, TCP {'closed' if await client.closed(seconds) else 'open'}"


def _head(name: str, size: int) -> bytes:
    return GET[:-2] + f"{name}: {'x' * size}\r\n\r\n".encode()


rows.same("12 KiB of headers", "200, TCP open")(partial(asked, request=_head("a", 12 << 10), seconds=0.4))
rows.row("40 KiB of headers at once", stock="200, TCP open", ours="431, TCP closed")(
    partial(asked, request=_head("a", 40 << 10), seconds=0.4)
)
rows.same("headers without an end", "431, TCP closed")(partial(asked, request=_head("a", 40 << 10)[:-2]))
rows.row("HTTP/2 by prior knowledge", stock="spoken", ours="505, TCP closed")(
    lambda server: _http2(server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\4" + bytes(5))
)
rows.row("HTTP/2 by upgrade", stock="spoken", ours="200, TCP open")(
    lambda server: _http2(
        server, GET[:-2] + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
    )
)


async def _http2(server: Server, request: bytes) -> str:
    async with connected(server.port) as client:
        await client.send(request)
        line = await client.reader.readuntil(b"\n") if b"Upgrade" in request else await client.reader.read(16)
    if not line.startswith(b"HTTP/1.1 ") or b" 101 " in line:
        return "spoken"
    return await asked(server, request, 0.4)


rows.row("a handshake with a header that is not ASCII", stock="nothing, TCP closed", ours="400, TCP closed")(
    partial(asked, request=handshake("/echo", "Sec-WebSocket-Protocol: é"))
)
rows.row("a handshake in HTTP/1.2", stock="200, TCP open", ours="505, TCP closed")(
    partial(asked, request=handshake("/echo", version="1.2"), seconds=0.4)
)
rows.row("a handshake without a key", stock="400, TCP open", ours="400, TCP closed")(
    partial(asked, request=handshake("/echo").partition(b"Sec-WebSocket-Key")[0] + b"\r\n")
)
rows.row("a handshake of version 8", stock="400, TCP open", ours="400, TCP closed")(
    partial(asked, request=handshake("/echo").replace(b"Version: 13", b"Version: 8"))
)
rows.row("a handshake with a body", stock="400, TCP open", ours="400, TCP closed")(
    partial(asked, request=handshake("/echo", "Content-Length: 5") + b"hello")
)
rows.row("a handshake with a key that is none", stock="101, TCP open", ours="400, TCP closed")(
    partial(asked, request=handshake("/echo").replace(b"Key: ", b"Key: x"), seconds=0.4)
)
rows.row("a handshake with two keys", stock="101, TCP open", ours="400, TCP closed")(
    partial(asked, request=handshake("/echo", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="), seconds=0.4)
)
rows.row("a WebSocket path, asked without a handshake", stock="400, TCP open", ours="426, TCP open")(
    partial(asked, request=b"GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n", seconds=0.4)
)
rows.row("a target that is no URL", stock="500, TCP closed", ours="400, TCP closed")(
    partial(asked, request=b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n", seconds=0.4)
)
rows.same("a body over the limit", "413, TCP closed")(
    partial(asked, request=b"POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n" + bytes(9000))
)
rows.same("a body that does not come", "408, TCP closed")(
    partial(asked, request=b"POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000\r\n\r\n" + bytes(9))
)
rows.row("a body with a length and in chunks", stock="200, TCP open", ours="400, TCP closed")(
    partial(
        asked,
        request=b"POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\n",
        seconds=0.4,
    )
)
rows.row("a body in chunks in HTTP/1.0", stock="200, TCP closed", ours="400, TCP closed")(
    partial(asked, request=b"POST /body HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
)


async def _said(server: Server, request: bytes) -> str:
    """The code in an answer's body."""
    async with connected(server.port) as client:
        await client.send(request)
        head = await client.head()
        length = next(int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length:"))
        try:
            return json.loads(await client.reader.readexactly(length))["error"]["code"]
        except (ValueError, KeyError):
            return "no code"


for _what, _request, _code in (
    ("a path that is not there", GET.replace(b"/seen/x", b"/nowhere"), "not_found"),
    ("a method that is not taken", GET.replace(b"GET", b"PUT"), "method_not_allowed"),
    ("a WebSocket path without a handshake", GET.replace(b"/seen/x", b"/echo"), "websocket_only"),
    ("a handshake to nowhere", handshake("/nowhere"), "not_found"),
    ("a handshake for a path without WebSockets", handshake("/state"), "not_found"),
    ("a handshake of version 8", handshake("/echo").replace(b"Version: 13", b"Version: 8"), "bad_request"),
    ("a request with large headers", _head("a", 40 << 10)[:-2], "request_head_too_large"),
    (
        "a body in a coding that is not known",
        GET[:-2] + b"Transfer-Encoding: gzip\r\n\r\n",
        "unsupported_transfer_coding",
    ),
    ("a request in HTTP/1.2", GET.replace(b"1.1", b"1.2"), "unsupported_http_version"),
    ("noise", b"\x16\x03\x01 \r\n\r\n", "bad_request"),
):
    rows.row(f"what {_what} is told", stock="no code", ours=_code)(partial(_said, request=_request))
