"""The table of formats: which decoder a stream gets, by what the client declared or by what its first bytes show."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from transcriber.audio.coding import MAX_CHANNELS, SAMPLE_RATES, RawFormat, encoding_named
from transcriber.audio.decoder import Block, DecodeError, Decoder
from transcriber.audio.raw import RawDecoder
from transcriber.audio.repair import repair_wav, wav_header
from transcriber.audio.wav import WavDecoder
from transcriber.events import Error, Options

CONTAINERS: Mapping[str, Callable[[], Decoder]] = {"wav": WavDecoder}
"""Formats that show themselves, by name."""

RAW_ENCODINGS = ("pcm_s16le", "mulaw", "alaw")

MAGIC_BYTES = 12
"""How many first bytes show what a stream is."""

UNKNOWN = "unknown"

_MAGICS: tuple[tuple[str, tuple[tuple[int, bytes], ...]], ...] = (
    ("wav", ((0, b"RIFF"), (8, b"WAVE"))),
    ("wav", ((0, b"RF64"), (8, b"WAVE"))),
    ("wav", ((0, b"BW64"), (8, b"WAVE"))),
    ("webm", ((0, b"\x1a\x45\xdf\xa3"),)),
    ("ogg", ((0, b"OggS"),)),
    ("flac", ((0, b"fLaC"),)),
    ("mp3", ((0, b"ID3"),)),
    ("mp4", ((4, b"ftyp"),)),
    ("aiff", ((0, b"FORM"), (8, b"AIF"))),
    ("caf", ((0, b"caff"),)),
    ("amr", ((0, b"#!AMR"),)),
    ("au", ((0, b".snd"),)),
)
"""Name, and the bytes that stand at each offset; those without a decoder are known so that a refusal can name them."""


def sniff(head: bytes) -> str | None:
    """The container that `head`, the first bytes of a stream, shows; `UNKNOWN` when it is none, None while there are
    fewer than `MAGIC_BYTES`."""
    if len(head) < MAGIC_BYTES:
        return None
    for name, parts in _MAGICS:
        if all(head.startswith(part, offset) for offset, part in parts):
            return name
    return "mp3" if _is_mpeg_frame(head) else UNKNOWN


def _is_mpeg_frame(head: bytes) -> bool:
    """Eleven set bits, layer III, a bit rate and a sample rate that exist."""
    sync = head[0] == 0xFF and head[1] & 0xE6 == 0xE2 and head[1] & 0x18 != 0x08
    return sync and head[2] >> 4 not in (0, 0xF) and head[2] & 0x0C != 0x0C


def refusal(options: Options) -> Error | None:
    """Why audio can't be decoded as these options declare it, or None."""
    if options.encoding is None or options.encoding.lower() in CONTAINERS:
        return None
    if encoding_named(options.encoding) is None:
        known = ", ".join((*RAW_ENCODINGS, *CONTAINERS))
        return Error("invalid_field", f"This encoding is not known; known are: {known}.", field="encoding")
    if options.sample_rate is None:
        return Error("missing_field", "Raw samples need their sample_rate declared.", field="sample_rate")
    low, high = SAMPLE_RATES
    if not low <= options.sample_rate <= high:
        return Error("invalid_field", f"The sample_rate must be {low} to {high}.", field="sample_rate")
    if not 1 <= (1 if options.channels is None else options.channels) <= MAX_CHANNELS:
        return Error("invalid_field", f"The number of channels must be 1 to {MAX_CHANNELS}.", field="channels")
    return None


def declared_format(options: Options) -> RawFormat | None:
    """The format of raw samples that `options` declare; None when the bytes show their container."""
    encoding = encoding_named(options.encoding) if options.encoding is not None else None
    if encoding is None or options.sample_rate is None:
        return None
    return RawFormat(encoding, options.sample_rate, 1 if options.channels is None else options.channels)


def open_decoder(options: Options) -> Decoder:
    """The decoder for a stream that begins with these options.

    Raises:
        DecodeError: there is none, see `refusal`.
    """
    error = refusal(options)
    if error is not None:
        raise DecodeError(replace(error, close_code=1003))
    form = declared_format(options)
    return RawDecoder(form) if form is not None else UndeclaredDecoder()


class UndeclaredDecoder:
    """Holds the first bytes until they show their container, then is its decoder."""

    def __init__(self) -> None:
        self._head = b""
        self._decoder: Decoder | None = None

    @property
    def tracks(self) -> int:
        return self._decoder.tracks if self._decoder else 1

    async def decode(self, data: bytes) -> Block:
        if self._decoder is not None:
            return await self._decoder.decode(data)
        self._head += data
        name = sniff(self._head)
        if name is None:
            return _nothing()
        if name not in CONTAINERS:
            raise DecodeError(_unsupported(name, self._head))
        self._decoder = CONTAINERS[name]()
        head, self._head = self._head, b""
        return await self._decoder.decode(head)

    async def flush(self) -> Block:
        return await self._decoder.flush() if self._decoder else _nothing()

    async def close(self) -> Block:
        """Too few bytes to show anything hold no audio either."""
        return await self._decoder.close() if self._decoder else _nothing()


def _nothing() -> Block:
    return np.empty((1, 0), np.float32)


def _unsupported(name: str, head: bytes) -> Error:
    seen = "is no known container" if name == UNKNOWN else f"looks like {name}, which is not understood here"
    message = (
        f"The audio starts with {head[:MAGIC_BYTES].hex(' ')} and {seen}. "
        f"Understood: {', '.join(CONTAINERS)}; declare raw samples with encoding=pcm_s16le&sample_rate=16000 "
        f"(or {', '.join(RAW_ENCODINGS[1:])}; in the query or in a start message)."
    )
    return Error("unsupported_audio", message, close_code=1003)


@dataclass(frozen=True, slots=True)
class Finished:
    """How received audio becomes a file that any player opens: `header`, then all but its first `replaces` bytes."""

    extension: str
    header: bytes = b""
    replaces: int = 0


def finish_recording(options: Options, head: bytes, total_bytes: int) -> Finished:
    """What the recording of a stream needs at its end.

    Args:
        head: its first bytes: as many as there are up to `wav.MAX_HEADER_BYTES`.
    """
    form = declared_format(options)
    if form is not None:
        return Finished("wav", wav_header(form, total_bytes))
    name = sniff(head)
    if name == "wav":
        return Finished("wav", repair_wav(head, total_bytes), len(head))
    return Finished("bin" if name in (None, UNKNOWN) else name)
