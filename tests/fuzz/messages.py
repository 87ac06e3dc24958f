"""Fuzz targets for what clients say: request heads, queries, frames, messages."""

import json
from urllib.parse import parse_qsl, urlsplit

import h11
from hypercorn.protocol.ws_stream import FrameTooLargeError
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Message

from tests.fuzz.structures import json_lines
from tests.fuzz.target import Target, joined, numbered
from tests.transport.raw_client import BINARY, CLOSE, PING, TEXT, close_frame, frame, handshake
from transcriber.events import Failed, Options, Rejected
from transcriber.hypercorn_http import CheckedHeads
from transcriber.hypercorn_websocket import MessageBuffer
from transcriber.notation import dump, load
from transcriber.wire.fields import MESSAGES
from transcriber.wire.native import NativeProtocol
from transcriber.wire.protocol import Accepted, Audio, Handshake, KeepAlive, Refused

_HEAD_BYTES = 4096
_MESSAGE_BYTES = 2048


def _told(protocol: NativeProtocol, rejected: Rejected) -> None:
    for message in protocol.send(Failed(rejected.error), 1):
        json.loads(message.encode())


def check_messages(data: bytes) -> None:
    """Each line is a message: text where it is UTF-8. What is understood can be spooled, what is not can be told."""
    protocol = NativeProtocol()
    for line in data.split(b"\n"):
        try:
            message: bytes | str = line.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            message = line
        for received in protocol.receive(message):
            if isinstance(received, Rejected):
                _told(protocol, received)
            if not isinstance(received, Audio | KeepAlive):
                assert load(json.loads(json.dumps(dump(received), ensure_ascii=False).encode())) == received


def _messages() -> dict[str, bytes]:
    full = {
        "type": "start",
        "encoding": "pcm_s16le",
        "sample_rate": 16000,
        "channels": "separate",
        "language": "de-CH",
        "prompt": "Grüezi",
        "keywords": ["Zürich", "Hypercorn"],
        "endpointing_ms": 600,
        "speech_threshold": 0.5,
        "record": "text",
        "interim_results": True,
        "last_event": None,
    }
    kinds = [json.dumps({"type": kind}) for kind in MESSAGES]
    return numbered(
        [joined("END"), joined(b"\x00\x80\xff"), joined(json.dumps(full), "END"), joined(*kinds), joined("[" * 100)]
    )


def check_head(data: bytes) -> None:
    """A request head is refused by a status, or its query is answered."""
    connection = CheckedHeads(_HEAD_BYTES)
    try:
        connection.receive_data(data)
        request = connection.next_event()
    except h11.RemoteProtocolError as refusal:
        status = refusal.error_status_hint
        assert 400 <= status < 600
        return
    if not isinstance(request, h11.Request):
        return
    target = urlsplit(request.target.decode("ascii"))
    query = parse_qsl(target.query, keep_blank_values=True, errors="replace")
    protocol = NativeProtocol()
    match protocol.open(Handshake(target.path, tuple(query))):
        case Refused(status, body):
            assert status == 400
            assert json.loads(body.encode())["error"]["message"]
        case Accepted(options):
            assert load({"kind": "Started", "options": _spooled(options)}).options == options


def _spooled(options: Options) -> dict[str, object]:
    """As they come back from the spool."""
    return json.loads(json.dumps({name: getattr(options, name) for name in Options.__dataclass_fields__}))


def _heads() -> dict[str, bytes]:
    queries = (
        "/ws",
        "/ws?encoding=pcm_s16le&sample_rate=16000&channels=2&separate_channels=true&language=en",
        "/ws?keywords=a,b&keywords=%C3%A9&prompt=Hello+world&interim_results=1&endpointing_ms=300",
        "/ws?resume_token=abc&last_event=12&record=none&speech_threshold=0.7&model=x&translate=0",
    )
    return numbered([handshake(query) for query in queries])


def check_frames(data: bytes) -> None:
    """Bytes of a WebSocket end in an answer to the client, in messages within the limit, or in neither yet."""
    connection, message = Connection(ConnectionType.SERVER), MessageBuffer(_MESSAGE_BYTES)
    for start in range(0, len(data), 1 << 10):
        connection.receive_data(data[start : start + (1 << 10)])
        for event in connection.events():
            if isinstance(event, CloseConnection):
                return
            if isinstance(event, Message):
                try:
                    message.extend(event)
                except FrameTooLargeError:
                    return
                if event.message_finished:
                    taken = message.take()
                    assert len(taken["bytes"] or (taken["text"] or "").encode()) <= _MESSAGE_BYTES


def _frames() -> dict[str, bytes]:
    return numbered(
        [
            frame(BINARY, bytes(640)) * 3,
            frame(TEXT, "é".encode()) + frame(PING, b"x") + close_frame(1000, "bye"),
            frame(TEXT, b"EN", final=False) + frame(PING) + frame(0, b"D"),
            frame(BINARY, bytes(_MESSAGE_BYTES), final=False) + frame(0, b""),
            frame(BINARY, b"x", length=10 << 30) + frame(CLOSE),
        ]
    )


TARGETS = (
    Target("messages", check_messages, _messages, json_lines),
    Target("request heads", check_head, _heads, max_bytes=2 * _HEAD_BYTES),
    Target("frames", check_frames, _frames, max_bytes=3 * _MESSAGE_BYTES),
)
