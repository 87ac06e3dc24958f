"""One valid stream of every format, made when asked for, the same from the same seed: for contracts, and as seeds for
fuzzing."""

import io
import struct
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av import AudioFrame, AudioResampler, AudioStream
from numpy.typing import NDArray

from tests.wavs import chunk, fmt, riff, speechlike
from transcriber.audio.coding import samples_of

FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "250000"}
"""As Safari's MediaRecorder makes MP4."""


@dataclass(frozen=True)
class Recipe:
    """How FFmpeg makes a stream, and how it reads it."""

    muxer: str
    codec: str
    rate: int = 48_000
    channels: int = 1
    demuxer: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    codec_options: Mapping[str, str] = field(default_factory=dict)
    seekable: bool = False
    """Whether the muxer may go back, as when it writes a file."""
    at_end: bool = False
    """Whether it can only be decoded when all of it is there."""


_VORBIS = {"strict": "experimental"}

RECIPES: Mapping[str, Recipe] = {
    "webm": Recipe("webm", "libopus", options={"live": "1"}, codec_options={"b": "32000"}, demuxer="matroska"),
    "webm file": Recipe("webm", "libopus", channels=2, demuxer="matroska", seekable=True),
    "webm pcm": Recipe("matroska", "pcm_f32le", 16_000, 2, options={"live": "1"}, demuxer="matroska"),
    "matroska aac": Recipe("matroska", "aac", 44_100, 2, demuxer="matroska", seekable=True),
    "matroska flac": Recipe("matroska", "flac", 16_000, demuxer="matroska", seekable=True),
    "matroska mp3": Recipe("matroska", "libmp3lame", 22_050, demuxer="matroska"),
    "matroska mp2": Recipe("matroska", "mp2", 48_000, demuxer="matroska"),
    "matroska pcm": Recipe("matroska", "pcm_s16be", 44_100, 2, demuxer="matroska"),
    "matroska vorbis": Recipe("webm", "vorbis", 44_100, 2, demuxer="matroska", codec_options=_VORBIS),
    "ogg opus": Recipe("ogg", "libopus", codec_options={"b": "24000"}, options={"page_duration": "200000"}),
    "ogg opus 7.1": Recipe("ogg", "libopus", channels=8),
    "ogg opus stereo": Recipe("ogg", "libopus", channels=2, options={"page_duration": "60000"}),
    "ogg vorbis": Recipe("ogg", "vorbis", 44_100, 2, codec_options=_VORBIS, options={"page_duration": "100000"}),
    "ogg flac": Recipe("oga", "flac", 16_000, demuxer="ogg", options={"page_duration": "100000"}, seekable=True),
    "flac": Recipe("flac", "flac", 16_000),
    "flac 24 bits": Recipe("flac", "flac", 44_100, 2, codec_options={"sample_fmt": "s32"}, seekable=True),
    "mp3": Recipe("mp3", "libmp3lame", 44_100, codec_options={"b": "48000"}),
    "mp3 file": Recipe("mp3", "libmp3lame", 22_050, 2, codec_options={"q": "5"}, seekable=True),
    "mp2": Recipe("mp2", "mp2", 44_100, demuxer="mp3"),
    "aac": Recipe("adts", "aac", 44_100, demuxer="aac"),
    "aac 7.1": Recipe("adts", "aac", 48_000, 8, demuxer="aac"),
    "mp4 fragmented": Recipe("mp4", "aac", options=FRAGMENTED, demuxer="mov"),
    "mp4 fragmented stereo": Recipe("mp4", "aac", channels=2, options=FRAGMENTED, demuxer="mov"),
    "mp4 opus fragmented": Recipe("mp4", "libopus", options=FRAGMENTED, demuxer="mov"),
    "m4a, index first": Recipe("ipod", "aac", 44_100, demuxer="mov", options={"movflags": "faststart"}, seekable=True),
    "m4a": Recipe("ipod", "aac", 44_100, 2, demuxer="mov", seekable=True, at_end=True),
    "mov": Recipe("mov", "pcm_s16le", 48_000, demuxer="mov", seekable=True, at_end=True),
    "alac": Recipe("ipod", "alac", 16_000, demuxer="mov", seekable=True, at_end=True),
    "aiff": Recipe("aiff", "pcm_s16be", 16_000, 2, seekable=True),
    "aiff ima adpcm": Recipe("aiff", "adpcm_ima_qt", 22_050, 2, seekable=True),
    "w64": Recipe("w64", "pcm_s24le", 48_000, 2, seekable=True),
    "au": Recipe("au", "pcm_s16be", 8_000, seekable=True),
    "mpegts": Recipe("mpegts", "aac", 44_100, 2),
    "mpegts mp2": Recipe("mpegts", "mp2", 48_000),
    "mpegts of a camera": Recipe("mpegts", "ac3", 48_000, 2, options={"mpegts_m2ts_mode": "1"}),
    "mpeg": Recipe("mpeg", "mp2", 48_000, 2, at_end=True),
    "flv mp3": Recipe("flv", "libmp3lame", 44_100, demuxer="flv"),
    "flv aac": Recipe("flv", "aac", 44_100, 2, demuxer="flv"),
    "wav ima adpcm": Recipe("wav", "adpcm_ima_wav", 8_000, 2, seekable=True),
    "wav ms adpcm": Recipe("wav", "adpcm_ms", 22_050, seekable=True),
    "wav g722": Recipe("wav", "g722", 16_000, seekable=True),
    "wav g726": Recipe("wav", "g726", 8_000, codec_options={"b": "32000"}, seekable=True),
    "wav g723.1": Recipe("wav", "g723_1", 8_000, codec_options={"b": "6300"}, seekable=True),
    "wav yamaha adpcm": Recipe("wav", "adpcm_yamaha", 44_100, 2, seekable=True),
    "wav aac": Recipe("wav", "aac", 16_000),
    "wav mp3": Recipe("wav", "libmp3lame", 44_100),
    "caf": Recipe("caf", "pcm_s16be", 16_000, seekable=True, at_end=True),
    "avi": Recipe("avi", "libmp3lame", 44_100, seekable=True, at_end=True),
    "asf": Recipe("asf", "wmav2", 44_100, 2, codec_options={"b": "64000"}, seekable=True, at_end=True),
}


