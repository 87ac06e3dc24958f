"""The table of formats: which decoder a stream gets, by what the client declared or by what its first bytes show."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace

from transcriber.audio.allowance import Spent
from transcriber.audio.coded_wav import WavFormatDecoder
from transcriber.audio.coding import ENCODINGS, RawFormat, encoding_named
from transcriber.audio.decoder import Block, DecodeError, Decoder, ReadAt
from transcriber.audio.libav import FORMS
from transcriber.audio.mp4 import Mp4Decoder, describes_first
from transcriber.audio.ogg import OggDemuxer
from transcriber.audio.pushed import PushedDecoder
from transcriber.audio.raw import RawDecoder
from transcriber.audio.repair import au_header, repair_wav, wav_header
from transcriber.audio.sniffing import MAGIC_BYTES, UNKNOWN, extension_of, sniff, tag_bytes
from transcriber.audio.threaded import DecodingThreads, ThreadedDecoder
from transcriber.audio.tracks import MAX_CHANNELS, MAX_TRACKS, SAMPLE_RATES, nothing
from transcriber.audio.wav import WavDecoder, WavParser
from transcriber.audio.webm import WebmDemuxer
from transcriber.events import Error, Options


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a decoder may need beside the bytes that it is given."""

    separate: bool
    read_at: ReadAt
    threads: DecodingThreads


def _as_it_comes(name: str) -> Callable[[Surroundings], Decoder]:
    return lambda around: ThreadedDecoder(FORMS[name], around.threads, separate=around.separate)


def _at_the_end(name: str) -> Callable[[Surroundings], Decoder]:
    return lambda around: ThreadedDecoder(FORMS[name], around.threads, separate=around.separate, read_at=around.read_at)


def _mp4(around: Surroundings) -> Decoder:
    spent = Spent()
    return Mp4Decoder(
        lambda: ThreadedDecoder(FORMS["mp4"], around.threads, separate=around.separate, spent=spent),
        lambda: _at_the_end("mp4")(around),
    )


def _wav(around: Surroundings) -> Decoder:
    return WavFormatDecoder(lambda: WavDecoder(separate=around.separate), lambda: _as_it_comes("wav")(around))


CONTAINERS: Mapping[str, Callable[[Surroundings], Decoder]] = {
    "wav": _wav,
    "webm": lambda around: PushedDecoder(WebmDemuxer(), separate=around.separate),
    "ogg": lambda around: PushedDecoder(OggDemuxer(), separate=around.separate),
    "flac": _as_it_comes("flac"),
    "mp3": _as_it_comes("mp3"),
    "aac": _as_it_comes("aac"),
    "mp4": _mp4,
    "aiff": _as_it_comes("aiff"),
    "au": _as_it_comes("au"),
    "amr": _as_it_comes("amr"),
    "mpegts": _as_it_comes("mpegts"),
    "mpeg": _at_the_end("mpeg"),
    "flv": _as_it_comes("flv"),
    "w64": _as_it_comes("w64"),
    "sphere": _as_it_comes("sphere"),
    "caf": _at_the_end("caf"),
    "avi": _at_the_end("avi"),
    "asf": _at_the_end("asf"),
}
"""Formats that show themselves, by name."""


def refusal(options: Options) -> Error | None:
    """Why audio can't be decoded as these options declare it, or None."""
    if options.encoding is None or options.encoding.lower() in CONTAINERS:
        return None
    if encoding_named(options.encoding) is None:
        known = ", ".join((*ENCODINGS, *CONTAINERS))
        return Error("invalid_field", f"This encoding is not known; known are: {known}.", field="encoding")
    if options.sample_rate is None:
        return Error("missing_field", "Raw samples need their sample_rate declared.", field="sample_rate")
    low, high = SAMPLE_RATES
    if not low <= options.sample_rate <= high:
        return Error("invalid_field", f"The sample_rate must be {low} to {high}.", field="sample_rate")
    most = MAX_TRACKS if options.separate_channels else MAX_CHANNELS
    if not 1 <= (1 if options.channels is None else options.channels) <= most:
        return Error("invalid_field", f"The number of channels must be 1 to {most}.", field="channels")
    return None


def declared_format(options: Options) -> RawFormat | None:
    """The format of raw samples that `options` declare; None when the bytes show their container."""
    encoding = encoding_named(options.encoding) if options.encoding is not None else None
    if encoding is None or options.sample_rate is None:
        return None
    return RawFormat(encoding, options.sample_rate, 1 if options.channels is None else options.channels)


