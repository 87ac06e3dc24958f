"""Samples as bytes: how raw audio is coded, and the way from there to blocks. Shared by the decoders that meet raw
samples, declared or inside a container."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from transcriber.audio.decoder import Block
from transcriber.audio.resampler import Resampler

Encoding = Literal["pcm_s16le", "mulaw", "alaw"]

SAMPLE_RATES = (1_000, 192_000)
"""Hz, the slowest and the fastest that is taken."""

MAX_CHANNELS = 32

ALIASES: Mapping[str, Encoding] = {
    "pcm_s16le": "pcm_s16le",
    "s16le": "pcm_s16le",
    "pcm16": "pcm_s16le",
    "pcm": "pcm_s16le",
    "linear16": "pcm_s16le",
    "mulaw": "mulaw",
    "mu-law": "mulaw",
    "ulaw": "mulaw",
    "pcmu": "mulaw",
    "pcm_mulaw": "mulaw",
    "g711_ulaw": "mulaw",
    "alaw": "alaw",
    "a-law": "alaw",
    "pcma": "alaw",
    "pcm_alaw": "alaw",
    "g711_alaw": "alaw",
}
"""Every name of an encoding that clients of other services know it by."""


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
        return 2 if self.encoding == "pcm_s16le" else 1

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


def _integers(encoding: Encoding, data: bytes) -> NDArray[np.int16]:
    if encoding == "pcm_s16le":
        return np.frombuffer(data, dtype="<i2").astype(np.int16, copy=False)
    return TABLES[encoding][np.frombuffer(data, dtype=np.uint8)]


class SampleStream:
    """Raw samples, cut anywhere, to mono blocks at 16 kHz."""

    def __init__(self, form: RawFormat) -> None:
        self._form = form
        self._resampler = Resampler(form.sample_rate)
        self._held = b""
        """The beginning of a frame whose rest is still to come."""

    def feed(self, data: bytes) -> Block:
        data = self._held + data if self._held else data
        whole = len(data) - len(data) % self._form.frame_bytes
        self._held = data[whole:]
        return self._resampler.feed(self._mono(data[:whole]))

    def flush(self) -> Block:
        """What the resampler holds back. A frame that has not come whole stays held."""
        return self._resampler.flush()

    def _mono(self, data: bytes) -> Block:
        channels = self._form.channels
        samples = _integers(self._form.encoding, data)
        # Integer sums are exact, so neither order nor vector width can change a bit.
        mixed = samples.reshape(-1, channels).sum(axis=1, dtype=np.int32) if channels > 1 else samples
        mono = mixed.astype(np.float32)
        mono *= np.float32(1 / (32_768 * channels))
        return mono[np.newaxis, :]
