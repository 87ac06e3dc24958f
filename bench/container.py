"""The images: their sizes, and what a task with little processor makes of them, from its cold start to many sessions.

    make bench-container ARGS="--targets api --vcpus 0.25 0.5 --sessions 25 50"

Builds what it measures, with a Docker engine of its own, on the stand-in for the official base that the tests make.
Needs Linux and root. Takes 4 minutes and the sessions' length for each image.
"""

import asyncio
import gzip
import io
import itertools
import json
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import psutil

from bench import _command
from bench._joining import Joining, conversation_of
from bench._quantiles import spread
from bench._session import Heard, stream
from tests import lj001
from tests.checked_client import transcribe
from tests.container.base_image import CantBeMade, add_python, find_python, make_root
from tests.container.container import Container
from tests.container.docker import Docker, docker, missing
from tests.openai_stub import KEY, OpenAIStub

_BASE = "python:3.12-slim-bookworm"
_VCPUS = {"api": 0.25, "local": 1.0}
_MB_A_VCPU = 2048
"""The least memory that Fargate has for a processor."""
_LOCAL_SESSIONS = 4
_STAGGER_SECONDS = 3.0


def pushed_bytes(engine: Docker, image: str) -> int:
    """What a registry gets: each layer, compressed as an engine compresses it."""
    with tempfile.TemporaryFile() as file:
        subprocess.run((engine.client, "save", image), env=engine.environment, stdout=file, check=True)
        file.seek(0)
        with tarfile.open(fileobj=file) as archive:
            manifest = archive.extractfile("manifest.json")
            assert manifest is not None
            layers = [archive.extractfile(name) for name in json.load(manifest)[0]["Layers"]]
            return sum(_compressed(layer) for layer in layers if layer)


def _compressed(layer: io.BufferedReader) -> int:
    with tempfile.TemporaryFile() as file:
        with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6) as stream_:
            shutil.copyfileobj(layer, stream_)
        return file.tell()


async def _many(service: Container, joinings: Sequence[Joining]) -> tuple[list[Heard], float, int]:
    """What sessions at once heard, the processors that they took, and the memory shortly before they end."""
    delays = np.random.default_rng(len(joinings)).uniform(0, _STAGGER_SECONDS, len(joinings)).tolist()
    process = psutil.Process(service.state["Pid"])
    before, began = sum(process.cpu_times()[:2]), time.monotonic()
    sessions = [
        asyncio.create_task(
            stream(service.url, joining.audio, interim=False, message_ms=100, delay_seconds=delay, grace_seconds=10)
        )
        for joining, delay in zip(joinings, delays, strict=True)
    ]
    await asyncio.sleep(joinings[0].seconds)
    memory = await asyncio.to_thread(service.memory_bytes)
    used = (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - began)
    return await asyncio.gather(*sessions), used, memory


async def measure(engine: Docker, target: str, vcpus: float, joinings: Sequence[Joining]) -> _command.Row:
    """One image in its task, against an API that answers at once."""
    image = engine.build(target)
    megabytes = round(vcpus * _MB_A_VCPU)
    limits = ("--cpus", str(vcpus), "--memory", f"{megabytes}m", "--memory-swap", f"{megabytes}m")
    with tempfile.TemporaryDirectory() as folder:
        async with OpenAIStub() as api:
            given = {"openai_api_key": KEY, "openai_base_url": api.base_url} if target == "api" else {}
            service = Container(engine, image, Path(folder), limits, **given)
            try:
                await asyncio.to_thread(service.start)
                serving = time.monotonic() - service.started_at
                await transcribe(service.url, lj001.wav(9.955, 11.9), "END")
                text = time.monotonic() - service.started_at
                healthy = await asyncio.to_thread(service.until_healthy)
                await asyncio.sleep(2)
                idle = service.memory_bytes()
                heard, used, busy = await _many(service, joinings)
            finally:
                await asyncio.to_thread(service.__exit__)
    size, base = (engine.inspect(name)["Size"] for name in (image, _BASE))
    return {
        "image": target,
        "MB": round(size / 1e6),
        "without base": round((size - base) / 1e6),
        "pushed MB": round(pushed_bytes(engine, image) / 1e6),
        "vCPU": vcpus,
        "serves after s": serving,
        "first text after s": text,
        "healthy after s": healthy,
        "idle MB": round(idle / 1e6),
        "sessions": len(joinings),
        "busy MB": round(busy / 1e6),
        "vCPU used": used,
        "lag p50 / p95 / max s": spread([lag for each in heard for lag in each.pause_lags()]),
        "unfinished": sum(not each.complete for each in heard),
    }


def _tasks(targets: Sequence[str], vcpus: Sequence[float], sessions: Sequence[int]) -> Iterator[tuple[str, float, int]]:
    """What is run: image, processors, sessions."""
    for target in targets:
        if target == "api":
            yield from ((target, *size) for size in itertools.product(vcpus, sessions))
        else:
            yield target, _VCPUS[target], _LOCAL_SESSIONS


def prepare(engine: Docker) -> None:
    """The base on which images are built."""
    root = engine.folder / "root"
    make_root(root)
    add_python(root, find_python())
    engine.load(root, _BASE)
    shutil.rmtree(root)


def main() -> None:
    parser = _command.options(__doc__)
    parser.add_argument("--targets", nargs="+", choices=sorted(_VCPUS), default=sorted(_VCPUS), help="the images")
    parser.add_argument(
        "--sessions", type=int, nargs="+", default=[50], help="at once against `api` (%(default)s); `local` gets 4"
    )
    parser.add_argument("--vcpus", type=float, nargs="+", default=[_VCPUS["api"]], help="of `api` (%(default)s)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of audio in each of them (%(default)s)")
    arguments = parser.parse_args()
    try:
        find_python()
        reason = missing()
    except CantBeMade as problem:
        reason = str(problem)
    if reason:
        _command.announce(f"not measured: {reason}")
        return
    clips = _command.clips_for(arguments)
    rows: list[_command.Row] = []
    with docker() as engine:
        prepare(engine)
        for target, vcpus, count in _tasks(arguments.targets, arguments.vcpus, arguments.sessions):
            joinings = [conversation_of(clips, arguments.seconds, seed=100 * number) for number in range(count)]
            _command.announce(f"{target}, {vcpus:g} vCPU: builds, runs, {count} sessions")
            rows.append(asyncio.run(measure(engine, target, vcpus, joinings)))
    notes = [
        "MB: unpacked; without base: beyond the stand-in for the official; pushed: all layers with gzip -6, base too",
        "seconds from `docker run`; first text: of 2 s of speech sent as soon as it serves; healthy: by Docker's check,"
        " which asks every 10 s",
        "memory: of the cgroup, without file pages that can be dropped; busy: at the end of the sessions', in which"
        " people talk all the time",
        "lag: from the end of speech to its final, the endpointing time included; the API answers at once",
    ]
    _command.report(rows, notes, as_json=arguments.json)


if __name__ == "__main__":
    main()
