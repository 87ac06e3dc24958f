"""What it takes to keep an hour: requests to S3 and dollars, bytes on the local disk while it lasts, memory.

    make bench-storage ARGS="--speed 60"

Room tone is sent to the real service at so many times real time; S3 is moto's server in this process, which counts. No
speech, so that no engine holds anything up. Takes an hour divided by the speed, for each row.
"""

import argparse
import asyncio
import logging
import re
import tempfile
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import numpy as np
from moto.server import ThreadedMotoServer
from websockets.asyncio.client import ClientConnection, connect

from bench import _command
from bench._service import Service, running
from transcriber.audio.pcm import SAMPLE_RATE

PRICES_OF = "2025-06, S3 Standard, us-east-1"
DOLLARS_PER_WRITE = 0.005 / 1000
"""PUT, COPY, POST and LIST. DELETE and the abortion of uploads cost nothing."""
DOLLARS_PER_READ = 0.0004 / 1000
"""GET and HEAD."""
DOLLARS_PER_GB_MONTH = 0.023

_MESSAGE_SECONDS = 0.1
_SAMPLING_SECONDS = 0.02
_REQUEST = re.compile(r'"(?:\x1b\[[0-9;]*m)*([A-Z]+) /\S*?(\?\S*)? HTTP')
_KINDS = (
    ("POST", "uploads", "CreateMultipartUpload"),
    ("PUT", "partNumber", "UploadPart"),
    ("POST", "uploadId", "CompleteMultipartUpload"),
    ("DELETE", "uploadId", "AbortMultipartUpload"),
    ("PUT", "", "PutObject"),
    ("GET", "", "read or list"),
    ("HEAD", "", "read or list"),
    ("POST", "", "DeleteObjects"),
)


def kind_of(line: str) -> str | None:
    """The kind of request that a line of the server's log is about; None where it is about none."""
    if (found := _REQUEST.search(line)) is None:
        return None
    method, query = found[1], found[2] or ""
    return next((kind for verb, part, kind in _KINDS if verb == method and part in query), method)


def dollars(requests: Counter[str]) -> float:
    """What so many requests cost."""
    free = ("DeleteObjects", "AbortMultipartUpload", "DELETE")
    return sum(
        count * (0 if kind in free else DOLLARS_PER_READ if kind == "read or list" else DOLLARS_PER_WRITE)
        for kind, count in requests.items()
    )


class _Counting(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.requests: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        if kind := kind_of(record.getMessage()):
            self.requests[kind] += 1


@contextmanager
def s3() -> Generator[tuple[dict[str, str], Counter[str]]]:
    """The settings of a service whose store is moto's, and what it is asked."""
    counting, log = _Counting(), logging.getLogger("werkzeug")
    log.setLevel(logging.INFO)
    log.addHandler(counting)
    log.propagate = False
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL_S3": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_DEFAULT_REGION": "us-east-1",
        "S3_BUCKET": "bench",
    }
    session: Any = boto3.Session("bench", "bench", region_name="us-east-1")
    session.client("s3", endpoint_url=settings["AWS_ENDPOINT_URL_S3"]).create_bucket(Bucket="bench")
    try:
        yield settings, counting.requests
    finally:
        server.stop()
        log.removeHandler(counting)


async def send(socket: ClientConnection, seconds: float, speed: float) -> None:
    samples = int(_MESSAGE_SECONDS * SAMPLE_RATE)
    message = (np.random.default_rng(7).normal(0, 20, samples)).astype("<i2").tobytes()
    began = time.monotonic()
    for number in range(int(seconds / _MESSAGE_SECONDS)):
        await socket.send(message)
        await asyncio.sleep(max(0.0, began + (number + 1) * _MESSAGE_SECONDS / speed - time.monotonic()))
    await socket.send("END")


