"""An app under the real server, in this process."""

import asyncio
import asyncio.base_events
import contextlib
import logging
from collections.abc import AsyncGenerator, Generator
from typing import Any, cast

import hypercorn.asyncio.run
import hypercorn.protocol.h11
from hypercorn.config import Config
from quart import Quart

from transcriber import transport
from transcriber.server import bind

_PATCHED: tuple[tuple[Any, str], ...] = (
    (hypercorn.asyncio.run, "TCPServer"),
    (hypercorn.protocol, "H11Protocol"),
    (hypercorn.protocol.h11, "WSStream"),
    (asyncio.base_events.Server, "wait_closed"),
)


@contextlib.contextmanager
def as_it_was() -> Generator[None]:
    """What `transport.install` changes for the whole process is put back."""
    before = [getattr(owner, name) for owner, name in _PATCHED]
    try:
        yield
    finally:
        for (owner, name), value in zip(_PATCHED, before, strict=True):
            setattr(owner, name, value)


@contextlib.asynccontextmanager
async def served(app: Quart) -> AsyncGenerator[int, None]:
    """The port; behind the block the server is told to stop, and has."""
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = logging.getLogger("hypercorn.error")
    stop = asyncio.Event()
    serving = asyncio.create_task(cast("Any", hypercorn.asyncio.serve)(app, config, shutdown_trigger=stop.wait))
    try:
        yield port
    finally:
        stop.set()
        await serving


@contextlib.asynccontextmanager
async def installed(app: Quart) -> AsyncGenerator[int, None]:
    """The same, with what `transport` puts right."""
    with as_it_was():
        transport.install(app)
        async with served(app) as port:
            yield port