_LAYOUTS = {1: "mono", 2: "stereo", 8: "7.1"}


class _Forward:
    """A file that can't be gone back in."""

    def __init__(self) -> None:
        self.content = io.BytesIO()

    def write(self, data: bytes) -> int:
        return self.content.write(data)


@cache
def encoded(name: str, seconds: float = 1.0, seed: int = 1) -> bytes:
    """The stream that a recipe makes."""
    recipe = RECIPES[name]
    return encode(name, speechlike(recipe.rate, seconds, recipe.channels, seed))


def encode(name: str, samples: NDArray[np.int16]) -> bytes:
    """Samples at the recipe's rate, shape (samples, channels), as the stream that it makes."""
    recipe = RECIPES[name]
    if recipe.seekable:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "encoded"
            _encode(recipe, samples, str(path))
            return path.read_bytes()
    forward = _Forward()
    _encode(recipe, samples, forward)
    return forward.content.getvalue()


def _encode(recipe: Recipe, samples: NDArray[np.int16], file: Any) -> None:
    layout = _LAYOUTS[recipe.channels]
    with av.open(file, "w", format=recipe.muxer, options=dict(recipe.options)) as container:
        stream = cast(
            "AudioStream",
            container.add_stream(recipe.codec, rate=recipe.rate, layout=layout, options=dict(recipe.codec_options)),
        )
        context = stream.codec_context
        if recipe.codec_options.get("sample_fmt"):
            context.format = recipe.codec_options["sample_fmt"]
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples.reshape(1, -1)), "s16", layout)
        frame.sample_rate = recipe.rate
        resampler = AudioResampler(context.format, context.layout, recipe.rate, context.frame_size or 1024)
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(context.encode(piece))
        # FLAC's encoder ends with a packet without data, which only FLAC's own muxer knows what to do with.
        container.mux([packet for packet in context.encode(None) if packet.size or recipe.muxer == "flac"])


@cache
def reference(name: str, seconds: float = 1.0) -> tuple[NDArray[np.float32], int]:
    """What FFmpeg decodes of the whole file, shape (channels, samples), and its rate."""
    recipe = RECIPES[name]
    return decode_whole(encoded(name, seconds), recipe.demuxer or recipe.muxer)


def decode_whole(stream: bytes, demuxer: str) -> tuple[NDArray[np.float32], int]:
    blocks: list[NDArray[Any]] = []
    with av.open(io.BytesIO(stream), format=demuxer) as container:
        audio = container.streams.audio[0]
        resampler: AudioResampler | None = None
        for frame in container.decode(audio):
            if resampler is None:
                resampler = AudioResampler("flt", frame.layout, frame.sample_rate)
            channels = len(frame.layout.channels)
            blocks += [converted.to_ndarray().reshape(-1, channels).T for converted in resampler.resample(frame)]
        assert resampler is not None
        return np.clip(np.concatenate(blocks, axis=1), -1, 1), audio.codec_context.sample_rate


