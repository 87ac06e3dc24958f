"""Where tests play: sound made of tones, one session with all around it, and a house of sessions."""

import asyncio
import io
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tests.fakes import LengthEngine, LevelDetector
from transcriber.audio.formats import open_decoder
from transcriber.engines.scheduler import Scheduler
from transcriber.events import Event, Options, Status
from transcriber.live import Limits
from transcriber.parts import Parts
from transcriber.recorder import Recorder
from transcriber.runner import Runner
from transcriber.sessions import Sessions
from transcriber.spool import Spool
from transcriber.storage.disk import DiskStore

E = TypeVar("E")

RAW = Options(encoding="pcm_s16le", sample_rate=16_000)


def tone(seconds: float, rate: int = 16_000, level: float = 0.3) -> bytes:
    samples = level * np.sin(np.arange(int(seconds * rate)) * 0.3)
    return (samples * 32767).astype("<i2").tobytes()


def silence(seconds: float, rate: int = 16_000) -> bytes:
    return bytes(2 * int(seconds * rate))


SPEECH = silence(0.5) + tone(1.0) + silence(1.0) + tone(0.7, level=0.5) + silence(0.9) + tone(0.4, level=0.1)


def wav(data: bytes, rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(data)
    return file.getvalue()


class Work:
    """Everything around a runner."""

    def __init__(self, folder: Path, engine: LengthEngine | None = None) -> None:
        self.folder = folder
        self.engine = engine or LengthEngine()
        self.scheduler = Scheduler(self.engine)
        self.store = DiskStore(folder / "store")
        self.parts = Parts(self.engine, self.scheduler, LevelDetector(), Recorder(self.store), open_decoder, 5)
        self.status = Status("id", "2026-01-02T03:04:05Z", "fake", "length", Options(), 3600, "1")
        self.spool = Spool(folder / "spool", limit_bytes=1 << 30)

    def start(self, *, recovering: bool = False) -> asyncio.Task[None]:
        self.runner = Runner(self.spool, self.status, self.parts, recovering=recovering)
        return asyncio.create_task(self.runner.run())

    def events(self) -> list[Event]:
        cursor, events = self.spool.events(), list[Event]()
        while (numbered := cursor.next()) is not None:
            events.append(numbered[1])
        return events

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events() if isinstance(event, kind)]

    def stored(self, name: str) -> Path:
        (path,) = (self.folder / "store").rglob(name)
        return path

    def all_stored(self) -> list[str]:
        """Names without the store's own files."""
        root = self.folder / "store"
        return sorted(path.name for path in root.rglob("*") if path.is_file() and ".tmp" not in path.parts)

    async def __aenter__(self) -> "Work":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.scheduler.close()
        await self.store.close()
        self.spool.close()


class House:
    """Sessions and what they share."""

    def __init__(self, folder: Path, limits: Limits | None = None) -> None:
        self.folder = folder
        self.engine = LengthEngine()
        self.scheduler = Scheduler(self.engine)
        self.store = DiskStore(folder / "store")
        parts = Parts(self.engine, self.scheduler, LevelDetector(), Recorder(self.store), open_decoder)
        self.sessions = Sessions(parts, folder / "spool", limits or Limits())

    async def __aenter__(self) -> "House":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.engine.gate.set()
        await self.sessions.drain(0)
        await self.scheduler.close()
        await self.store.close()

    def transcripts(self) -> list[str]:
        return [path.read_text() for path in (self.folder / "store").rglob("transcript.txt")]


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what the condition is about rings no bell
            await asyncio.sleep(0.005)
