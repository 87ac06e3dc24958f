"""Fuzz targets for audio: every container, raw samples, and what recordings are made of."""

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np

from tests.corpus import encoded, seeds, wav_of
from tests.decoding import decoded, opened
from tests.fuzz.structures import container, ogg, riff, streamed, webm
from tests.fuzz.target import Target, cut_stream, stream_seeds
from tests.wavs import chunk, fmt
from tests.wavs import riff as riff_of
from transcriber.audio.coding import ENCODINGS, RawFormat
from transcriber.audio.decoder import DecodeError
from transcriber.audio.formats import finish_recording
from transcriber.audio.mp4 import describes_first
from transcriber.audio.ogg import OggDemuxer
from transcriber.audio.packets import Demuxer, Item
from transcriber.audio.sniffing import MAGIC_BYTES, sniff
from transcriber.audio.tracks import MAX_CHANNELS, SAMPLE_RATES
from transcriber.audio.wav import WavParser
from transcriber.audio.webm import WebmDemuxer
from transcriber.events import Error, Options

_CODES = ("unsupported_audio", "audio_too_expensive", "too_many_channels")
_SECONDS_PER_BYTE = 1 / 16
_FREE_SECONDS = 660
"""More than that is refused as too expensive; a minute is left for what is under way then."""


def _answered(error: Error) -> None:
    assert error.code in _CODES
    assert error.close_code == 1003
    assert len(error.message.encode()) < 1000


def check_wav(data: bytes) -> None:
    """However a WAV stream is cut, the same audio comes out before the same end; it can be finished as a file."""
    stream, pieces = cut_stream(data)
    assert _wav_audio(pieces) == _wav_audio([stream])
    finished = finish_recording(Options(), stream, len(stream) + 100)
    assert len(finished.header) == finished.replaces or not finished.replaces


def _wav_audio(pieces: Sequence[bytes]) -> tuple[bytes, RawFormat | None, str]:
    parser, audio, end = WavParser(), b"", ""
    try:
        for piece in pieces:
            audio += parser.feed(piece)
        audio += parser.end()
        parser.feed(b"")
    except DecodeError as refused:
        _answered(refused.error)
        end = refused.error.message
    assert parser.form is not None or not audio
    return audio, parser.form, end


def _wavs() -> dict[str, bytes]:
    plain = wav_of("16 bits", 8_000, 0.01)
    after = riff_of(fmt(8_000, tag=7, bits=8), chunk(b"data", b"odd"), chunk(b"LIST", b"INFO"), plain)
    made = {name: make() for name, make in seeds().items() if name.startswith("wav")}
    return stream_seeds({**made, "plain": plain, "after": after, "unknown": plain[:4] + b"\xff" * 4 + plain[8:]})


def _demuxed(new_demuxer: Callable[[], Demuxer], data: bytes) -> None:
    """However a stream is cut, the same is found in it."""
    stream, pieces = cut_stream(data)
    assert _items(new_demuxer(), pieces) == _items(new_demuxer(), [stream])


def _items(demuxer: Demuxer, pieces: Sequence[bytes]) -> list[Item | str]:
    found: list[Item | str] = []
    try:
        for piece in pieces:
            demuxer.feed(piece)
            found += iter(demuxer.next, None)
        demuxer.end()
        found += iter(demuxer.next, None)
    except DecodeError as refused:
        _answered(refused.error)
        found.append(refused.error.message)
    return found


def check_webm(data: bytes) -> None:
    _demuxed(WebmDemuxer, data)


def check_ogg(data: bytes) -> None:
    _demuxed(OggDemuxer, data)


def _short(*beginnings: str) -> dict[str, bytes]:
    return stream_seeds({name: make() for name, make in seeds().items() if name.startswith(beginnings)})


@cache
def _runner() -> asyncio.Runner:
    return asyncio.Runner()


def check_decoding(data: bytes) -> None:
    """Whatever a client streams without declaring it comes to samples, or to one answer."""
    stream, pieces = cut_stream(data)
    try:
        samples, _ = _runner().run(decoded(opened(stream), pieces))
    except DecodeError as refused:
        _answered(refused.error)
    else:
        assert samples.shape[1] / 16_000 <= _FREE_SECONDS + len(stream) * _SECONDS_PER_BYTE
        assert np.isfinite(samples).all()


def check_heads(data: bytes) -> None:
    """What first bytes show is decided in time and once, and gives the recording its name."""
    name = sniff(data[:MAGIC_BYTES])
    assert (name is None) == (len(data) < MAGIC_BYTES)
    decisions = [describes_first(data[:length]) for length in _lengths(data)]
    decided = [decision for decision in decisions if decision is not None]
    assert len(set(decided)) <= 1
    assert decisions == [None] * (len(decisions) - len(decided)) + decided
    padded = data + bytes(2 * 64 << 10)
    assert describes_first(padded) is not None
    finished = finish_recording(Options(), data, len(data))
    assert 0 < len(finished.extension) <= 4


def _lengths(data: bytes) -> Iterator[int]:
    return iter(range(0, len(data) + 1, max(1, len(data) // 100)))


def _heads() -> dict[str, bytes]:
    tag = b"ID3\x04\x00\x00\x00\x00\x00\x05tags!"
    tagged = {"tags": tag * 3, "tagged mp3": tag + encoded("mp3", 0.3)[:100], "tagged aac": tag + bytes.fromhex("fff1")}
    large = {"large box": b"\x00\x00\x00\x01ftyp" + bytes(6) + b"\x01\x00" + bytes(64)}
    return {**{name: make()[:400] for name, make in seeds().items()}, **tagged, **large}


def check_raw(data: bytes) -> None:
    """Declared samples: 4 bytes say how, the rest is audio. All of it comes out, however it is cut."""
    if len(data) < 4:
        return
    low, high = SAMPLE_RATES
    encoding, channels, rate = data[0] % len(ENCODINGS), data[1], int.from_bytes(data[2:4], "little") * 3
    options = Options(
        encoding=ENCODINGS[encoding],
        channels=channels % (MAX_CHANNELS + 2),
        sample_rate=rate,
        separate_channels=bool(channels & 0x80),
    )
    stream, pieces = cut_stream(data[3:])
    try:
        samples, lost = _runner().run(decoded(opened(stream, options), pieces))
    except DecodeError as refused:
        error = refused.error
        assert (error.field is not None, error.close_code) == (True, 1003)
        return
    assert not lost
    assert low <= rate <= high
    form = RawFormat(ENCODINGS[encoding], rate, options.channels or 0)
    expected = len(stream) // form.frame_bytes * 16_000 / rate
    assert math.isclose(samples.shape[1], expected, abs_tol=2)
    assert np.isfinite(samples).all()
    assert finish_recording(options, stream, len(stream)).replaces == 0


def _raws() -> dict[str, bytes]:
    rate = (16_000 // 3).to_bytes(2, "little")
    return {
        encoding: bytes([number, channels]) + rate + bytes(range(256)) * 4
        for number, encoding in enumerate(ENCODINGS)
        for channels in (1, 0x82)
    }


TARGETS = (
    Target("raw samples", check_raw, _raws),
    Target("first bytes", check_heads, _heads, max_bytes=2048),
    Target("WAV", check_wav, _wavs, streamed(riff), max_bytes=8192),
    Target("WebM", check_webm, lambda: _short("webm", "matroska"), streamed(webm), max_bytes=48 << 10),
    Target("Ogg", check_ogg, lambda: _short("ogg"), streamed(ogg), max_bytes=24 << 10),
    Target("decoders", check_decoding, lambda: _short(""), streamed(container), max_bytes=48 << 10),
)
