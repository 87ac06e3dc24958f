"""Where `transcriber stream` takes audio from: a file, standard input, a microphone."""

import asyncio
import contextlib
import importlib
import os
import stat
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from transcriber.client.session import OptionValue

STANDARD_INPUT = 0
READ_BYTES = 32 * 1024
READ_AHEAD = 3
HEAD_BYTES = 4096
"""How far into a file its format chunk is looked for; the server gives up there as well."""

MICROPHONE_RATE = 16_000
MICROPHONE_BLOCK = MICROPHONE_RATE // 20
"""50 ms: well below what endpointing notices."""

_WIDTHS = {
    **{"pcm_s16le": 2, "linear16": 2, "pcm_s16be": 2, "pcm_s24le": 3, "pcm_s32le": 4, "pcm_u8": 1},
    **{"pcm_f32le": 4, "pcm_f64le": 8, "mulaw": 1, "ulaw": 1, "alaw": 1},
}
"""Bytes per sample of each encoding of raw samples."""


class SourceError(Exception):
    """The audio can't be had; `code` is stable and the message says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Source:
    """Audio to come, in pieces as they are had. `chunks` can be iterated once."""

    chunks: AsyncIterator[bytes]
    total_bytes: int | None = None
    bytes_per_second: float | None = None
    """At the speed it was spoken; None when the format does not say."""
    declares: Mapping[str, OptionValue] = field(default_factory=dict[str, OptionValue])
    """Options that the server must be told to read it."""
    live: bool = False
    """Whether it goes on until somebody stops it."""

    @property
    def duration_seconds(self) -> float | None:
        if self.total_bytes is None or not self.bytes_per_second:
            return None
        return self.total_bytes / self.bytes_per_second


async def open_source(name: str, declared: Mapping[str, OptionValue]) -> Source:
    """The source that a user names: `mic`, `-` or a path. `declared` is what the user says of raw samples.

    Raises:
        SourceError: there is no such file or device.
    """
    if name == "mic":
        return microphone()
    return await _from_descriptor(STANDARD_INPUT if name == "-" else _open(name), declared)


def _open(path: str) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
    except (OSError, ValueError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) else str(failure)
        raise SourceError("unreadable_file", f"cannot open {path}: {reason}") from None
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SourceError("unreadable_file", f"{path} is a directory")
    return descriptor


async def _from_descriptor(descriptor: int, declared: Mapping[str, OptionValue]) -> Source:
    if os.isatty(descriptor):
        raise SourceError("unreadable_file", "audio does not come from a terminal: pipe it in, or name a file or mic")
    status = os.fstat(descriptor)
    chunks = _read(descriptor)
    head = await anext(chunks, b"")
    return Source(
        chunks=_chain(head, chunks),
        total_bytes=status.st_size if stat.S_ISREG(status.st_mode) else None,
        bytes_per_second=raw_byte_rate(declared) or wav_byte_rate(head),
        declares=declared,
    )


async def _chain(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if head:
        yield head
    async for chunk in rest:
        yield chunk


async def _read(descriptor: int) -> AsyncIterator[bytes]:
    """What can be read, as soon as it is there, a few pieces ahead.

    A pipe may block for ever and an event loop can't watch every kind of descriptor, so a daemon thread reads; it
    takes the descriptor, not `sys.stdin`, whose lock would be in the way when the process ends meanwhile.
    """
    loop = asyncio.get_running_loop()
    queue = asyncio.Queue[bytes | OSError]()
    room = threading.Semaphore(READ_AHEAD)
    wanted = True

    def read() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is gone
            try:
                while room.acquire() and wanted:
                    data = os.read(descriptor, READ_BYTES)
                    loop.call_soon_threadsafe(queue.put_nowait, data)
                    if not data:
                        return
            except OSError as failure:
                loop.call_soon_threadsafe(queue.put_nowait, failure)
            finally:
                if descriptor != STANDARD_INPUT:
                    os.close(descriptor)

    threading.Thread(target=read, name="read-audio", daemon=True).start()
    try:
        while item := await queue.get():
            if isinstance(item, OSError):
                raise SourceError("unreadable_file", f"cannot read: {item.strerror}")
            room.release()
            yield item
    finally:
        wanted = False
        room.release()


def raw_byte_rate(declared: Mapping[str, OptionValue]) -> float | None:
    """Bytes per second of declared raw samples; None when they aren't declared in full."""
    width = _WIDTHS.get(str(declared.get("encoding")))
    rate, channels = declared.get("sample_rate"), declared.get("channels") or 1
    if width is None or not isinstance(rate, int) or not isinstance(channels, int):
        return None
    return float(width * rate * channels)


