"""What every request meets first: whether it may come from where it comes, and, but for the open paths, a key."""

from collections.abc import Callable
from typing import Any, cast

from quart import Quart, Response, g, has_request_context, json, request, websocket

from transcriber.auth import Caller, Denied, Gate
from transcriber.events import Error
from transcriber.perimeter import Asking
from transcriber.wire.credentials import in_headers

PROBES = frozenset({"/health", "/live"})
"""For load balancers, which ask by address and have no key."""


def install(
    app: Quart,
    gate: Callable[[], Gate],
    *,
    refused: Callable[[str], None] = lambda _: None,
    open_paths: frozenset[str] = frozenset(),
) -> None:
    """Guard all routes of an app, also those that are added later. `open_paths` need no key; `refused` is told the code
    of each refusal."""

    def refuse(denied: Denied) -> Response:
        refused(denied.error.code)
        return answer(denied)

    async def guard_http() -> Response | None:
        if request.path in PROBES:
            return None
        try:
            gate().enter(asking())
            if request.path not in open_paths:
                g.caller = gate().identify(in_headers(headers()))
        except Denied as denied:
            return refuse(denied)
        return None

    async def guard_websocket() -> Response | None:
        try:
            gate().enter(asking())
        except Denied as denied:
            return refuse(denied)
        return None

    app.before_request(guard_http)
    app.before_websocket(guard_websocket)


def caller() -> Caller:
    """Who asks, where a key is needed."""
    return g.caller


def asking() -> Asking:
    """Where the current request comes from, by what the server saw: a client can't write it."""
    scope = cast("dict[str, Any]", _current().scope)
    peer = scope.get("client") or ("", 0)
    return Asking(str(peer[0]), str(scope["scheme"]), headers())


def headers() -> dict[str, str]:
    """The current request's, by name in lower case. One that came several times has all its values."""
    joined: dict[str, str] = {}
    for name, value in _current().scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        joined[key] = f"{joined[key]}, {text}" if key in joined else text
    return joined


def _current() -> Any:
    return request if has_request_context() else websocket


def answer(denied: Denied) -> Response:
    """A refusal over HTTP."""
    response = problem(denied.status, denied.error)
    dress(response, denied)
    return response


def dress(response: Response, denied: Denied) -> None:
    """What a refusal's headers say, whatever its body's form is."""
    if denied.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if denied.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(denied.retry_after_seconds)


def problem(status: int, error: Error) -> Response:
    """An error as every answer over HTTP has it."""
    about = {"code": error.code, "message": error.message}
    if error.field is not None:
        about["field"] = error.field
    return Response(json.dumps({"error": about}), status, content_type="application/json")