async def _read(socket: ClientConnection, acks: list[int], ended: list[float]) -> None:
    async for text in socket:
        kind = str(text).partition(",")[0]
        if '"ack"' in kind:
            acks.append(len(acks))
        if '"complete"' in kind:
            ended.append(time.monotonic())


class _Peak:
    """The most that there was of two things."""

    def __init__(self, service: Service, spool: Path) -> None:
        self._service, self._spool = service, spool
        self.idle_bytes = self.memory_bytes = service.memory_bytes()
        self.disk_bytes = 0

    async def watch(self) -> None:
        while True:
            self.memory_bytes = max(self.memory_bytes, self._service.memory_bytes())
            self.disk_bytes = max(self.disk_bytes, _size(self._spool))
            await asyncio.sleep(_SAMPLING_SECONDS)


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # let go of meanwhile
            continue
    return total


async def measure(
    name: str, arguments: argparse.Namespace, settings: dict[str, str], asked: Counter[str]
) -> _command.Row:
    spool = Path(arguments.spool) / name.replace(" ", "-")
    async with running(ENGINE="local", SPOOL_DIR=str(spool), **settings) as service:
        before, cpu, peak = Counter(asked), service.cpu_seconds(), _Peak(service, spool)
        watching = asyncio.create_task(peak.watch())
        acks, ended = list[int](), list[float]()
        url = f"{service.url}?encoding=pcm_s16le&sample_rate={SAMPLE_RATE}"
        async with connect(url) as socket:
            reading = asyncio.create_task(_read(socket, acks, ended))
            await send(socket, arguments.seconds, arguments.speed)
            sent_at = time.monotonic()
            await reading
        watching.cancel()
        hours, requests = arguments.seconds / 3600, asked - before
        row: dict[str, str | int | float] = {
            "store": name,
            "audio MB": arguments.seconds * SAMPLE_RATE * 2 / 1e6,
            "local disk at most, MB": peak.disk_bytes / 1e6,
            "memory more than idle, MB": (peak.memory_bytes - peak.idle_bytes) / 1e6,
            "CPU s": service.cpu_seconds() - cpu,
            "acks": len(acks),
            "END to complete, s": ended[0] - sent_at if ended else float("nan"),
        }
        for kind in sorted({kind for _, _, kind in _KINDS}):
            row[kind] = requests[kind]
        row["requests, dollars an hour"] = f"{dollars(requests) / hours:.6f}"
        row["an hour kept, dollars a month"] = f"{3600 * SAMPLE_RATE * 2 / 1e9 * DOLLARS_PER_GB_MONTH:.6f}"
        return row


async def rows(arguments: argparse.Namespace) -> list[_command.Row]:
    nothing: Counter[str] = Counter()
    found = [await measure("disk", arguments, {}, nothing)]
    with s3() as (settings, asked):
        found.append(await measure("S3", arguments, settings, asked))
    return found


def main() -> None:
    parser = _command.options(__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0, help="of audio (%(default)s)")
    parser.add_argument("--speed", type=float, default=60.0, help="times real time (%(default)s)")
    arguments = parser.parse_args()
    _command.announce(f"two rows of {arguments.seconds / arguments.speed:.0f} s each")
    with tempfile.TemporaryDirectory() as arguments.spool:
        table = asyncio.run(rows(arguments))
    notes = [
        f"{arguments.seconds:.0f} s of room tone at {arguments.speed:g} times real time, 16 kHz PCM, default settings",
        f"local disk: all files of SPOOL_DIR, every {_SAMPLING_SECONDS} s; memory: resident set of the service",
        "the faster it is sent, the more waits to be decoded: in real time, less is on disk than here",
        f"prices of {PRICES_OF}: {DOLLARS_PER_WRITE * 1000:g} dollars for 1,000 writes, {DOLLARS_PER_READ * 1000:g} for"
        f" 1,000 reads, {DOLLARS_PER_GB_MONTH:g} for a GB and month",
    ]
    _command.report(table, notes, as_json=arguments.json)


if __name__ == "__main__":
    main()
