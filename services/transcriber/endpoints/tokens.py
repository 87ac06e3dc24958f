"""`POST /v1/tokens`: a token for one session, which somebody with a key gives to a browser."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast

from quart import Blueprint, Response, json, request

from transcriber.api_keys import KeyLimits, KeysError, limits_to_json, read_limits
from transcriber.auth import MAX_TOKEN_SECONDS, Gate
from transcriber.endpoints import guard
from transcriber.events import Error
from transcriber.wire.fields import FieldError, parse_json

DEFAULT_SECONDS = 60
_LIMITS = ("session_seconds", "models", "languages", "record")
"""Of a key's limits, those that a single session can have."""


def tokens(gate: Callable[[], Gate]) -> Blueprint:
    """The route that makes tokens."""
    blueprint = Blueprint("tokens", __name__)

    async def make() -> Response:
        try:
            seconds, limits = _read(bytes(await request.data))
            text, ticket = gate().token(guard.caller(), limits, seconds)
        except FieldError as wrong:
            return guard.problem(400, wrong.error)
        except KeysError as wrong:
            return guard.problem(400, Error("invalid_field", f"{str(wrong)[:1].upper()}{str(wrong)[1:]}."))
        made = {
            "token": text,
            "expires_at": datetime.fromtimestamp(ticket.expires_at, UTC).isoformat(),
            "limits": {name: value for name, value in limits_to_json(ticket.limits).items() if name in _LIMITS},
        }
        response = Response(json.dumps(made), 201, content_type="application/json")
        response.headers["Cache-Control"] = "no-store"
        return response

    blueprint.add_url_rule("/v1/tokens", view_func=make, methods=["POST"])
    return blueprint


def _read(body: bytes) -> tuple[int, KeyLimits]:
    """How long the token holds, and what it allows; everything may be left out.

    Raises:
        FieldError, KeysError: something in it is wrong.
    """
    try:
        values = parse_json(body.decode() or "{}")
    except UnicodeDecodeError:
        raise FieldError("invalid_json", "The body is not JSON in UTF-8.") from None
    if not isinstance(values, dict):
        raise FieldError("invalid_message", "The body must be a JSON object.")
    fields = cast("dict[str, object]", values)
    seconds = fields.pop("expires_in_seconds", DEFAULT_SECONDS)
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= MAX_TOKEN_SECONDS:
        allowed = f"`expires_in_seconds` must be a whole number from 1 to {MAX_TOKEN_SECONDS}."
        raise FieldError("invalid_field", allowed, "expires_in_seconds")
    return seconds, read_limits(fields, only=_LIMITS)
