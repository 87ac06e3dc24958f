"""WAV files of every kind, made for tests."""

import struct

import numpy as np
from numpy.typing import NDArray


def speechlike(rate: int, seconds: float, channels: int = 1, seed: int = 1) -> NDArray[np.int16]:
    """Band-limited noise whose loudness comes and goes, shape (frames, channels)."""
    frames = round(rate * seconds)
    noise = np.random.default_rng(seed).standard_normal((frames, channels))
    smooth = np.apply_along_axis(lambda column: np.convolve(column, np.ones(8) / 8, "same"), 0, noise)
    envelope = 0.6 + 0.4 * np.sin(np.arange(frames) * (2 * np.pi * 3 / rate))
    return (np.clip(smooth * envelope[:, np.newaxis] * 0.4, -1, 1) * 32767).astype(np.int16)


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    """A RIFF chunk with its padding; `size` is what its header says, if that is not so."""
    return struct.pack("<4sI", name, len(content) if size is None else size) + content + bytes(len(content) % 2)


def fmt(rate: int, channels: int = 1, tag: int = 1, bits: int = 16, *, extensible: bool = False) -> bytes:
    frame_bytes = channels * bits // 8
    content = struct.pack(
        "<HHIIHH", 0xFFFE if extensible else tag, channels, rate, rate * frame_bytes, frame_bytes, bits
    )
    if extensible:
        content += struct.pack("<HHIH", 22, bits, 0, tag) + bytes.fromhex("000000001000800000aa00389b71")
    return chunk(b"fmt ", content)


def riff(*chunks: bytes, size: int | None = None, magic: bytes = b"RIFF") -> bytes:
    content = b"WAVE" + b"".join(chunks)
    return struct.pack("<4sI", magic, len(content) if size is None else size) + content


def wav(samples: NDArray[np.int16], rate: int) -> bytes:
    """A plain file, as it should be."""
    return riff(fmt(rate, samples.shape[1]), chunk(b"data", samples.astype("<i2").tobytes()))
