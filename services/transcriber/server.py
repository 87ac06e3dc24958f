"""Hypercorn on one socket, until the sessions are over."""

import asyncio
import logging
import os
import resource
import signal
import socket
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import cast

import hypercorn.asyncio
from quart import Quart

from transcriber.hypercorn_config import Limits, ServerConfig
from transcriber.sessions import Sessions
from transcriber.shutdown import Shutdown
from transcriber.tls import Certificate

log = logging.getLogger(__name__)

_BACKLOG = 1024
_KERNEL_BYTES = 128 << 10
"""Asked for in each direction of a connection; Linux gives twice that, for what it keeps beside the data."""
_DESCRIPTORS = 4
"""A connection's socket, and the three logs of a session."""
_OTHER_DESCRIPTORS = 200
_START_SECONDS = 3600
"""A first start may fetch a model of gigabytes."""


_SIGNALS = (signal.SIGTERM, signal.SIGINT)


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
        # Connections inherit them. Otherwise each may have megabytes in the kernel, which count as the task's memory.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _KERNEL_BYTES)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as problem:
        listener.close()
        raise BindError(f"can't listen on {host}:{port}: {problem.strerror}") from problem
    return listener


def allow_descriptors(wanted: int) -> None:
    """As many open files as the system lets this process have, if the usual limit is lower than wanted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        log.warning("few open files allowed", extra={"allowed": allowed, "wanted": wanted})


async def run(
    app: Quart,
    listener: socket.socket,
    limits: Limits,
    shutdown: Shutdown,
    *,
    spools: int = 0,
    certificate: Certificate | None = None,
) -> None:
    """Serve until it is time to stop; then drain while HTTP is still answered, and end. Closes the listener. `spools`
    may be open beside those of connections."""
    allow_descriptors((limits.connections + spools) * _DESCRIPTORS + _OTHER_DESCRIPTORS)
    config = ServerConfig(limits, certificate.server_context() if certificate else None)
    config.bind = [f"fd://{listener.detach()}"]
    config.backlog = _BACKLOG
    config.startup_timeout = _START_SECONDS
    config.graceful_timeout = 3
    config.errorlog = logging.getLogger("hypercorn.error")
    loop = asyncio.get_running_loop()

    def interrupted(number: signal.Signals) -> None:
        if "service" not in app.extensions:
            # Nothing is going on yet, and a thread that loads or fetches a model can't be stopped.
            os._exit(128 + number)
        shutdown.signalled(number)

    for number in _SIGNALS:
        loop.add_signal_handler(number, interrupted, number)

    async def drained() -> None:
        sessions: Sessions = app.extensions["service"].sessions
        async with shutdown.watched(lambda: sessions.remaining_seconds):
            await _drained(sessions, shutdown)

    # Hypercorn's own annotations are incomplete.
    serve = cast("Callable[..., Awaitable[None]]", hypercorn.asyncio.serve)
    watching = asyncio.create_task(certificate.watch()) if certificate else None
    try:
        await serve(app, config, shutdown_trigger=drained)
    finally:
        if watching:
            watching.cancel()


def leave_at_once(loop: asyncio.AbstractEventLoop) -> None:
    """Behind `run`: all is stored, and a signal need not wait for threads that are left."""

    def leave(number: int, frame: FrameType | None) -> None:
        os._exit(0)

    for number in _SIGNALS:
        loop.remove_signal_handler(number)
        signal.signal(number, leave)


def leave_undisturbed() -> None:
    """Behind the event loop: Python takes its handlers away before it ends, and a signal would count as the end."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


async def _drained(sessions: Sessions, shutdown: Shutdown) -> None:
    """Until there is a reason to stop and then no session any more."""
    drain, stop = None, asyncio.create_task(shutdown.next())
    while drain is None or not drain.done():
        await asyncio.wait([task for task in (drain, stop) if task], return_when=asyncio.FIRST_COMPLETED)
        if stop.done():
            found = stop.result()
            log.info("draining", extra={"reason": found.reason, "seconds": round(found.seconds)})
            if drain:
                drain.cancel()
            drain = asyncio.create_task(sessions.drain(found.seconds, found.text_seconds))
            stop = asyncio.create_task(shutdown.next())
    stop.cancel()
    await drain
