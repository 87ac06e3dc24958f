"""`GET /ws`: the WebSocket that audio comes in by and text goes out by."""

from collections.abc import Awaitable, Callable

from quart import Blueprint, Response, websocket

from transcriber.auth import Caller, Denied, Gate
from transcriber.connection import Connection
from transcriber.endpoints import guard
from transcriber.events import Disconnected, Error
from transcriber.live import Admission, Live
from transcriber.sessions import Sessions
from transcriber.transport import QuartSocket
from transcriber.wire.protocol import Accepted, Handshake, Refused, WireProtocol

RETRY_AFTER_SECONDS = 5


def stream(
    sessions: Callable[[], Sessions], protocols: dict[str, Callable[[], WireProtocol]], gate: Callable[[], Gate]
) -> Blueprint:
    """A WebSocket route for each protocol's path; `sessions` and `gate` exist by the time the first client comes."""
    blueprint = Blueprint("stream", __name__)
    for path, protocol in protocols.items():
        _add(blueprint, path, lambda protocol=protocol: _serve(protocol(), sessions(), gate()))
    return blueprint


def _add(blueprint: Blueprint, path: str, serve: Callable[[], Awaitable[Response | None]]) -> None:
    async def served() -> Response | None:
        return await serve()

    blueprint.add_websocket(path, path, served)


async def _serve(protocol: WireProtocol, sessions: Sessions, gate: Gate) -> Response | None:
    """One connection, from its handshake on; a response is a refusal."""
    accepted = protocol.open(_handshake())
    if isinstance(accepted, Refused):
        return _refused(accepted, sessions, "invalid_request")
    try:
        live = await _live(accepted, sessions, gate)
    except Denied as denied:
        return _denied(denied, protocol, sessions)
    socket = QuartSocket()
    try:
        await socket.accept(accepted.subprotocol)
    except BaseException:
        if not accepted.resume_token:
            live.end(Disconnected())
        raise
    with sessions.parts.metrics.connections.track_inprogress():
        await Connection(socket, protocol, accepted, live).run()
    return None


async def _live(accepted: Accepted, sessions: Sessions, gate: Gate) -> Live:
    """The session that a client begins or comes back to.

    Raises:
        Denied: it may not, or not now.
    """
    caller = gate.identify(accepted.credential, tokens=True)
    if accepted.resume_token:
        return await _resumed(accepted.resume_token, caller, sessions, gate)
    options = caller.limits.bounds.applied(accepted.options, sessions.parts.engine.description.model)
    if isinstance(options, Error):
        raise Denied(403, options)
    if error := sessions.parts.engine.refusal(options):
        raise Denied(400, error)
    await gate.quotas.look_around(caller.limits)
    _check_room(caller, sessions, gate)
    if caller.ticket:
        await gate.redeem(caller)
        # Meanwhile others may have begun.
        _check_room(caller, sessions, gate)
    gate.quotas.began(caller.owner)
    return sessions.begin(options, _admission(caller, gate))


async def _resumed(token: str, caller: Caller, sessions: Sessions, gate: Gate) -> Live:
    """The session that waits; the next process may have one that is unknown here.

    Raises:
        Denied: there is none of theirs.
    """
    await gate.redeem(caller)
    if live := sessions.resume(token, _admission(caller, gate)):
        return live
    if sessions.draining and (error := sessions.refusal()):
        raise _later(error)
    raise Denied(404, Error("unknown_session", "No session waits for this token.", field="resume_token"))


def _check_room(caller: Caller, sessions: Sessions, gate: Gate) -> None:
    """Raises Denied: they, or the service, have no room for another session."""
    gate.check_quota(caller)
    if error := sessions.refusal():
        raise _later(error)


def _admission(caller: Caller, gate: Gate) -> Admission:
    return Admission(caller.owner, caller.key_id, caller.limits.bounds, gate.session_seconds(caller))


def _handshake() -> Handshake:
    return Handshake(
        path=websocket.path,
        query=tuple(websocket.args.items(multi=True)),
        headers=guard.headers(),
        subprotocols=tuple(websocket.requested_subprotocols),
    )


def _later(error: Error) -> Denied:
    return Denied(503, error, RETRY_AFTER_SECONDS)


def _denied(denied: Denied, protocol: WireProtocol, sessions: Sessions) -> Response:
    response = _refused(protocol.refuse(denied.status, denied.error), sessions, denied.error.code)
    guard.dress(response, denied)
    return response


def _refused(refused: Refused, sessions: Sessions, reason: str) -> Response:
    sessions.parts.metrics.refusals.labels(reason).inc()
    return Response(refused.body, refused.status, content_type=refused.content_type)
