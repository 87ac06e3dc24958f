"""How HTTP requests that can't be served are answered, whoever notices: JSON with a code that stays."""

import json

BAD_REQUEST = "bad_request"
TOO_MANY_CONNECTIONS = "too_many_connections"

CODES = {
    400: BAD_REQUEST,
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "request_too_large",
    426: "websocket_only",
    431: "request_head_too_large",
    500: "internal_error",
    501: "unsupported_transfer_coding",
    503: TOO_MANY_CONNECTIONS,
    505: "unsupported_http_version",
}
"""By status, where nothing else is said."""

_MESSAGES = {
    400: "The request is not valid HTTP/1.1, or no WebSocket handshake though it says so.",
    404: "There is nothing at this address.",
    405: "This address does not take this method.",
    408: "The body of the request did not come in time.",
    413: "The body of the request is too large.",
    426: "This address is for WebSockets: ask with a WebSocket handshake.",
    431: "The request line and the headers are too large.",
    500: "The service failed.",
    501: "Bodies come with a length or in chunks, in no other coding.",
    503: "The service has as many connections as it may; try again later.",
    505: "Only HTTP/1.1 is spoken here.",
}


def error_body(status: int) -> bytes:
    """The body for a status. One without a code of its own is that of the same hundred."""
    known = status if status in CODES else status // 100 * 100
    error = {"code": CODES[known], "message": _MESSAGES[known]}
    return json.dumps({"error": error}).encode()


def error_answer(status: int) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers and body of the last answer on its connection."""
    body = error_body(status)
    length = str(len(body)).encode()
    return [(b"content-type", b"application/json"), (b"content-length", length), (b"connection", b"close")], body
