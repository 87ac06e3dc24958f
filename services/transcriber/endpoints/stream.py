"""`GET /ws`: the WebSocket that audio comes in by and text goes out by."""

from collections.abc import Callable

from quart import Blueprint, Response, websocket

from transcriber.connection import Connection
from transcriber.events import Error, Options
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
        return _response(accepted)
    if accepted.resume_token:
        live = sessions.resume(accepted.resume_token)
        if live is None:
            gone = Error("unknown_session", "No session waits for this token.", field="resume_token")
            return _response(protocol.refuse(404, gone))
    else:
        refused = _refusal(protocol, sessions, accepted.options)
        if refused:
            return refused
        live = sessions.begin(accepted.options)
    socket = QuartSocket()
    await socket.accept(accepted.subprotocol)
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
        return _response(protocol.refuse(400, error))
    if error := sessions.refusal():
        response = _response(protocol.refuse(503, error))
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response
    return None


def _response(refused: Refused) -> Response:
    # The connection can't be used again, whatever a pooling proxy thinks.
    return Response(refused.body, refused.status, {"Connection": "close"}, content_type=refused.content_type)
