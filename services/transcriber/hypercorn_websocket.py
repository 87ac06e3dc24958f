"""Hypercorn's WebSockets: what a client does wrong is answered, what it does not do has a time limit."""

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any, cast

from hypercorn.protocol.events import Body, Data, EndBody, Event, Request, Response, StreamClosed
from hypercorn.protocol.ws_stream import ASGIWebsocketState, FrameTooLargeError, WSStream
from hypercorn.typing import ASGISendEvent, WebsocketAcceptEvent
from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.frame_protocol import CloseReason

from transcriber.http_errors import error_answer
from transcriber.hypercorn_config import limits_of
from transcriber.hypercorn_tcp import LEFTOVER_PAUSE_SECONDS

_FAIR_EVENTS = 64
"""Frames of one connection behind which the others have their turn."""
_STALL_SECONDS = 0.1
"""What came while the process itself was held up is read within this time."""


class MessageBuffer:
    """A message from its frames, limited in bytes: Hypercorn's own counts characters, each of up to four bytes."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._data: BytesIO | None = None
        self._text = False

    def extend(self, event: BytesMessage | TextMessage) -> None:
        """Raises FrameTooLargeError."""
        if self._data is None:
            self._data = BytesIO()
            self._text = isinstance(event, TextMessage)
        self._data.write(event.data.encode() if isinstance(event.data, str) else event.data)
        if self._data.tell() > self._limit_bytes:
            raise FrameTooLargeError

    def take(self) -> dict[str, Any]:
        """The whole message as ASGI has it; the buffer is empty again."""
        data = self._data.getvalue() if self._data else b""
        text = self._text
        self.clear()
        return {
            "type": "websocket.receive",
            "bytes": None if text else data,
            "text": data.decode() if text else None,
        }

    def clear(self) -> None:
        self._data = None


class Pulse:
    """When to ping, and when a client that sends nothing is lost. Times are of one clock, in seconds."""

    def __init__(self, now: float, interval: float, patience: float) -> None:
        self._interval = interval
        self._patience = patience
        self._due = now + interval
        self._asked = math.inf
        """When the first ping was sent that nothing has come since."""

    @property
    def look_at(self) -> float:
        """When there is something to decide next."""
        return min(self._due, self._asked + self._patience)

    def lost(self, now: float, heard: float) -> bool:
        """Whether nothing has come for too long; `heard` is when something came last."""
        # The same moment counts as an answer: uvloop's clock has milliseconds, and a pong may need less.
        if heard >= self._asked:
            self._asked = math.inf
        return now >= self._asked + self._patience

    def ping_due(self, now: float) -> bool:
        """Whether to ping now; it is then taken as done."""
        if now < self._due:
            return False
        self._asked = min(self._asked, now)
        self._due = now + self._interval
        return True


class WebSocketStream(WSStream):
    """One WebSocket between the connection and the app."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._limits = limits_of(self.config)
        self._message = MessageBuffer(self.config.websocket_max_message_size)
        self._clock = asyncio.get_running_loop().time
        self._decided = asyncio.Event()
        """Set when the app has accepted or refused."""
        self._over = asyncio.Event()
        """Set when the client has closed or is gone."""
        self._app_done = False
        self._left = (int(CloseReason.ABNORMAL_CLOSURE), "")
        """Code and reason of the client's close frame, as the app is told them."""
        self._heard = 0.0
        """When something came last."""
        self._busy = False
        """Set while what came is passed on; nothing is read meanwhile."""
        self._cut_at: float | None = None

    async def handle(self, event: Event) -> None:
        if self.closed:
            return
        if isinstance(event, StreamClosed):
            self.closed = True
            self._over.set()
            self._decided.set()
            if not self._app_done:
                # The code is the client's; Hypercorn's is 1000 or 1006 whatever that was (hypercorn#127).
                code, reason = self._left
                await self._tell({"type": "websocket.disconnect", "code": code, "reason": reason})
        elif isinstance(event, Body | Data):
            await self._receive(event.data)
        elif isinstance(event, Request):
            await super().handle(event)

    async def _receive(self, data: bytes) -> None:
        # A client may send right behind its handshake, before it has the answer; Hypercorn refuses what comes before
        # the app has accepted (hypercorn#225).
        if not self._decided.is_set():
            await self._decided.wait()
        if self.closed or not self.handshake.accepted:
            return
        self._heard, self._busy = self._clock(), True
        self.connection.receive_data(data)
        await self._handle_events()
        if self._deaf:
            await asyncio.sleep(LEFTOVER_PAUSE_SECONDS)
        self._heard, self._busy = self._clock(), False

    async def _handle_events(self) -> None:
        ping: Ping | None = None
        for count, event in enumerate(self.connection.events(), 1):
            if isinstance(event, BytesMessage | TextMessage):
                await self._extend(event)
            elif isinstance(event, CloseConnection):
                await self._closing(event)
            elif isinstance(event, Ping):
                ping = event
            if self.closed:
                return
            if count % _FAIR_EVENTS == 0:
                await asyncio.sleep(0)
        # Only the newest one needs an answer (RFC 6455, section 5.5.3): 64 KiB hold ten thousand.
        if ping:
            await self._send_wsproto_event(ping.response())

    async def _extend(self, event: BytesMessage | TextMessage) -> None:
        if self._deaf:
            return
        try:
            self._message.extend(event)
        except FrameTooLargeError:
            limit = self.config.websocket_max_message_size
            await self._fail(CloseReason.MESSAGE_TOO_BIG, f"message of more than {limit} bytes")
            return
        if event.message_finished:
            await self._tell(self._message.take())

    async def _tell(self, event: dict[str, Any]) -> None:
        """Waits for room in the app's queue. Before there is an app, there is nobody to tell."""
        put: Callable[[dict[str, Any]], Awaitable[None]] | None = cast("Any", self).app_put
        if put:
            await put(event)

    async def _closing(self, event: CloseConnection) -> None:
        """The client's close frame; or, as wsproto has it, a frame that can't be parsed."""
        state = self.connection.state
        if state is ConnectionState.OPEN:
            is_text = event.code == CloseReason.INVALID_FRAME_PAYLOAD_DATA
            await self._fail(event.code, "text is not UTF-8" if is_text else event.reason or "")
            return
        if state is ConnectionState.REMOTE_CLOSING:
            self._left = (int(event.code), event.reason or "")
            await self._send_wsproto_event(event.response())
        await self._end()

    async def _fail(self, code: int, reason: str) -> None:
        """Tell both sides, and read no more. Hypercorn sends no close frame for bytes that are no frames; for a large
        message it sends one, tells the app nothing, and goes on buffering all that comes."""
        self._message.clear()
        self._left = (int(code), reason)
        await self._send_wsproto_event(CloseConnection(code=code, reason=reason))
        await self._end()

    async def _end(self) -> None:
        await self.send(StreamClosed(stream_id=self.stream_id))

    async def _linger(self) -> None:
        """Behind our close frame: until the client has answered it, or has had the time to."""
        if self._cut_at is None:
            terminated = self.context.terminated.is_set()
            self._cut_at = self._clock() + (0 if terminated else self._limits.linger_seconds)
        if not await self._over_by(self._cut_at):
            await self._end()

    @property
    def _deaf(self) -> bool:
        """Whether nobody listens any more: only the client's close frame is of interest."""
        return self._app_done or self._cut_at is not None

    async def _over_by(self, moment: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(moment):
                await self._over.wait()
        return self._over.is_set()

    async def app_send(self, message: ASGISendEvent | None) -> None:
        if message is None:
            await self._app_ended()
            return
        if self.closed and message["type"] == "websocket.send":
            # A handler that only sends would never learn that it sends to nobody.
            raise ConnectionResetError
        closes = message["type"] == "websocket.close" and self.state is ASGIWebsocketState.CONNECTED
        await super().app_send(message)
        if closes and not self.closed:
            cast("Any", self.task_group).spawn(self._linger)

    async def _app_ended(self) -> None:
        self._app_done = True
        # Nobody takes messages any more; a reader that waits for room in the queue would wait for ever.
        queue: asyncio.Queue[Any] = cast("Any", self.app_put).__self__
        while not queue.empty():
            queue.get_nowait()
        if self.closed or not self.handshake.accepted:
            await super().app_send(None)
            return
        if self.state is ASGIWebsocketState.CONNECTED:
            event = CloseConnection(code=CloseReason.INTERNAL_ERROR, reason="internal error")
            await self._send_wsproto_event(event)
        await self._linger()

    async def _accept(self, message: WebsocketAcceptEvent) -> None:
        # Audio does not compress, and a compressed message can grow a thousandfold; Hypercorn accepts the extension
        # whenever it is offered (hypercorn#307).
        self.handshake.extensions = None
        self._heard = self._clock()
        await super()._accept(message)
        self._decided.set()

    async def _send_error_response(self, status_code: int) -> None:
        """To a handshake that is none."""
        headers, body = error_answer(status_code)
        await self.send(Response(stream_id=self.stream_id, status_code=status_code, headers=headers))
        await self.send(Body(stream_id=self.stream_id, data=body))
        await self.send(EndBody(stream_id=self.stream_id))

    async def _send_pings(self) -> None:
        """Ping now and then, and be done with a client that no longer sends anything. Hypercorn asks for no answer,
        and keeps what belongs to a closed connection until the next ping would be due."""
        interval = cast("float", self.config.websocket_ping_interval)
        pulse = Pulse(self._clock(), interval, self._limits.pong_seconds)
        while not await self._over_by(pulse.look_at):
            if pulse.lost(self._clock(), self._alive_at):
                await asyncio.sleep(_STALL_SECONDS)
                if pulse.lost(self._clock(), self._alive_at):
                    await self._fail(CloseReason.INTERNAL_ERROR, "no answer to a ping")
                    return
            if pulse.ping_due(self._clock()):
                await self._send_wsproto_event(Ping())

    @property
    def _alive_at(self) -> float:
        """When the client showed that it is there; while its messages wait for the app, nothing is read."""
        return self._clock() if self._busy else self._heard
