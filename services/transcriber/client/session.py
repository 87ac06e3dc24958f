"""One session with a server over the native protocol: audio out, events in."""

import asyncio
import contextlib
import ipaddress
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_websocket
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException

from transcriber.client.errors import (
    ConnectionFailed,
    ConnectionLost,
    Refused,
    SessionFailed,
    SessionOver,
    TranscriberError,
)
from transcriber.client.events import Complete, Event, Failed, Status, Suspended, parse

OptionValue = str | int | float | bool | Sequence[str] | None

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""Well above the largest `complete`."""

PING_TIMEOUT_SECONDS = 120
"""Pings queue behind audio that the server has no room for yet, so an answer may take far longer than the link does."""

CLOSE_TIMEOUT_SECONDS = 2
"""Enough for an answer; who quits early does not wait for audio that is still on its way out."""

_PATH = "/ws"
_WEBSOCKET_SCHEMES = {"http": "ws", "https": "wss"}

_LOST_CLOSE_CODES = frozenset({1000, 1001, 1005, 1006, 1011, 1012, 1014, 1015})
"""Codes (RFC 6455, section 7.4.1) that say the other side went away or broke; the others say what this side did."""


@contextlib.asynccontextmanager
async def connect(
    url: str, *, api_key: str | None = None, open_timeout_seconds: float = 10, **options: OptionValue
) -> AsyncGenerator["Session", None]:
    """A session at `url`, from its `status` to the end of the block, where the connection is closed.

    `url` is that of the service, such as `https://transcriber.example`, or of its WebSocket.
    `options` are the fields of `start` in the protocol, such as `language` or `interim_results`; those that are None
    are left to the server.

    Raises:
        ConnectionFailed: nobody answers there, or not as this service does.
        Refused: the server does not let this client in, or not with these options.
        SessionFailed, ConnectionLost: the session ended before it began.
    """
    websocket = await _open(_with_options(_websocket_url(url), options), api_key, open_timeout_seconds)
    session = Session(websocket)
    try:
        await session.begin(open_timeout_seconds)
        yield session
    finally:
        await session.close()


class Session:
    """Iterate over it for events; `send` and `finish` may be called from another task meanwhile or before.

    The iteration ends after `Complete` or `Suspended` and raises SessionFailed or ConnectionLost when neither comes.
    Events wait in memory until they are read, so that audio can be sent whole before the first is looked at.
    """

    status: Status
    """The first event; set once `connect` has given the session."""

    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket
        self._events = asyncio.Queue[Event | None]()  # None: there will be no more
        self._failure: TranscriberError | None = None
        self._finished = False
        self._begun = asyncio.Event()
        self._first: Event | None = None
        self._reader = asyncio.create_task(self._read())

    async def begin(self, timeout_seconds: float) -> None:
        """Wait for the server's first word, which must be `status`."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._begun.wait()
                if not isinstance(self._first, Status):
                    await asyncio.wait([self._reader])
        except TimeoutError:
            self._failure = ConnectionFailed("not_answering", "the server does not begin with a status")
        if not isinstance(self._first, Status):
            raise self._failure or ConnectionFailed("not_answering", "the server does not begin with a status")
        self.status = self._first

    async def send(self, audio: bytes) -> None:
        """Send a piece of audio of any size; waits while the server or the network has no room.

        Raises:
            SessionFailed, ConnectionLost: the session failed; reading events says so too.
            SessionOver: it had reached its end.
        """
        await self._send(audio)

    async def configure(self, **changes: OptionValue) -> None:
        """Change options from here on."""
        await self._send_json("configure", **changes)

    async def finalize(self) -> None:
        """Ask for what was said so far as a final, now."""
        await self._send_json("finalize")

    async def pause_recording(self) -> None:
        """Keep nothing of what is sent and said from here on; it is still transcribed for this client."""
        await self._send_json("pause_recording")

    async def resume_recording(self) -> None:
        """Keep what is sent and said from here on."""
        await self._send_json("resume_recording")

    async def keep_alive(self) -> None:
        """Say that there will be more audio, while there is none."""
        await self._send_json("keep_alive")

    async def finish(self) -> None:
        """Say that there is no more audio. The rest of the events follows; saying it twice is saying it once."""
        if not self._finished:
            self._finished = True
            await self._send("END")

    def __aiter__(self) -> "Session":
        return self

    async def __anext__(self) -> Event:
        event = await self._events.get()
        if event is not None:
            return event
        self._events.put_nowait(None)  # it is also the answer to whoever asks next
        if self._failure is not None:
            raise self._failure
        raise StopAsyncIteration

    async def close(self) -> None:
        """Close the connection without waiting for events; the server goes on with what it has."""
        self._reader.cancel()
        await asyncio.wait([self._reader])
        await self._hang_up()

    async def _hang_up(self) -> None:
        """The closing handshake; without it where it takes too long, as its frame waits behind unsent audio."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
                await self._websocket.close()
        except TimeoutError:
            self._websocket.transport.abort()

    async def _send_json(self, kind: str, **fields: Any) -> None:
        await self._send(json.dumps({"type": kind, **fields}))

    async def _send(self, message: bytes | str) -> None:
        if not self._reader.done():
            with contextlib.suppress(ConnectionClosed):
                await self._websocket.send(message)
                return
            await asyncio.wait([self._reader])
        raise self._failure or SessionOver("session_over", "the session is over")

    async def _read(self) -> None:
        """Move what arrives to the queue, to the last event or the end of the connection."""
        error: Failed | None = None
        try:
            async for message in self._websocket:
                event = parse(message if isinstance(message, str) else "")
                self._tell(event)
                if isinstance(event, Complete | Suspended):
                    return
                if isinstance(event, Failed) and event.utterance is None:
                    error = event
                    if event.fatal:
                        await self._hang_up()
                        break
            self._failure = _failure_of(self._websocket, error)
        except ConnectionClosed:
            self._failure = _failure_of(self._websocket, error)
        except ValueError:
            self._failure = ConnectionLost("invalid_message", "the server sent what this client cannot read")
        finally:
            self._tell(None)

    def _tell(self, event: Event | None) -> None:
        if not self._begun.is_set():
            self._first = event
            self._begun.set()
        self._events.put_nowait(event)


def _failure_of(websocket: ClientConnection, error: Failed | None) -> TranscriberError:
    """Why a connection closed before `complete`: by the last error the server told, else by the close code."""
    code = websocket.close_code
    if error is not None and (error.fatal or code not in _LOST_CLOSE_CODES):
        return SessionFailed(error.code, error.text, error.field, code)
    if code is None or code in _LOST_CLOSE_CODES:
        reason = f" ({websocket.close_reason})" if websocket.close_reason else ""
        return ConnectionLost("connection_lost", f"the connection closed with code {code}{reason}", code)
    reason = websocket.close_reason or "no reason given"
    return SessionFailed(f"closed_{code}", f"the server closed the connection: {reason}", close_code=code)


async def _open(url: str, api_key: str | None, timeout_seconds: float) -> ClientConnection:
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else None
    try:
        return await connect_websocket(
            url,
            additional_headers=headers,
            compression=None,
            max_size=MAX_MESSAGE_BYTES,
            open_timeout=timeout_seconds,
            close_timeout=CLOSE_TIMEOUT_SECONDS,
            ping_timeout=PING_TIMEOUT_SECONDS,
            proxy=None if _is_loopback(url) else True,
        )
    except InvalidStatus as refusal:
        response = refusal.response
        raise refused(response.status_code, response.reason_phrase, bytes(response.body or b"")) from None
    except TimeoutError:
        raise ConnectionFailed("connection_failed", f"no answer from {_place(url)} in {timeout_seconds:g} s") from None
    except (InvalidURI, ValueError) as failure:
        # A certificate that is not trusted is a ValueError, too.
        if isinstance(failure, OSError):
            raise _unconnected(url, failure) from failure
        raise ConnectionFailed(
            "invalid_url", f"{_place(url)} is no address of a service (ws, wss, http or https)"
        ) from None
    except (OSError, EOFError, WebSocketException) as failure:
        raise _unconnected(url, failure) from failure


def _unconnected(url: str, failure: Exception) -> ConnectionFailed:
    return ConnectionFailed("connection_failed", f"cannot connect to {_place(url)}: {failure}")


def refused(status: int, reason: str, body: bytes) -> Refused:
    """A refusal in the words of the server, or, when something before it answers, by its HTTP status."""
    try:
        error: object = json.loads(body)["error"]
        fields = cast("Mapping[str, object]", error)
        code, message, field = fields["code"], fields["message"], fields.get("field")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Refused(status, f"http_{status}", f"the server answered {status} {reason}".rstrip())
    return Refused(status, str(code), str(message), None if field is None else str(field))


def _websocket_url(url: str) -> str:
    """`url`, or where it is that of a service, of the WebSocket there. Raises ConnectionFailed."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConnectionFailed("invalid_url", f"{url} is no address") from None
    path = parts.path.rstrip("/")
    if parts.scheme in _WEBSOCKET_SCHEMES and not path.endswith(_PATH):
        path += _PATH
    scheme = _WEBSOCKET_SCHEMES.get(parts.scheme, parts.scheme)
    return urlunsplit(parts._replace(scheme=scheme, path=path or _PATH))


def _with_options(url: str, options: Mapping[str, OptionValue]) -> str:
    """`url` with the options in its query, which keeps what it had."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    pairs += [(name, text) for name, value in options.items() for text in _texts(value)]
    return urlunsplit(parts._replace(query=urlencode(pairs)))


def _texts(value: OptionValue) -> Sequence[str]:
    match value:
        case None:
            return []
        case bool():
            return ["true" if value else "false"]
        case str() | int() | float():
            return [str(value)]
        case _:
            return value


def _place(url: str) -> str:
    """Scheme, host and path: the query may hold a prompt."""
    return urlunsplit(urlsplit(url)._replace(query="", fragment=""))


def _is_loopback(url: str) -> bool:
    """Whether `url` is this machine, which a proxy from the environment can't stand for."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
