"""A server of the native protocol that does what a test tells it. What it sends and gets is held against the schema."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from tests.protocol_schema import check_received, check_sent

_SPEECH: dict[str, Any] = {"turn": 1, "channel": 0, "start": 0.0, "end": 1.0}
_TEXT: dict[str, Any] = {**_SPEECH, "language": "en", "words": [], "times": "model"}
_OPTIONS: dict[str, Any] = {
    **dict.fromkeys(("encoding", "sample_rate", "channels", "language", "prompt", "model")),
    "separate_channels": False,
    **{"keywords": [], "translate": False, "interim_results": False, "endpointing_ms": 600, "speech_threshold": 0.5},
    **{"record": "audio+text", "resume": False},
}

DEFAULTS: dict[str, dict[str, Any]] = {
    "status": {
        "session_id": "0190a8a0-0000-7000-8000-000000000000",
        "started_at": "2030-01-02T03:04:05Z",
        "version": "1.0",
        "engine": "fake",
        "model": "none",
        "max_session_seconds": 3600,
        "options": _OPTIONS,
        "received_bytes": 0,
    },
    "speech_started": {"turn": 1, "channel": 0, "start": 0.0},
    "speech_stopped": {"turn": 1, "channel": 0, "end": 1.0},
    "partial": {**_SPEECH, "utterance": 1, "text": "hello", "stable_words": 0},
    "transcription": {
        **_TEXT,
        **{"utterance": 1, "text": "Hello.", "full_text": "Hello.", "chunk_range": "1-1"},
        **{"ends_turn": True, "reason": "silence"},
    },
    "transcription_late": {**_TEXT, "utterance": 1, "text": "Hello."},
    "ack": {"received_bytes": 1},
    "recording_paused": {"at": 1.5},
    "recording_resumed": {"at": 2.5},
    "warning": {"code": "something_odd", "message": "Look."},
    "error": {"code": "unsupported_audio", "message": "Declare it.", "fatal": False},
    "suspended": {"resume_token": "token", "received_bytes": 1},
    "complete": {
        **{"message": "Complete.", "full_transcription": "Hello.", "total_chunks": 1, "received_bytes": 1},
        **{"duration_seconds": 2.0, "speech_seconds": 1.0, "utterances": 1},
        "storage": {"state": "stored", "locations": {"audio": "/data/audio.wav"}},
    },
}
UNNUMBERED = {"partial", "ack", "suspended"}
ENGINE_FAILED: dict[str, Any] = {**_SPEECH, "code": "engine_failed", "utterance": 1, "chunk_range": "1-1"}


def told(kind: str, number: int = 1, **fields: Any) -> dict[str, Any]:
    """One message as a server sends it, ordinary where `fields` don't say otherwise."""
    numbered = {} if kind in UNNUMBERED else {"number": number}
    message = {"type": kind, **numbered, **DEFAULTS[kind], **fields}
    check_sent(message)
    return message


class Conversation:
    """The server's side of one connection."""

    def __init__(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.connection = connection
        self.query = parse_qsl(urlsplit(connection.request.path).query)
        self.headers: Headers = connection.request.headers
        self.received: list[bytes | str] = []
        self.arrivals: list[float] = []
        self.over = asyncio.Event()
        self._number = 0

    @property
    def audio(self) -> bytes:
        return b"".join(message for message in self.received if isinstance(message, bytes))

    @property
    def texts(self) -> list[str]:
        return [message for message in self.received if isinstance(message, str)]

    async def tell(self, kind: str, **fields: Any) -> None:
        self._number += kind not in UNNUMBERED
        await self.connection.send(json.dumps(told(kind, self._number, **fields), ensure_ascii=False))

    async def hear(self) -> bytes | str:
        message = await self.connection.recv()
        check_received(message)
        self.received.append(message)
        self.arrivals.append(asyncio.get_running_loop().time())
        return message

    async def hear_until_end(self) -> None:
        while await self.hear() != "END":
            pass

    def stop_reading(self) -> None:
        """Leave what comes from here on in the network."""
        self.connection.transport.pause_reading()

    async def cut(self) -> None:
        """End the connection without a word, as a dying process does."""
        self.connection.transport.abort()


async def until(condition: Callable[[], Any]) -> None:
    """Wait for what another process does; it may take a while to start."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - nothing here is told
            await asyncio.sleep(0.01)


Script = Callable[[Conversation], Awaitable[None]]


class NativeServer:
    def __init__(self, url: str) -> None:
        self.url = url
        self.conversations: list[Conversation] = []

    @property
    def conversation(self) -> Conversation:
        """The only one that there was."""
        (only,) = self.conversations
        return only


async def transcribe(conversation: Conversation) -> None:
    """The ordinary session: all audio, one final, the end."""
    await conversation.tell("status")
    await conversation.hear_until_end()
    await conversation.tell("transcription")
    await conversation.tell("complete")


@contextlib.asynccontextmanager
async def native_server(
    script: Script = transcribe, *, refuse: tuple[int, str] | None = None
) -> AsyncGenerator[NativeServer, None]:
    """A server on a free port; `refuse` is the status and body that every handshake gets."""

    async def converse(connection: ServerConnection) -> None:
        conversation = Conversation(connection)
        running.conversations.append(conversation)
        try:
            await script(conversation)
        finally:
            conversation.over.set()

    def answer(connection: ServerConnection, request: Request) -> Response | None:
        return None if refuse is None else connection.respond(refuse[0], refuse[1])

    async with serve(
        converse, "127.0.0.1", 0, process_request=answer, compression=None, max_queue=None, close_timeout=0.5
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        running = NativeServer(f"ws://127.0.0.1:{port}/ws")
        yield running
