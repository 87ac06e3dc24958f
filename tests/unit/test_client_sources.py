import asyncio
import os
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wavs import chunk, fmt, riff
from transcriber.client.session import OptionValue
from transcriber.client.sources import (
    Source,
    SourceError,
    microphone,
    open_source,
    paced,
    raw_byte_rate,
    wav_byte_rate,
)

DATA = chunk(b"data", bytes(3200))
NOTHING: dict[str, OptionValue] = {}


async def all_bytes(source: Source) -> bytes:
    return b"".join([piece async for piece in source.chunks])


# Files, pipes


async def test_a_file_comes_byte_for_byte(tmp_path: Path) -> None:
    content = riff(fmt(16_000), chunk(b"data", os.urandom(100_000)))
    (tmp_path / "a.wav").write_bytes(content)
    source = await open_source(str(tmp_path / "a.wav"), NOTHING)
    assert (source.total_bytes, source.bytes_per_second, source.live) == (len(content), 32_000, False)
    assert source.duration_seconds == pytest.approx(len(content) / 32_000)
    assert await all_bytes(source) == content


async def test_an_empty_file_is_a_source_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    source = await open_source(str(tmp_path / "empty"), NOTHING)
    assert (source.total_bytes, source.duration_seconds) == (0, None)
    assert await all_bytes(source) == b""


