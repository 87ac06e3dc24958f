"""An hour of audio sent at once by an unmodified WebSocket client: whether it survives, and what it costs.

    make bench-hour ARGS="--speech DIR"

The client is `websockets` as it comes, with its pings every 20 s; it sends a WAV file as fast as the service takes it,
and `END`. Takes a few minutes: the time in which the machine transcribes an hour.
"""

import asyncio
import contextlib
import io
import json
import time
import wave
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bench import _command
from bench._joining import Joining, conversation_of
from bench._quantiles import quantile
from bench._service import Service, running
from bench._session import coverage
from transcriber.audio.pcm import SAMPLE_RATE

_SAMPLING_SECONDS = 0.5
_PROBING_SECONDS = 0.1
_COVERED = 0.5
"""An utterance's times leave out what the detector takes for silence at the edges of a clip."""


@dataclass
class Vital:
    """What the service's process does meanwhile."""

    memory_bytes: list[int] = field(default_factory=list[int])
    health_seconds: list[float] = field(default_factory=list[float])
    unanswered: int = 0


@dataclass
class Course:
    """How it went; seconds from the first byte."""

    sent_seconds: float = 0.0
    complete_seconds: float = float("nan")
    first_final_seconds: float = float("nan")
    finals: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    utterances: list[int] = field(default_factory=list[int])
    failed: int = 0
    summary: dict[str, Any] = field(default_factory=dict[str, Any])
    close_code: int | None = None


@contextlib.asynccontextmanager
async def watched(service: Service) -> AsyncGenerator[Vital, None]:
    """Memory and health, taken again and again until the end of the block."""
    vital = Vital()

    async def weigh() -> None:
        while True:
            vital.memory_bytes.append(service.memory_bytes())
            await asyncio.sleep(_SAMPLING_SECONDS)

    async def probe() -> None:
        while True:
            try:
                vital.health_seconds.append(await service.health_seconds())
            except OSError:
                vital.unanswered += 1
            await asyncio.sleep(_PROBING_SECONDS)

    tasks = [asyncio.create_task(weigh()), asyncio.create_task(probe())]
    try:
        yield vital
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def send(url: str, file: bytes, message_bytes: int, limit_seconds: float) -> Course:
    """The whole file at once, reading meanwhile."""
    course = Course()
    async with connect(url) as socket:
        started = time.monotonic()
        reading = asyncio.create_task(_read(socket, course, started))
        with contextlib.suppress(ConnectionClosed, TimeoutError):
            for start in range(0, len(file), message_bytes):
                await socket.send(file[start : start + message_bytes])
            await socket.send("END")
            course.sent_seconds = time.monotonic() - started
            await asyncio.wait_for(reading, limit_seconds)
        reading.cancel()
        await asyncio.wait([reading])
    course.close_code = socket.close_code
    return course


async def _read(socket: ClientConnection, course: Course, started: float) -> None:
    async for text in socket:
        message = json.loads(text)
        if message["type"] == "transcription":
            if not course.finals:
                course.first_final_seconds = time.monotonic() - started
            course.finals.append((message["start"], message["end"]))
            course.utterances.append(message["utterance"])
        elif message["type"] == "error":
            course.failed += 1
        elif message["type"] == "complete":
            course.complete_seconds = time.monotonic() - started
            course.summary = message


def wav(joining: Joining) -> bytes:
    output = io.BytesIO()
    with wave.open(output, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(joining.audio.tobytes())
    return output.getvalue()


def rows_of(joining: Joining, course: Course, vital: Vital, idle_bytes: int, cpu_seconds: float) -> list[_command.Row]:
    expected = list(range(1, course.summary.get("utterances", -1) + 1))
    missing = sum(coverage(place.start, place.end, course.finals) < _COVERED for place in joining.placed)
    values: dict[str, str | int | float] = {
        "audio s": joining.seconds,
        "sent in s": course.sent_seconds,
        "survived": "yes" if course.summary and course.close_code == 1000 else f"no, {course.close_code}",
        "first final after s": course.first_final_seconds,
        "complete after s": course.complete_seconds,
        "times real time": joining.seconds / course.complete_seconds,
        "finals": len(course.finals),
        "every final once, in order": "yes" if course.utterances == expected else "no",
        "errors": course.failed,
        f"clips of {len(joining.placed)} that finals miss": missing,
        "CPU s of the service": cpu_seconds,
        "memory before, MB": round(idle_bytes / 1e6),
        "memory at most, MB": round(max(vital.memory_bytes) / 1e6),
        "memory at the end, MB": round(vital.memory_bytes[-1] / 1e6),
        "health p50 ms": 1000 * quantile(vital.health_seconds, 0.5),
        "health p99 ms": 1000 * quantile(vital.health_seconds, 0.99),
        "health max ms": 1000 * quantile(vital.health_seconds, 1.0),
        "health unanswered": vital.unanswered,
    }
    return [{"what": name, "value": value} for name, value in values.items()]


async def measure(joining: Joining, message_bytes: int) -> list[_command.Row]:
    file = wav(joining)
    async with running(ENGINE="local") as service:
        idle, before = service.memory_bytes(), service.cpu_seconds()
        async with watched(service) as vital:
            course = await send(service.url, file, message_bytes, limit_seconds=joining.seconds)
        return rows_of(joining, course, vital, idle, service.cpu_seconds() - before)


def main() -> None:
    parser = _command.options(__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0, help="of audio (%(default)s)")
    parser.add_argument("--message-bytes", type=int, default=4096, help="in each message (%(default)s)")
    parser.add_argument("--seed", type=int, default=41)
    arguments = parser.parse_args()
    clips = _command.clips_for(arguments)
    joining = conversation_of(clips, arguments.seconds, arguments.seed)
    _command.announce(f"{joining.seconds:.0f} s of audio; at most as long, likely a twentieth of it")
    rows = asyncio.run(measure(joining, arguments.message_bytes))
    notes = [
        f"{len(clips)} clips joined again and again, seed {arguments.seed}, messages of {arguments.message_bytes} B,"
        " default settings, ENGINE=local, client: websockets.asyncio.client with its defaults (pings every 20 s)",
        "memory: resident set of the service's process every 0.5 s, the model included; before: idle after its start",
        "health: GET /health every 0.1 s, connecting included, on the processors that the engine keeps busy",
        f"missed: clips less than {100 * _COVERED:.0f} % of which lie between start and end of finals",
    ]
    _command.report(rows, notes, as_json=arguments.json)


if __name__ == "__main__":
    main()
