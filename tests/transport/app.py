"""A server process for the rows: `python -m tests.transport.app stock|ours asyncio|uvloop`; says its port on stdout.

Every WebSocket takes `?id=`, under which `GET /seen/<id>` tells what its handler saw; `GET /state` is the process's.
"""

import asyncio
import contextlib
import ctypes
import gc
import logging
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import hypercorn.asyncio
import psutil
import uvloop
from hypercorn.config import Config
from quart import Quart, request, websocket

from transcriber import transport
from transcriber.connection import SocketClosed
from transcriber.hypercorn_config import Limits, ServerConfig

LIMITS = Limits(
    connections=40,
    head_bytes=16 << 10,
    head_seconds=1,
    keep_alive_seconds=2,
    body_bytes=100_000,
    body_seconds=0.5,
    message_bytes=64 << 10,
    ping_seconds=0.6,
    pong_seconds=0.8,
    send_seconds=0.4,
    linger_seconds=0.3,
)
"""Short, so that what takes that long is soon seen."""

app = Quart(__name__)
seen: dict[str, dict[str, Any]] = {}
errors: list[str] = []


class PlannedError(Exception):
    """What a handler fails with on purpose."""


class Errors(logging.Handler):
    """What would be a traceback in the log."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[0] is not PlannedError:
            errors.append(f"{record.name}: {record.getMessage()}: {record.exc_info[0]}")


def note() -> dict[str, Any]:
    return seen.setdefault(websocket.args.get("id", ""), {"messages": 0, "nones": 0, "end": None})


@contextlib.contextmanager
def watched() -> Generator[dict[str, Any]]:
    """Notes how a handler ended."""
    noted = note()
    try:
        yield noted
    except asyncio.CancelledError:
        noted["end"] = "cancelled"
        raise
    except SocketClosed as closed:
        noted["end"] = f"closed {closed.code}"
    else:
        noted["end"] = "returned"


@app.websocket("/echo")
async def echo() -> None:
    await websocket.accept()
    with watched() as noted:
        while True:
            message = await websocket.receive()
            noted["messages"] += 1
            noted["nones"] += message is None
            await websocket.send(message or b"")


@app.websocket("/count")
async def count() -> None:
    """5 ms for each message."""
    await websocket.accept()
    with watched() as noted:
        while True:
            await websocket.receive()
            noted["messages"] += 1
            await asyncio.sleep(0.005)


@app.websocket("/deaf")
async def deaf() -> None:
    await websocket.accept()
    with watched():
        await asyncio.sleep(20)


@app.websocket("/raise")
async def fail() -> None:
    await websocket.accept()
    raise PlannedError


@app.websocket("/close")
async def close() -> None:
    await websocket.accept()
    with watched():
        await websocket.send("last words")
        await websocket.close(4001, "bye")


@app.websocket("/close-and-stay")
async def close_and_stay() -> None:
    await websocket.accept()
    with watched():
        await websocket.close(4001, "bye")
        await asyncio.sleep(20)


@app.websocket("/flood")
async def flood() -> None:
    """Sends as much as it can; a second task reads, as a careful handler does."""
    await websocket.accept()

    async def send() -> None:
        while True:
            await websocket.send(bytes(64 << 10))

    with watched():
        sending = asyncio.create_task(send())
        try:
            while True:
                await websocket.receive()
        finally:
            sending.cancel()


@app.websocket("/flood-alone")
async def flood_alone() -> None:
    await websocket.accept()
    with watched():
        while True:
            await websocket.send(bytes(64 << 10))


@app.websocket("/refuse")
async def refuse() -> tuple[str, int]:
    return "no", 401


@app.websocket("/nothing")
async def nothing() -> None:
    return None


@app.post("/body")
async def body() -> str:
    return str(len(await request.get_data()))


@app.get("/large/<name>")
async def large(name: str) -> AsyncGenerator[bytes]:
    async def send() -> AsyncGenerator[bytes]:
        seen[name] = {"end": None}
        try:
            for _ in range(256):
                yield bytes(64 << 10)
        finally:
            seen[name]["end"] = "over"

    return send()


@app.get("/seen/<name>")
async def tell_seen(name: str) -> dict[str, Any]:
    return seen.get(name, {})


@app.get("/state")
async def state() -> dict[str, Any]:
    process = psutil.Process()
    gc.collect()
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # glibc keeps what was freed; then growth would not show
    return {
        "tasks": len(asyncio.all_tasks()),
        "clients": [connection.raddr.port for connection in process.net_connections() if connection.raddr],
        "memory": process.memory_info().rss,
        "cpu": sum(process.cpu_times()[:2]),
        "errors": errors,
    }


def configuration(ours: bool) -> Config:
    if ours:
        transport.install(app, LIMITS)
        return ServerConfig(LIMITS)
    app.config["MAX_CONTENT_LENGTH"], app.config["BODY_TIMEOUT"] = LIMITS.body_bytes, LIMITS.body_seconds
    config = Config()
    config.h11_max_incomplete_size = LIMITS.head_bytes
    config.keep_alive_timeout = LIMITS.keep_alive_seconds
    config.websocket_max_message_size = LIMITS.message_bytes
    config.websocket_ping_interval = LIMITS.ping_seconds
    return config


async def serve(ours: bool) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    config = configuration(ours)
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = 0.3
    config.errorlog = logging.getLogger("hypercorn.error")
    await hypercorn.asyncio.serve(app, config)


def main(variant: str, loop: str) -> None:
    logging.getLogger().addHandler(Errors())
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
        "asyncio": asyncio.new_event_loop,
        "uvloop": uvloop.new_event_loop,
    }
    with asyncio.Runner(loop_factory=factories[loop]) as runner:
        runner.run(serve(variant == "ours"))


if __name__ == "__main__":
    main(*sys.argv[1:])
