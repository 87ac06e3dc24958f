"""`GET /ws`: the WebSocket that audio comes in by and text goes out by."""

from collections.abc import Callable

from quart import Blueprint, Response, websocket

from transcriber.connection import Connection
from transcriber.events import Disconnected, Error, Options
from transcriber.sessions import Sessions
from transcriber.transport import QuartSocket
from transcriber.wire.protocol import Handshake, Refused, WireProtocol

RETRY_AFTER_SECONDS = 5


def stream(sessions: Callable[[], Sessions], protocols: dict[str, Callable[[], WireProtocol]]) -> Blueprint:
    """A WebSocket route for each protocol's path; `sessions` exist by the time the first client comes."""
    blueprint = Blueprint("stream", __name__)
    for path, protocol in protocols.items():
        _add(blueprint, path, protocol, sessions)
    return blueprint


def _add(
    blueprint: Blueprint, path: str, new_protocol: Callable[[], WireProtocol], sessions: Callable[[], Sessions]
) -> None:
    async def serve() -> Response | None:
        return await _serve(new_protocol(), sessions())

    blueprint.add_websocket(path, path, serve)


async def _serve(protocol: WireProtocol, sessions: Sessions) -> Response | None:
    """One connection, from its handshake on; a response is a refusal."""
    accepted = protocol.open(_handshake())
    if isinstance(accepted, Refused):
        return _refused(accepted, sessions, "invalid_request")
    if accepted.resume_token:
        live = sessions.resume(accepted.resume_token)
        if live is None:
            return _unknown(protocol, sessions)
    else:
        refused = _refusal(protocol, sessions, accepted.options)
        if refused:
            return refused
        live = sessions.begin(accepted.options)
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


def _handshake() -> Handshake:
    return Handshake(
        path=websocket.path,
        query=tuple(websocket.args.items(multi=True)),
        headers={name.lower(): value for name, value in websocket.headers.items()},
        subprotocols=tuple(websocket.requested_subprotocols),
    )


def _refusal(protocol: WireProtocol, sessions: Sessions, options: Options) -> Response | None:
    """The answer to a session that can't begin; None when it can."""
    if error := sessions.parts.engine.refusal(options):
        return _refused(protocol.refuse(400, error), sessions, error.code)
    error = sessions.refusal()
    return _later(protocol, sessions, error) if error else None


def _unknown(protocol: WireProtocol, sessions: Sessions) -> Response:
    """The answer to a token that no session waits for; the next process may have the session."""
    if sessions.draining and (error := sessions.refusal()):
        return _later(protocol, sessions, error)
    gone = Error("unknown_session", "No session waits for this token.", field="resume_token")
    return _refused(protocol.refuse(404, gone), sessions, gone.code)


def _later(protocol: WireProtocol, sessions: Sessions, error: Error) -> Response:
    response = _refused(protocol.refuse(503, error), sessions, error.code)
    response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _refused(refused: Refused, sessions: Sessions, reason: str) -> Response:
    sessions.parts.metrics.refusals.labels(reason).inc()
    return Response(refused.body, refused.status, content_type=refused.content_type)
