"""A plain `websockets` client of the native protocol that holds every message against its description."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Iterable
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Response

from tests.protocol_schema import check_received, check_refusal, check_sent

Message = dict[str, Any]


class CheckedClient:
    """One connection; what came is in `received`."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.received: list[Message] = []

    async def say(self, *messages: bytes | str | Message) -> None:
        """Send messages that the description allows."""
        for message in messages:
            check_received(message)
            await self.connection.send(json.dumps(message) if isinstance(message, dict) else message)

    async def blurt(self, message: str) -> None:
        """Send text whatever it is."""
        await self.connection.send(message)

    async def stream(self, audio: bytes, *, message_bytes: int = 4096, pause_seconds: float = 0) -> None:
        """Send audio in pieces."""
        for start in range(0, len(audio), message_bytes):
            await self.say(audio[start : start + message_bytes])
            if pause_seconds:
                await asyncio.sleep(pause_seconds)

    async def hear(self) -> Message:
        """The next message. Raises ConnectionClosed."""
        message = await self.connection.recv()
        assert isinstance(message, str)
        check_sent(message)
        self.received.append(json.loads(message))
        return self.received[-1]

    async def hear_until(self, kind: str) -> Message:
        """The next message of that type."""
        while (message := await self.hear())["type"] != kind:
            pass
        return message

    async def hear_all(self) -> tuple[int | None, str | None]:
        """Everything to the close frame; its code and reason."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.hear()
        return self.connection.close_code, self.connection.close_reason

    def of(self, kind: str) -> list[Message]:
        """What came of that type."""
        return [message for message in self.received if message["type"] == kind]

    @property
    def text(self) -> str:
        """All finals, joined."""
        return " ".join(message["text"] for message in self.of("transcription") if message["text"])

    def vanish(self) -> None:
        """Be gone without a word, with a reset."""
        self.connection.transport.abort()


@contextlib.asynccontextmanager
async def client(
    url: str, headers: dict[str, str] | None = None, **query: object
) -> AsyncGenerator[CheckedClient, None]:
    """A connection with options in its query, as the `websockets` package makes it when nothing is set."""
    address = f"{url}?{urlencode(query)}" if query else url
    async with connect(address, proxy=None, additional_headers=headers) as connection:
        yield CheckedClient(connection)


async def transcribe(url: str, *messages: bytes | str | Message, **query: object) -> CheckedClient:
    """A whole session: say this, hear everything."""
    async with client(url, **query) as speaker:
        await speaker.say(*messages)
        await speaker.hear_all()
        return speaker


async def refusal(url: str, **query: object) -> tuple[Response, Message]:
    """The answer to a handshake that must not succeed, and what its body says."""
    try:
        async with client(url, **query):
            raise AssertionError("not refused")
    except InvalidStatus as refused:
        response = refused.response
    body = (response.body or b"").decode()
    check_refusal(body)
    assert response.headers["Content-Type"] == "application/json"
    return response, json.loads(body)["error"]


def types(messages: Iterable[Message]) -> list[str]:
    return [message["type"] for message in messages]
