"""Hypercorn's TCP connections, bounded in number and in time."""

import asyncio
import contextlib
from ssl import SSLError
from typing import Any, ClassVar, cast

from hypercorn.asyncio.tcp_server import MAX_RECV, TCPServer
from hypercorn.events import Closed, Event, RawData, Updated

from transcriber.http_errors import error_body
from transcriber.hypercorn_config import limits_of

RETRY_AFTER_SECONDS = 5
LEFTOVER_PAUSE_SECONDS = 0.01
"""After each 64 KiB that are only read to be left: sending on behind the end takes little of our processor."""

_TURNED_AWAY = 100
"""Connections beyond the limit that get an answer at the same time; any more are closed without one."""
_ANSWER_SECONDS = 1
_SHUTDOWN_SECONDS = 1

_GONE = (OSError, RuntimeError, SSLError)
"""What a connection that is gone raises: by source any OSError, TimeoutError among them (hypercorn#361)."""


def _no_room() -> bytes:
    body = error_body(503)
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nRetry-After: {RETRY_AFTER_SECONDS}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


class TcpConnection(TCPServer):
    """One connection, from when it was accepted until its socket is closed."""

    open: ClassVar[int] = 0
    """Connections of this process that are served."""
    refused: ClassVar[int] = 0
    """How many there was no room for, since the process began."""
    _turned_away: ClassVar[int] = 0

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._limits = limits_of(self.config)
        self._head_timer: asyncio.TimerHandle | None = None
        self._between_requests = False
        self._over = False
        """Set when the client has closed: no request will come."""
        self._end_timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        kind = type(self)
        if kind.open >= self._limits.connections:
            await self._turn_away()
            return
        kind.open += 1
        self._expect_head()
        try:
            await super().run()
        except asyncio.CancelledError:
            # At the end of the process. Before Python 3.12 asyncio logs it as an error that nobody handled.
            if not self.context.terminated.is_set():
                raise
        finally:
            kind.open -= 1

    async def _turn_away(self) -> None:
        """Answer at once, whatever was asked; wait a little for the client to read it, since unread data would turn
        the close into a reset."""
        kind = type(self)
        kind.refused += 1
        if kind._turned_away >= _TURNED_AWAY:
            self.writer.transport.abort()
            return
        kind._turned_away += 1
        try:
            with contextlib.suppress(*_GONE):
                self.writer.write(_no_room())
                self.writer.write_eof()
                async with asyncio.timeout(_ANSWER_SECONDS):
                    while await self.reader.read(MAX_RECV):
                        pass
        finally:
            kind._turned_away -= 1
            self.writer.transport.abort()

    def _expect_head(self) -> None:
        """Close the connection unless a whole request head comes in time."""
        self._between_requests = False
        self._head_timer = self.loop.call_later(self._limits.head_seconds, self.writer.close)

    def _cancel_timers(self) -> None:
        for timer in (self._head_timer, self._end_timer):
            if timer:
                timer.cancel()

    async def _read_data(self) -> None:
        """Until the client closes or is cut."""
        while not self.reader.at_eof():
            try:
                data = await self.reader.read(MAX_RECV)
            except _GONE:
                break
            if self._end_timer:
                await asyncio.sleep(LEFTOVER_PAUSE_SECONDS)
                continue
            if self._between_requests and data:
                self._expect_head()
            if data:
                await self.protocol.handle(RawData(data))
        # Otherwise a connection that its client has closed is kept until the keep-alive time is over.
        self._over = True
        await self.idle_task.stop()
        await self.protocol.handle(Closed())

    async def protocol_send(self, event: Event) -> None:
        if isinstance(event, RawData):
            await self._write(event.data)
        elif isinstance(event, Closed):
            self._end()
        else:
            await self._update(cast("Updated", event))

    async def _update(self, event: Updated) -> None:
        """A request begins, or is over."""
        self._between_requests = event.idle
        if not event.idle and self._head_timer:
            self._head_timer.cancel()
        if not self._over:
            await super().protocol_send(event)

    async def _write(self, data: bytes) -> None:
        """Send, or cut a client that has stopped reading; the reader then sees the end, and tells."""
        async with self.send_lock:
            if self.writer.transport.is_closing():
                return
            try:
                self.writer.write(data)
                async with asyncio.timeout(self._limits.send_seconds):
                    await self.writer.drain()
            except _GONE:
                self.writer.transport.abort()

    def _end(self) -> None:
        """Nothing more is sent. What still comes is read and left, until the client closes too or its time is over:
        unread data would turn our close into a reset, which destroys what was sent last."""
        if self._end_timer:
            return
        with contextlib.suppress(*_GONE):
            if self.writer.can_write_eof():
                self.writer.write_eof()
            else:  # TLS has no half-closed connections; its own close reads what still comes
                self.writer.close()
        unsent = self.writer.transport.get_write_buffer_size()
        patience = self._limits.send_seconds if unsent else self._limits.linger_seconds
        self._end_timer = self.loop.call_later(patience, self.writer.transport.abort)

    async def _close(self) -> None:
        """Close the socket; wait for what is not sent yet, but not for ever."""
        self._cancel_timers()
        patience = _SHUTDOWN_SECONDS if self.context.terminated.is_set() else self._limits.send_seconds
        try:
            with contextlib.suppress(*_GONE):
                self.writer.close()
                async with asyncio.timeout(patience):
                    await self.writer.wait_closed()
        finally:
            self.writer.transport.abort()
            await self.idle_task.stop()
