"""Hypercorn on one socket, until the sessions are over."""

import asyncio
import logging
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import cast

import hypercorn.asyncio
from hypercorn.config import Config
from quart import Quart

log = logging.getLogger(__name__)

_BACKLOG = 1024


class BindError(Exception):
    """The address can't be listened on."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        BindError: with the address and the reason.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as problem:
        listener.close()
        raise BindError(f"can't listen on {host}:{port}: {problem.strerror}") from problem
    return listener


async def run(
    app: Quart, listener: socket.socket, *, ping_seconds: float, max_message_bytes: int, drain_seconds: float
) -> None:
    """Serve until SIGTERM or SIGINT; then drain while HTTP is still answered, and end."""
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.websocket_ping_interval = ping_seconds
    config.websocket_max_message_size = max_message_bytes
    config.graceful_timeout = 3
    config.errorlog = logging.getLogger("hypercorn.error")
    stop: asyncio.Queue[signal.Signals] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.put_nowait, number)

    async def drained() -> None:
        number = await stop.get()
        seconds = drain_seconds if number is signal.SIGTERM else min(drain_seconds, 5)
        log.info("draining", extra={"signal": number.name, "seconds": seconds})
        sessions = app.extensions["service"].sessions
        drain = asyncio.create_task(sessions.drain(seconds))
        again = asyncio.create_task(stop.get())
        await asyncio.wait((drain, again), return_when=asyncio.FIRST_COMPLETED)
        if again.done():
            await sessions.drain(0)
        again.cancel()
        await drain

    # Hypercorn's own annotations are incomplete.
    serve = cast("Callable[..., Awaitable[None]]", hypercorn.asyncio.serve)
    await serve(app, config, shutdown_trigger=drained)