def open_decoder(options: Options, read_at: ReadAt, threads: DecodingThreads | None = None) -> Decoder:
    """The decoder for a stream that begins with these options.

    Args:
        read_at: reads what was received so far, for formats that are decoded as a whole.
        threads: shared by all decoders of a process; one of its own if left out.

    Raises:
        DecodeError: there is none, see `refusal`.
    """
    error = refusal(options)
    if error is not None:
        raise DecodeError(replace(error, close_code=1003))
    form = declared_format(options)
    if form is not None:
        return RawDecoder(form, separate=options.separate_channels)
    return UndeclaredDecoder(Surroundings(options.separate_channels, read_at, threads or DecodingThreads()))


class UndeclaredDecoder:
    """Holds the first bytes until they show their container, then is its decoder. ID3 tags, which may stand before
    several formats and hold pictures, are passed over."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._head = b""
        self._skip_bytes = 0
        self._tagged = False
        self._decoder: Decoder | None = None

    @property
    def tracks(self) -> int:
        return self._decoder.tracks if self._decoder else 1

    async def decode(self, data: bytes) -> AsyncIterator[Block]:
        if self._decoder is None:
            name = self._name(data)
            if name is None:
                return
            if name not in CONTAINERS:
                raise DecodeError(_unsupported(name, self._head))
            self._decoder = CONTAINERS[name](self._around)
            data, self._head = self._head, b""
        async for block in self._decoder.decode(data):
            yield block

    def _name(self, data: bytes) -> str | None:
        """What the bytes so far show, behind tags; None while more must be seen."""
        self._head += data
        position = 0
        while True:
            skipped = min(self._skip_bytes, len(self._head) - position)
            position += skipped
            self._skip_bytes -= skipped
            first = self._head[position : position + MAGIC_BYTES]
            name = sniff(first)
            if name != "mp3" or not (tag := tag_bytes(first)):
                self._head = self._head[position:]
                return "mp3" if name == UNKNOWN and self._tagged else name
            self._tagged, self._skip_bytes = True, tag

    async def flush(self) -> Block:
        return await self._decoder.flush() if self._decoder else nothing()

    async def close(self) -> AsyncIterator[Block]:
        """Too few bytes to show anything hold no audio either."""
        if self._decoder is not None:
            async for block in self._decoder.close():
                yield block

    def release(self) -> None:
        if self._decoder is not None:
            self._decoder.release()


def _unsupported(name: str, head: bytes) -> Error:
    seen = "is no known container" if name == UNKNOWN else f"looks like {name}, which is not understood here"
    message = (
        f"The audio starts with {head[:MAGIC_BYTES].hex(' ')} and {seen}. "
        f"Understood: {', '.join(CONTAINERS)}. Raw samples take the options encoding ({', '.join(ENCODINGS)}) and "
        f"sample_rate, and channels if there are several."
    )
    return Error("unsupported_audio", message, close_code=1003)


@dataclass(frozen=True, slots=True)
class Finished:
    """How received audio becomes a file that any player opens: `header`, then all but its first `replaces` bytes."""

    extension: str
    header: bytes = b""
    replaces: int = 0


def finish_recording(options: Options, head: bytes, total_bytes: int | None) -> Finished:
    """What the recording of a stream needs at its end.

    Args:
        head: its first bytes: as many as there are up to `wav.MAX_HEADER_BYTES`.
        total_bytes: None while it is not known.
    """
    form = declared_format(options)
    if form is not None and form.encoding == "pcm_s16be":
        return Finished("au", au_header(form, total_bytes))
    if form is not None:
        return Finished("wav", wav_header(form, total_bytes))
    if sniff(head) == "wav":
        # A header that ends nowhere in sight is none that could be put right.
        plain = plain_samples(options, head)
        header = head[: plain.start] if plain else head
        return Finished("wav", repair_wav(header, total_bytes), len(header))
    return Finished(extension_of(head))


@dataclass(frozen=True, slots=True)
class Plain:
    """A stream of samples as they are: `form` from byte `start` on, behind a header if it has one."""

    form: RawFormat
    start: int = 0


def plain_samples(options: Options, head: bytes) -> Plain | None:
    """Where samples lie in a stream that begins so; None in those whose audio is coded."""
    if (form := declared_format(options)) is not None:
        return Plain(form)
    if sniff(head) != "wav":
        return None
    parser = WavParser()
    try:
        parser.feed(head)
    except DecodeError:
        return None
    return None if parser.form is None or parser.audio_start is None else Plain(parser.form, parser.audio_start)


def decoded_at_end(options: Options, head: bytes) -> bool:
    """Whether nothing of a stream that begins so can be decoded before all of it is there, as far as `head` shows."""
    if declared_format(options) is not None:
        return False
    position, name = 0, sniff(head)
    while name == "mp3" and (tag := tag_bytes(head[position : position + MAGIC_BYTES])):
        position += tag
        name = sniff(head[position : position + MAGIC_BYTES])
    if name == "mp4":
        return describes_first(head[position:]) is not True
    return name in ("caf", "avi", "asf")
