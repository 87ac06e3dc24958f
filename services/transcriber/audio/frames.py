"""Frames as FFmpeg's decoders make them, as blocks of float32."""

from typing import Any

import numpy as np
from av import AudioFrame

from transcriber.audio.decoder import Block

_BITS = {"u8": 8, "s16": 16, "s32": 32, "s64": 64}


_CHECKED = frozenset(("flac", "mp3", "mp3float", "mp2", "mp2float", "ac3", "eac3"))
"""Codecs whose frames have checksums, or may have."""


def checks(codec: str) -> dict[str, str]:
    """The options of FFmpeg's decoder by which a frame whose checksum is wrong is damage, and no sound."""
    return {"err_detect": "crccheck+explode"} if codec in _CHECKED else {}


def channels_of(frame: AudioFrame) -> Block:
    """The samples of a frame, full scale at 1, shape (channels, samples)."""
    array: Any = frame.to_ndarray()
    if not frame.format.is_planar:
        array = array.reshape(-1, len(frame.layout.channels)).T
    kind = frame.format.name.removesuffix("p")
    if kind == "u8":
        array = array.astype(np.int16) - 128
    if kind in _BITS:
        return array.astype(np.float32) * np.float32(2.0 ** (1 - _BITS[kind]))
    return array if kind == "flt" else np.clip(array, -1, 1).astype(np.float32)
