"""Debian's Chromium without a window, driven over its DevTools protocol, with a microphone that plays a file."""

import asyncio
import contextlib
import http.server
import itertools
import json
import shutil
import tempfile
import threading
from collections.abc import AsyncGenerator, Generator, Sequence
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.http_get import get

_START_SECONDS = 60
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--mute-audio"),
    *("--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--no-proxy-server", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
    "--remote-debugging-port=0",
)


def installed() -> str | None:
    """Where it is."""
    return shutil.which("chromium")


class PageFailed(Exception):
    """What a script threw."""


class Page:
    """A tab."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)

    async def call(self, method: str, **parameters: Any) -> Any:
        """One DevTools command and its result. Events are of no interest here."""
        number = next(self._numbers)
        await self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (answer := json.loads(await self._connection.recv())).get("id") != number:
            pass
        if "error" in answer:
            raise PageFailed(answer["error"]["message"])
        return answer["result"]

    async def run(self, script: str, *arguments: Any) -> Any:
        """What a JavaScript function gives for these arguments, when its promise is kept."""
        call = f"({script})(...{json.dumps(arguments)})"
        result = await self.call("Runtime.evaluate", expression=call, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise PageFailed(result["exceptionDetails"]["exception"].get("description", "thrown"))
        return result["result"].get("value")


@contextlib.asynccontextmanager
async def page(microphone: Path, flags: Sequence[str] = ()) -> AsyncGenerator[Page]:
    """An empty page of an address that microphones are let at, in a browser of its own, which hears the file once for
    each time that its microphone is opened."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, _site() as address:
        process = await asyncio.create_subprocess_exec(
            *(installed() or "chromium", *_FLAGS, *flags, f"--user-data-dir={profile}"),
            *(f"--use-file-for-fake-audio-capture={microphone}%noloop", "about:blank"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with connect(await _debugger(Path(profile), process), max_size=None, proxy=None) as connection:
                tab = Page(connection)
                await tab.call("Page.enable")
                await tab.call("Page.navigate", url=address)
                await tab.run("() => new Promise(go => document.body ? go() : addEventListener('load', () => go()))")
                yield tab
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _debugger(profile: Path, process: asyncio.subprocess.Process) -> str:
    """The address at which the first tab listens."""
    async with asyncio.timeout(_START_SECONDS):
        while not (told := profile / "DevToolsActivePort").exists() or "\n" not in told.read_text():
            assert process.returncode is None, "Chromium has ended"
            await asyncio.sleep(0.05)
        port = int(told.read_text().splitlines()[0])
        while True:
            _, targets = await asyncio.to_thread(get, port, "/json/list")
            for target in json.loads(targets):
                if target["type"] == "page":
                    return str(target["webSocketDebuggerUrl"])
            await asyncio.sleep(0.05)


class _Blank(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>microphone</title><body></body>")

    def log_message(self, format: str, *arguments: object) -> None:
        """Nobody reads it."""


@contextlib.contextmanager
def _site() -> Generator[str]:
    """Microphones are only for secure origins; localhost is one."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Blank)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
