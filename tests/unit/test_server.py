"""The listening socket, and the server's life from its first signal on."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field

import pytest
from quart import Quart

from tests.http_get import get
from tests.stage import until
from transcriber import server
from transcriber.hypercorn_config import Limits
from transcriber.server import BindError, bind
from transcriber.shutdown import Shutdown


def test_a_free_port_is_found() -> None:
    with bind("127.0.0.1", 0) as listener:
        host, port = listener.getsockname()
        assert (host, port > 0) == ("127.0.0.1", True)
        socket.create_connection((host, port)).close()


def test_a_port_that_is_taken_is_told_with_the_reason() -> None:
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(BindError, match=rf"^can't listen on 127\.0\.0\.1:{port}: Address already in use$"):
            bind("127.0.0.1", port)


def test_an_address_of_another_machine_is_told_with_the_reason() -> None:
    with pytest.raises(BindError, match=r"^can't listen on 192\.0\.2\.1:0: \w"):
        bind("192.0.2.1", 0)


def test_what_the_kernel_keeps_of_a_connection_is_bounded() -> None:
    with bind("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            for direction in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                assert accepted.getsockopt(socket.SOL_SOCKET, direction) <= 256 << 10


DESCRIPTORS = """
import logging, resource, sys
from transcriber.server import allow_descriptors
logging.basicConfig(format="%(levelname)s")
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 128))
allow_descriptors(int(sys.argv[1]))
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("wanted", "allowed", "warned"), [("50", "64 128", ""), ("100", "100 128", ""), ("500", "128 128", "WARNING")]
)
def test_as_many_files_are_allowed_as_are_wanted_and_may_be(wanted: str, allowed: str, warned: str) -> None:
    command = (sys.executable, "-c", DESCRIPTORS, wanted)
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (finished.stdout.strip(), finished.stderr.strip()) == (allowed, warned)


@dataclass
class Sessions:
    """Sessions that end when they are told to, or hurried."""

    drained: list[float] = field(default_factory=list[float])
    over: asyncio.Event = field(default_factory=asyncio.Event)
    remaining_seconds: float = 0

    async def drain(self, seconds: float, text_seconds: float) -> None:
        self.drained.append(seconds)
        if seconds == 0:
            self.over.set()
        await self.over.wait()


@dataclass
class Service:
    sessions: Sessions


async def start(sessions: Sessions) -> tuple[asyncio.Task[None], int]:
    """A server of an app that knows one page, and its port."""
    app = Quart(__name__)
    app.extensions["service"] = Service(sessions)
    app.add_url_rule("/page", view_func=lambda: "here")
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    running = server.run(app, listener, Limits(), Shutdown(drain_seconds=30))
    task = asyncio.create_task(running)
    # It listens already; who connects now is answered as soon as it serves.
    assert await asyncio.to_thread(get, port, "/page") == (200, "here")
    return task, port


async def test_after_sigterm_it_serves_until_the_sessions_are_over() -> None:
    sessions = Sessions()
    task, port = await start(sessions)
    os.kill(os.getpid(), signal.SIGTERM)
    await until(lambda: sessions.drained)
    assert await asyncio.to_thread(get, port, "/page") == (200, "here")
    sessions.over.set()
    async with asyncio.timeout(5):
        await task
    assert sessions.drained == [30]
    with pytest.raises(OSError):  # noqa: PT011 - refused, however the system says it
        await asyncio.to_thread(get, port, "/page")


async def test_ctrl_c_waits_less_and_a_second_one_not_at_all() -> None:
    sessions = Sessions()
    task, _ = await start(sessions)
    os.kill(os.getpid(), signal.SIGINT)
    await until(lambda: len(sessions.drained) == 1)
    os.kill(os.getpid(), signal.SIGINT)
    async with asyncio.timeout(5):
        await task
    assert sessions.drained == [5, 0]


STARTING = """
import asyncio, time
from quart import Quart
from transcriber import server
from transcriber.hypercorn_config import Limits
from transcriber.shutdown import Shutdown

app = Quart("app")

@app.before_serving
async def fetch():
    print("starting", flush=True)
    await asyncio.to_thread(time.sleep, 30)

listener = server.bind("127.0.0.1", 0)
asyncio.run(server.run(app, listener, Limits(), Shutdown(drain_seconds=30)))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_while_it_starts_a_signal_ends_it_at_once(number: signal.Signals) -> None:
    with subprocess.Popen((sys.executable, "-c", STARTING), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"starting\n"
        began = time.monotonic()
        process.send_signal(number)
        assert process.wait(10) == 128 + number
        assert time.monotonic() - began < 5
