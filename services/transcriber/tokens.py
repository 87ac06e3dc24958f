"""Tokens: what a key's owner gives to a browser in its place. Short-lived, for one session, signed,
bound to limits.

`trt_<payload>.<signature>`, both base64url without padding (RFC 4648, section 5): the payload is JSON, the signature an
HMAC-SHA256 (RFC 2104) of everything before it. All of it may stand in a URL and in a WebSocket subprotocol.
"""

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field
from typing import Any, cast

from transcriber.api_keys import KeyLimits, KeysError, limits_to_json, read_limits

TOKEN_PREFIX = "trt_"  # noqa: S105 - what a token begins with is no secret
_ID_BYTES = 16
_ID_LENGTH = 22


class TokenInvalid(Exception):
    """It is none of ours, or not as we made it."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a token says."""

    key_id: str
    """Of the key that it was made with; it holds as long as the key does."""
    expires_at: int
    """Seconds of Unix time."""
    limits: KeyLimits = field(default_factory=KeyLimits)
    id: str = field(default_factory=lambda: secrets.token_urlsafe(_ID_BYTES))
    """Tells it from every other; says nothing about the token."""


def sign(ticket: Ticket, secret: bytes) -> str:
    """The token."""
    values = [1, ticket.id, ticket.key_id, ticket.expires_at, limits_to_json(ticket.limits)]
    signed = TOKEN_PREFIX + _encode(json.dumps(values, separators=(",", ":")).encode())
    return f"{signed}.{_encode(_signature(signed, secret))}"


def verify(text: str, secret: bytes) -> Ticket:
    """What a token says, whether or not it still holds.

    Raises:
        TokenInvalid: it was not signed with this secret.
    """
    signed, _, signature = text.rpartition(".")
    if not hmac.compare_digest(_encode(_signature(signed, secret)).encode(), signature.encode(errors="replace")):
        raise TokenInvalid
    try:
        return _ticket(json.loads(base64.urlsafe_b64decode(signed.removeprefix(TOKEN_PREFIX) + "==")))
    except (ValueError, TypeError, KeysError):  # signed by a version of ours that is yet to come
        raise TokenInvalid from None


def _ticket(values: Any) -> Ticket:
    version, token_id, key_id, expires_at, limits = cast("list[Any]", values)
    if version != 1 or len(token_id) != _ID_LENGTH:
        raise ValueError
    return Ticket(str(key_id), int(expires_at), read_limits(limits), str(token_id))


def _signature(signed: str, secret: bytes) -> bytes:
    return hmac.new(secret, signed.encode(errors="replace"), hashlib.sha256).digest()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