async def test_declared_samples_have_a_speed(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(bytes(8000))
    declared: dict[str, OptionValue] = {"encoding": "mulaw", "sample_rate": 8000, "channels": None}
    source = await open_source(str(tmp_path / "raw"), declared)
    assert (source.bytes_per_second, source.duration_seconds, source.declares) == (8000, 1.0, declared)


async def test_what_is_written_to_a_pipe_comes_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = os.open(tmp_path / "pipe", os.O_RDWR)
    os.write(writer, b"one")
    source = await open_source(str(tmp_path / "pipe"), NOTHING)
    assert (source.total_bytes, source.bytes_per_second) == (None, None)
    assert await anext(source.chunks) == b"one"
    os.write(writer, b"two")
    assert await anext(source.chunks) == b"two"
    os.close(writer)
    assert await all_bytes(source) == b""


async def test_no_more_is_read_than_is_taken(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = os.open(tmp_path / "pipe", os.O_RDWR | os.O_NONBLOCK)
    written = os.write(writer, bytes(1_000_000))
    source = await open_source(str(tmp_path / "pipe"), NOTHING)
    await asyncio.sleep(0.1)
    for _ in range(100):
        try:
            written += os.write(writer, bytes(1_000_000))
        except BlockingIOError:
            break
        await asyncio.sleep(0.02)
    assert written < 1_000_000, "a pipe of 64 KiB and a few pieces in hand"
    os.close(writer)
    assert len(await all_bytes(source)) == written


@pytest.mark.parametrize(
    ("name", "reason"), [("missing.wav", "No such file"), (".", "is a directory"), ("a\0b", "embedded null")]
)
async def test_what_cannot_be_opened(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(SourceError, match=reason) as error:
        await open_source(f"{tmp_path}/{name}", NOTHING)
    assert error.value.code == "unreadable_file"


async def test_a_terminal_is_no_source() -> None:
    controller, terminal = os.openpty()
    with pytest.raises(SourceError, match="terminal"):
        await open_source(os.ttyname(terminal), NOTHING)
    os.close(controller)
    os.close(terminal)


# Speed


@pytest.mark.parametrize(
    ("head", "byte_rate"),
    [
        (riff(fmt(44_100, 2), DATA), 176_400),
        (riff(fmt(8000), DATA, size=0), 16_000),
        (riff(fmt(16_000, extensible=True), DATA), 32_000),
        (riff(chunk(b"LIST", bytes(301)), fmt(16_000), DATA), 32_000),
        (riff(chunk(b"ds64", bytes(28)), fmt(16_000), DATA, magic=b"RF64"), 32_000),
        (riff(chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 16_000, 0, 2, 16)), DATA), 32_000),
        (riff(chunk(b"fmt ", struct.pack("<HHIIHH", 0x11, 1, 8000, 4055, 256, 4)), DATA), 4055),
        (riff(chunk(b"fmt ", bytes(16)), DATA), None),
        (riff(DATA), None),
        (riff(chunk(b"LIST", bytes(10), size=0xFFFFFFFF), fmt(16_000)), None),
        (riff(fmt(16_000))[:30], None),
        (b"RIFF", None),
        (b"OggS" + bytes(100), None),
        (b"", None),
    ],
)
def test_byte_rate_of_wav(head: bytes, byte_rate: float | None) -> None:
    assert wav_byte_rate(head) == byte_rate


@pytest.mark.parametrize(
    ("encoding", "sample_rate", "channels", "byte_rate"),
    [
        ("pcm_s16le", 16_000, 2, 64_000),
        ("linear16", 16_000, None, 32_000),
        ("alaw", 8000, 1, 8000),
        ("pcm_s24le", 48_000, 1, 144_000),
        ("pcm_s16le", None, 1, None),
        ("wav", 16_000, 1, None),
        (None, 16_000, 1, None),
    ],
)
def test_byte_rate_of_raw_samples(
    encoding: str | None, sample_rate: int | None, channels: int | None, byte_rate: float | None
) -> None:
    assert raw_byte_rate({"encoding": encoding, "sample_rate": sample_rate, "channels": channels}) == byte_rate


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece


async def test_pacing_gives_each_piece_when_it_was_spoken() -> None:
    content = os.urandom(5000)
    clock = asyncio.get_running_loop().time
    started, given, sizes = clock(), b"", list[int]()
    async for piece in paced(pieces(content[:1], content[1:3000], content[3000:]), 10_000, chunk_seconds=0.05):
        given += piece
        sizes.append(len(piece))
        assert clock() - started >= len(given) / 10_000 - 0.005
    assert given == content
    assert max(sizes) == 500
    assert 0.5 <= clock() - started < 1.5


async def test_pacing_catches_up_after_a_delay() -> None:
    clock = asyncio.get_running_loop().time
    started, times = clock(), list[float]()
    async for _ in paced(pieces(bytes(5000)), 10_000, chunk_seconds=0.05):
        times.append(clock() - started)
        if len(times) == 2:
            await asyncio.sleep(0.25)
    assert len(times) == 10
    assert times[5] - times[2] < 0.05, "what is overdue comes at once"
    assert times[9] >= 0.495, "and the rest on time"


# Microphone


class FakeSoundDevice:
    """The part of sounddevice that is used: a stream that hands over blocks from a thread of its own."""

    class PortAudioError(Exception):
        pass

    def __init__(self, *, broken: bool = False) -> None:
        self.broken = broken
        self.settings: dict[str, Any] = {}
        self.closed = False

    def RawInputStream(self, **settings: Any) -> "FakeSoundDevice":  # noqa: N802 - the name in sounddevice
        if self.broken:
            raise self.PortAudioError("no default input device")
        self.settings = settings
        return self

    def start(self) -> None:
        for block in (b"\1\0", b"\2\0"):
            self.settings["callback"](memoryview(block), 1, None, None)

    def close(self) -> None:
        self.closed = True


async def test_the_microphone_says_what_it_gives() -> None:
    device = FakeSoundDevice()
    source = microphone(lambda: device)
    assert source.declares == {"encoding": "pcm_s16le", "sample_rate": 16_000, "channels": 1}
    assert (source.live, source.total_bytes, source.bytes_per_second) == (True, None, 32_000)
    listening = source.chunks
    assert [await anext(listening), await anext(listening)] == [b"\1\0", b"\2\0"]
    settings = {name: device.settings[name] for name in ("samplerate", "channels", "dtype")}
    assert settings == {"samplerate": 16_000, "channels": 1, "dtype": "int16"}


async def test_the_microphone_is_let_go() -> None:
    device = FakeSoundDevice()

    async def listen() -> None:
        async for _ in microphone(lambda: device).chunks:
            pass

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0.01)
    assert not device.closed
    listening.cancel()
    await asyncio.wait([listening])
    assert device.closed


def _fail_with(error: Exception) -> Callable[[], Any]:
    def load() -> Any:
        raise error

    return load


@pytest.mark.parametrize(
    ("error", "remedy"), [(ImportError(), r"transcriber\[mic\]"), (OSError("PortAudio library not found"), "portaudio")]
)
def test_what_the_microphone_needs(error: Exception, remedy: str) -> None:
    with pytest.raises(SourceError, match=remedy) as missing:
        microphone(_fail_with(error))
    assert missing.value.code == "microphone_unavailable"


async def test_no_microphone() -> None:
    source = microphone(lambda: FakeSoundDevice(broken=True))
    with pytest.raises(SourceError, match="no default input device"):
        await anext(source.chunks)


@given(st.lists(st.sampled_from([fmt(16_000), fmt(8_000, 2), DATA[:20], b"fmt "]) | st.binary(max_size=30)))
def test_any_head_has_a_byte_rate_or_none(parts: list[bytes]) -> None:
    rate = wav_byte_rate(b"RIFF\0\0\0\0WAVE" + b"".join(parts))
    assert rate is None or rate > 0