DAMAGES = ("removed", "inserted", "flipped")


def damaged(stream: bytes, how: str, seed: int) -> bytes:
    """A stream with damage in its middle: a fiftieth of it gone, as much too much, or twenty bytes of it changed."""
    random = np.random.default_rng(seed)
    middle, length = len(stream) // 2, max(400, len(stream) // 50)
    if how == "removed":
        return stream[:middle] + stream[middle + length :]
    if how == "inserted":
        return stream[:middle] + random.bytes(length) + stream[middle:]
    flipped = bytearray(stream)
    for position in random.integers(middle, middle + length, 20):
        flipped[position] ^= 0x55
    return bytes(flipped)


# WAV and raw samples, which FFmpeg is not needed for.

WAVS: Mapping[str, tuple[int, int, str]] = {
    "8 bits": (1, 8, "pcm_u8"),
    "16 bits": (1, 16, "pcm_s16le"),
    "24 bits": (1, 24, "pcm_s24le"),
    "32 bits": (1, 32, "pcm_s32le"),
    "float": (3, 32, "pcm_f32le"),
    "double": (3, 64, "pcm_f64le"),
    "A-law": (6, 8, "alaw"),
    "µ-law": (7, 8, "mulaw"),
}
"""Format tag, bits, and the encoding's name."""


def coded_samples(encoding: str, frames: int, channels: int = 1, seed: int = 1) -> bytes:
    """Samples of every value, in an encoding."""
    random = np.random.default_rng(seed)
    if encoding.startswith("pcm_f"):
        return random.uniform(-1, 1, frames * channels).astype(f"<f{int(encoding[5:7]) // 8}").tobytes()
    sizes = {"pcm_u8": 1, "mulaw": 1, "alaw": 1, "pcm_s24le": 3, "pcm_s32le": 4}
    return random.bytes(frames * channels * sizes.get(encoding, 2))


def wav_of(name: str, rate: int, seconds: float, channels: int = 1, *, extensible: bool = False) -> bytes:
    tag, bits, encoding = WAVS[name]
    data = coded_samples(encoding, round(rate * seconds), channels)
    return riff(fmt(rate, channels, tag, bits, extensible=extensible), chunk(b"data", data))


def broadcast_wav() -> bytes:
    """BWF of more than 4 GiB as far as its header says: RF64 with `ds64` and `bext`."""
    data = coded_samples("pcm_s24le", 8_000, 2)
    bext = chunk(b"bext", b"Interview".ljust(602, b"\0"))
    sizes = struct.pack("<QQQI", 4 + 36 + len(bext) + 24 + 8 + len(data), len(data), 8_000, 0)
    form = fmt(48_000, 2, bits=24)
    return riff(
        *(chunk(b"ds64", sizes), bext, form, chunk(b"data", data, size=0xFFFFFFFF)), size=0xFFFFFFFF, magic=b"RF64"
    )


def values(encoding: Any, data: bytes, channels: int) -> NDArray[np.float64]:
    """Coded samples, mixed down."""
    return samples_of(encoding, data).astype(np.float64).reshape(-1, channels).mean(axis=1)


def flac_silence(frames: int) -> bytes:
    """FLAC at 16 kHz in constant frames of 65,535 samples and 15 bytes (RFC 9639)."""
    info = (65_535).to_bytes(2, "big") * 2 + bytes(6) + (16_000 << 44 | 15 << 36).to_bytes(8, "big") + bytes(16)
    stream = b"fLaC\x80\x00\x00\x22" + info
    for number in range(frames):
        coded = bytes([number]) if number < 128 else bytes([0xC0 | number >> 6, 0x80 | number & 0x3F])
        head = b"\xff\xf8\x75\x08" + coded + b"\xff\xfe"
        frame = head + bytes([_crc(head, 0x07, 8)]) + b"\x00\x00\x00"
        stream += frame + _crc(frame, 0x8005, 16).to_bytes(2, "big")
    return stream


def _crc(data: bytes, polynomial: int, bits: int) -> int:
    value = 0
    for byte in data:
        value ^= byte << (bits - 8)
        for _ in range(8):
            value = (value << 1 ^ (polynomial if value >> (bits - 1) else 0)) & ((1 << bits) - 1)
    return value


def seeds() -> dict[str, Callable[[], bytes]]:
    """Every valid stream there is, by name, for a fuzzer to begin with."""
    made = {name: lambda name=name: encoded(name, 0.3) for name in RECIPES}
    wavs = {f"wav {name}": lambda name=name: wav_of(name, 8_000, 0.1) for name in WAVS}
    return {**made, **wavs, "wav RF64": broadcast_wav}
