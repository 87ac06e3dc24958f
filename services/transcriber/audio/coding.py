"""Samples as bytes: how raw audio is coded, and the way from there to blocks. Shared by the decoders that meet raw
samples, declared or inside a container."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from transcriber.audio.decoder import Block
from transcriber.audio.tracks import TrackStream

Encoding = Literal[
    "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s32le", "pcm_u8", "pcm_f32le", "pcm_f64le", "mulaw", "alaw"
]

ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)

ALIASES: Mapping[str, Encoding] = {
    **{encoding: encoding for encoding in ENCODINGS},
    "s16le": "pcm_s16le",
    "pcm16": "pcm_s16le",
    "pcm": "pcm_s16le",
    "linear16": "pcm_s16le",
    "l16": "pcm_s16be",
    "s24le": "pcm_s24le",
    "linear24": "pcm_s24le",
    "s32le": "pcm_s32le",
    "linear32": "pcm_s32le",
    "f32le": "pcm_f32le",
    "mu-law": "mulaw",
    "ulaw": "mulaw",
    "pcmu": "mulaw",
    "pcm_mulaw": "mulaw",
    "g711_ulaw": "mulaw",
    "a-law": "alaw",
    "pcma": "alaw",
    "pcm_alaw": "alaw",
    "g711_alaw": "alaw",
}
"""Every name of an encoding that clients of other services know it by; `l16` is RFC 2586's, in network byte order."""

_SAMPLE_BYTES: Mapping[Encoding, int] = {
    "pcm_s16le": 2,
    "pcm_s16be": 2,
    "pcm_s24le": 3,
    "pcm_s32le": 4,
    "pcm_u8": 1,
    "pcm_f32le": 4,
    "pcm_f64le": 8,
    "mulaw": 1,
    "alaw": 1,
}

_SLICE_SECONDS = 2


def encoding_named(name: str) -> Encoding | None:
    """The encoding that `name` means, in any case; None when it means none."""
    return ALIASES.get(name.lower())


@dataclass(frozen=True, slots=True)
class RawFormat:
    """All there is to know of raw samples. Channels are interleaved."""

    encoding: Encoding
    sample_rate: int
    channels: int = 1

    @property
    def sample_bytes(self) -> int:
        return _SAMPLE_BYTES[self.encoding]

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self.sample_bytes * self.channels


def _mulaw_table() -> NDArray[np.int16]:
    """ITU-T G.711 table 2, scaled from 14 to 16 bits."""
    code = ~np.arange(256) & 0xFF
    magnitude = (((code & 0x0F) << 3) + 132 << ((code & 0x70) >> 4)) - 132
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_table() -> NDArray[np.int16]:
    """ITU-T G.711 table 1, scaled from 13 to 16 bits."""
    code = np.arange(256) ^ 0x55
    segment = (code & 0x70) >> 4
    magnitude = ((code & 0x0F) << 4) + np.where(segment, 0x108, 8) << np.maximum(segment - 1, 0)
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


TABLES: Mapping[Encoding, NDArray[np.int16]] = {"mulaw": _mulaw_table(), "alaw": _alaw_table()}
"""The 16-bit sample of every code."""


def samples_of(encoding: Encoding, data: bytes) -> NDArray[np.float32]:
    """Whole samples, full scale at 1. Every integer of up to 24 bits is exact in a float32."""
    match encoding:
        case "mulaw" | "alaw":
            return _scaled(TABLES[encoding][np.frombuffer(data, np.uint8)], 16)
        case "pcm_s16le":
            return _scaled(np.frombuffer(data, "<i2"), 16)
        case "pcm_s16be":
            return _scaled(np.frombuffer(data, ">i2"), 16)
        case "pcm_s24le":
            widened = np.zeros((len(data) // 3, 4), np.uint8)
            widened[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            return _scaled(widened.view("<i4")[:, 0], 32)
        case "pcm_s32le":
            return _scaled(np.frombuffer(data, "<i4"), 32)
        case "pcm_u8":
            return _scaled(np.frombuffer(data, np.uint8).astype(np.int16) - 128, 8)
        case "pcm_f32le":
            return np.frombuffer(data, "<f4").astype(np.float32)
        case "pcm_f64le":
            with np.errstate(invalid="ignore"):  # NaN of any kind is made sound with the others
                return np.clip(np.frombuffer(data, "<f8"), -1, 1).astype(np.float32)


def _scaled(samples: NDArray[np.integer], bits: int) -> NDArray[np.float32]:
    return samples.astype(np.float32) * np.float32(2.0 ** (1 - bits))


class SampleStream:
    """Raw samples, cut anywhere, to blocks at 16 kHz."""

    def __init__(self, form: RawFormat, *, separate: bool = False) -> None:
        """`separate` keeps channels apart, as tracks."""
        self._form = form
        self._stream = TrackStream(separate=separate)
        self._held = b""
        """The beginning of a frame whose rest is still to come."""

    @property
    def tracks(self) -> int:
        return self._stream.tracks

    def feed(self, data: bytes) -> Iterator[Block]:
        """The blocks that `data` completes, to be taken before any more is fed."""
        data = self._held + data if self._held else data
        whole = len(data) - len(data) % self._form.frame_bytes
        self._held = data[whole:]
        step = _SLICE_SECONDS * self._form.sample_rate * self._form.frame_bytes
        for start in range(0, whole, step):
            samples = samples_of(self._form.encoding, data[start : min(start + step, whole)])
            self._stream.add(samples.reshape(-1, self._form.channels).T, self._form.sample_rate)
            yield from self._stream.take()

    def flush(self) -> Block:
        """What the resampler holds back. A frame that has not come whole stays held."""
        return self._stream.flush()
