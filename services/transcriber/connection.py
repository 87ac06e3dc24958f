"""One client's socket: a reader that only spools, and a writer that only tells what the spool holds."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from transcriber.events import Command, Disconnected, Ended, Error, Reconfigure, Rejected, Started
from transcriber.live import Live
from transcriber.pace import Pace
from transcriber.spool import SpoolFull
from transcriber.wire.protocol import Accepted, Audio, KeepAlive, WireProtocol

log = logging.getLogger(__name__)

_TOO_LARGE = Error("session_too_large", "The session has used up the bytes that it may send.", close_code=1009)
_STORAGE_FULL = Error(
    "storage_full", "The service can't store more audio; what was sent before is kept.", close_code=1011
)
_IDLE = Error(
    "idle_timeout", "Nothing came for too long; `keep_alive` says that there will be more audio.", close_code=1008
)


class SocketClosed(Exception):
    """The client has closed, with this code; or is gone (1006)."""

    def __init__(self, code: int = 1006) -> None:
        super().__init__(code)
        self.code = code


class Socket(Protocol):
    """An accepted WebSocket."""

    async def receive(self) -> bytes | str:
        """Raises SocketClosed."""
        ...

    async def send(self, message: bytes | str) -> None:
        """Raises SocketClosed."""
        ...

    async def close(self, code: int, reason: str) -> None: ...


class Connection:
    """Lives as long as its socket; the session it serves may outlive it."""

    def __init__(self, socket: Socket, protocol: WireProtocol, accepted: Accepted, live: Live) -> None:
        self._socket = socket
        self._protocol = protocol
        self._accepted = accepted
        self._live = live
        self._spool = live.spool
        self._pace = Pace(live.limits.messages_per_second)
        self._heard_at = asyncio.get_running_loop().time()
        self._watching: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Until the session is told to its end, the client is gone, or another connection of its takes over."""
        reader = asyncio.create_task(self._read(), name="reader")
        writer = asyncio.create_task(self._write(), name="writer")

        def give_way() -> None:
            reader.cancel()

        self._live.attach(give_way)
        self._watch()
        try:
            await asyncio.wait((reader, writer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._live.detach(give_way)
            if self._watching:
                self._watching.cancel()
            for task in (reader, writer):
                task.cancel()
            for outcome in await asyncio.gather(reader, writer, return_exceptions=True):
                if isinstance(outcome, Exception) and not isinstance(outcome, SocketClosed):
                    log.error("connection failed", exc_info=outcome, extra={"session": self._live.session_id})

    async def _read(self) -> None:
        """Spool what comes. Anything behind the end of the audio is read, so that the close is seen, and left."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(SocketClosed):
            while True:
                message = await self._socket.receive()
                self._heard_at = loop.time()
                for received in self._protocol.receive(message):
                    if self._live.ended or isinstance(received, KeepAlive):
                        continue
                    self._take(received)
                if wait_seconds := self._pace.step(self._heard_at):
                    # What is not read stays with the client: TCP pushes back.
                    await asyncio.sleep(wait_seconds)

    def _watch(self) -> None:
        """End the session of a client that has said nothing for too long."""
        loop = asyncio.get_running_loop()
        idle_at = self._heard_at + self._live.limits.idle_seconds
        if loop.time() < idle_at:
            self._watching = loop.call_at(idle_at, self._watch)
        else:
            self._live.end(Rejected(_IDLE))

    def _take(self, received: Audio | Command) -> None:
        if isinstance(received, Audio):
            self._take_audio(received.data)
            return
        received = self._live.bounded(received)
        if isinstance(received, Reconfigure) and not self._live.started:
            self._live.options = replace(self._live.options, **received.changes)
        elif isinstance(received, Ended | Disconnected):
            self._live.end(received)
        elif self._spool.full:
            self._live.end(Rejected(_TOO_LARGE, loses_audio=True))
        else:
            self._live.command(received)

    def _take_audio(self, data: bytes) -> None:
        if not self._live.started:
            self._live.command(Started(self._live.options))
        try:
            self._spool.append_audio(data)
        except SpoolFull:
            self._live.end(Rejected(_TOO_LARGE, loses_audio=True))
        except OSError as problem:
            log.error("spool failed", extra={"session": self._live.session_id, "reason": problem.strerror})
            self._live.end(Rejected(_STORAGE_FULL, loses_audio=True))

    async def _write(self) -> None:
        """Tell events in order, and of partials and acks the newest, until the session is closed."""
        events = self._spool.events()
        behind, resumed = self._accepted.last_event, self._accepted.resume_token is not None
        while True:
            self._spool.outgoing.clear()
            closed = self._spool.closed
            while (numbered := events.next()) is not None:
                number, event = numbered
                # What was told before a resume still passes through the protocol: it may need its state.
                messages = self._protocol.send(event, number)
                if number > behind:
                    await self._send(messages)
            if resumed:
                resumed = False
                live = self._live
                status = replace(live.status, options=live.options, received_bytes=self._spool.received_bytes)
                await self._send(self._protocol.send(status, None))
            for offer in self._spool.take_offers():
                await self._send(self._protocol.send(offer, None))
            if closed is not None:
                if self._spool.parting:
                    await self._send(self._protocol.send(self._spool.parting, None))
                await self._socket.close(closed.code, closed.reason)
                return
            await self._spool.outgoing.wait()

    async def _send(self, messages: Sequence[bytes | str]) -> None:
        for message in messages:
            await self._socket.send(message)
