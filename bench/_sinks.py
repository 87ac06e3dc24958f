"""Servers that take messages and leave them, each as a process: `python -m bench._sinks NAME LOOP`; says its port."""

import asyncio
import logging
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import hypercorn.asyncio
import uvloop
import websockets.asyncio.server
from hypercorn.config import Config
from quart import Quart, websocket

from tests.fakes import LevelDetector
from transcriber import app as composition
from transcriber import server, transport
from transcriber.connection import SocketClosed
from transcriber.hypercorn_config import Limits, ServerConfig
from transcriber.settings import Settings


def _say(port: int) -> None:
    print(port, flush=True)


async def bare() -> None:
    """The `websockets` package, as quick as it is."""

    async def leave(connection: websockets.asyncio.server.ServerConnection) -> None:
        async for _ in connection:
            pass

    async with websockets.asyncio.server.serve(leave, "127.0.0.1", 0, compression=None) as serving:
        _say(next(iter(serving.sockets)).getsockname()[1])
        await asyncio.get_running_loop().create_future()


async def _quart(config: Config, app: Quart) -> None:
    @app.websocket("/ws")
    async def leave() -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.receive()
        except SocketClosed:
            return

    listener = server.bind("127.0.0.1", 0)
    _say(listener.getsockname()[1])
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = logging.getLogger("hypercorn.error")
    await hypercorn.asyncio.serve(app, config)


async def stock() -> None:
    """Quart and Hypercorn as they come."""
    await _quart(Config(), Quart(__name__))


async def ours() -> None:
    """With everything in `transport`."""
    app = Quart(__name__)
    transport.install(app)
    await _quart(ServerConfig(Limits()), app)


async def service() -> None:
    """All of the service, but for the detector, in whose place the loudness of a frame is looked at."""
    vars(composition)["SileroDetector"] = LevelDetector
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(engine="openai", openai_base_url="http://127.0.0.1:9/v1", data_dir=Path(folder))
        listener = server.bind("127.0.0.1", 0)
        _say(listener.getsockname()[1])
        limits, shutdown = composition.transport_limits(settings), composition.make_shutdown(settings)
        await server.run(composition.create_app(settings), listener, limits, shutdown)


SINKS: dict[str, Callable[[], Awaitable[None]]] = {"bare": bare, "stock": stock, "ours": ours, "service": service}
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    logging.basicConfig(level=logging.ERROR)
    with asyncio.Runner(loop_factory=LOOPS[sys.argv[2]]) as runner:
        runner.run(SINKS[sys.argv[1]]())