def wav_byte_rate(head: bytes) -> float | None:
    """Bytes per second by the `fmt ` chunk of a WAV file; None when `head` isn't the start of one.

    Writers that leave the field at zero are helped by sample rate and block size, which are the same in PCM.
    """
    if head[:4] not in (b"RIFF", b"RF64") or head[8:12] != b"WAVE":
        return None
    position = 12
    while position + 24 <= min(len(head), HEAD_BYTES):
        if head[position : position + 4] == b"fmt ":
            rate = int.from_bytes(head[position + 12 : position + 16], "little")
            byte_rate = int.from_bytes(head[position + 16 : position + 20], "little")
            block_bytes = int.from_bytes(head[position + 20 : position + 22], "little")
            return float(byte_rate or rate * block_bytes) or None
        size = int.from_bytes(head[position + 4 : position + 8], "little")
        position += 8 + size + size % 2
    return None


async def paced(
    chunks: AsyncIterator[bytes], bytes_per_second: float, chunk_seconds: float = 0.1
) -> AsyncIterator[bytes]:
    """The same bytes, each piece given when its last sample would have been spoken.

    The schedule counts from the first byte, so a delay is caught up with and errors don't add up.
    """
    loop = asyncio.get_running_loop()
    size = max(1, int(bytes_per_second * chunk_seconds))
    started, given = loop.time(), 0
    async for chunk in chunks:
        for start in range(0, len(chunk), size):
            piece = chunk[start : start + size]
            given += len(piece)
            await asyncio.sleep(started + given / bytes_per_second - loop.time())
            yield piece


def _load_sounddevice() -> Any:
    return importlib.import_module("sounddevice")


def microphone(load: Callable[[], Any] = _load_sounddevice) -> Source:
    """The default input device at 16 kHz, one channel. `load` gives the `sounddevice` module.

    Raises:
        SourceError: what it takes is not installed; later, from `chunks`: the device can't be opened.
    """
    try:
        sounddevice = load()
    except ImportError:
        raise SourceError("microphone_unavailable", "mic needs sounddevice: pip install 'transcriber[mic]'") from None
    except OSError:
        raise SourceError(
            "microphone_unavailable",
            "mic needs PortAudio: apt install libportaudio2 (Debian, Ubuntu), brew install portaudio (macOS)",
        ) from None
    declares = {"encoding": "pcm_s16le", "sample_rate": MICROPHONE_RATE, "channels": 1}
    return Source(_listen(sounddevice), None, MICROPHONE_RATE * 2.0, declares, live=True)


async def _listen(sounddevice: Any) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    queue = asyncio.Queue[bytes]()

    def heard(data: Any, *_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is gone
            loop.call_soon_threadsafe(queue.put_nowait, bytes(data))

    try:
        stream: Any = sounddevice.RawInputStream(
            samplerate=MICROPHONE_RATE, channels=1, dtype="int16", blocksize=MICROPHONE_BLOCK, callback=heard
        )
        stream.start()
    except sounddevice.PortAudioError as failure:
        raise SourceError("microphone_unavailable", f"the microphone cannot be opened: {failure}") from None
    try:
        while True:
            yield await queue.get()
    finally:
        stream.close()
