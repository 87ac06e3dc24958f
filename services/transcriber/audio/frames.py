"""Frames as FFmpeg's decoders make them, as blocks of float32."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from av import AudioCodecContext, AudioFrame, AudioResampler

from transcriber.audio.decoder import Block

_BITS = {"u8": 8, "s16": 16, "s32": 32, "s64": 64}


_CHECKED = frozenset(("flac", "mp3", "mp3float", "mp2", "mp2float", "ac3", "eac3"))
"""Codecs whose frames have checksums, or may have."""


def checks(codec: str) -> dict[str, str]:
    """The options of FFmpeg's decoder by which a frame whose checksum is wrong is damage, and no sound."""
    return {"err_detect": "crccheck+explode"} if codec in _CHECKED else {}


_PAUSES: Mapping[str, int] = {"amrnb": 8, "amrwb": 9}
"""By codec: the first frame type that is no speech, but what encoders send while nobody speaks (3GPP TS 26.101 and
26.201: comfort noise, or nothing). FFmpeg's decoders don't take them."""


def is_pause(packet: Any) -> bool:
    """Whether a packet that can't be decoded is one of those."""
    first = _PAUSES.get(packet.stream.codec_context.name)
    data = bytes(packet)
    return first is not None and bool(data) and data[0] >> 3 & 0xF >= first


def silent(packet: Any) -> AudioFrame:
    """As long as a packet, up to a second: longer ones only claim it."""
    context = cast("AudioCodecContext", packet.stream.codec_context)
    seconds = min(1.0, max(0.0, float((packet.duration or 0) * (packet.time_base or 0))))
    silence = np.zeros((len(context.layout.channels), round(seconds * context.sample_rate)), np.float32)
    frame = AudioFrame.from_ndarray(silence, "fltp", context.layout)
    frame.sample_rate, frame.pts = context.sample_rate, packet.pts
    if packet.time_base:
        frame.time_base = packet.time_base
    return frame


_MOST_PLANES = 7
"""PyAV counts the planes of a frame up to a null pointer. FFmpeg has eight pointers, and no null behind them: what lies
there would be taken for the address of samples, which ends the process."""


def channels_of(frame: AudioFrame) -> Block:
    """The samples of a frame, full scale at 1, shape (channels, samples)."""
    if frame.format.is_planar and len(frame.layout.channels) > _MOST_PLANES:
        frame = _interleaved(frame)
    array: Any = frame.to_ndarray()
    if not frame.format.is_planar:
        array = array.reshape(-1, len(frame.layout.channels)).T
    kind = frame.format.name.removesuffix("p")
    if kind == "u8":
        array = array.astype(np.int16) - 128
    if kind in _BITS:
        return array.astype(np.float32) * np.float32(2.0 ** (1 - _BITS[kind]))
    return array if kind == "flt" else np.clip(array, -1, 1).astype(np.float32)


def _interleaved(frame: AudioFrame) -> AudioFrame:
    (interleaved,) = AudioResampler(frame.format.packed, frame.layout, frame.sample_rate).resample(frame)
    return interleaved
