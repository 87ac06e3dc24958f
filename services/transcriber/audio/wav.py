"""WAV as it is streamed: sizes may be missing or wrong, and messages cut it anywhere."""

import struct
from collections.abc import AsyncIterator, Generator, Iterator

from transcriber.audio.coding import Encoding, RawFormat, SampleStream
from transcriber.audio.decoder import Block, DecodeError, unsupported
from transcriber.audio.tracks import MAX_CHANNELS, SAMPLE_RATES, nothing

MAX_HEADER_BYTES = 1024 * 1024
"""How far into a file its audio may begin. What lies before is skipped, not held."""

_RIFF = b"RIFF"
_MAGICS = (_RIFF, b"RF64", b"BW64")
_FMT_BYTES = 40
"""The longest `fmt ` chunk that means anything: WAVE_FORMAT_EXTENSIBLE."""
_DS64_BYTES = 16
"""RF64's true sizes, of the file and of its audio."""
_LOOKAHEAD_BYTES = 13
"""A byte of padding, and what shows that another file follows: `RIFF`, size, `WAVE`."""

_UNKNOWN_SIZES = 0x7FFF_0000
"""From here on, the size of a file is what writers put that can't know it."""

_EXTENSIBLE = 0xFFFE
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
"""What every KSDATAFORMAT_SUBTYPE has after its two bytes of format tag."""

_ENCODINGS: dict[tuple[int, int], Encoding] = {
    (1, 8): "pcm_u8",
    (1, 16): "pcm_s16le",
    (1, 24): "pcm_s24le",
    (1, 32): "pcm_s32le",
    (3, 32): "pcm_f32le",
    (3, 64): "pcm_f64le",
    (6, 8): "alaw",
    (7, 8): "mulaw",
}
"""By format tag and bits per sample."""
_TAG_NAMES = {1: "PCM", 3: "float", 6: "A-law", 7: "µ-law", 0x161: "WMA", 0x2000: "AC-3"}

_KNOWN_CHUNKS = frozenset(
    (
        *(b"data", b"fact", b"LIST", b"id3 ", b"ID3 ", b"bext", b"iXML", b"axml", b"chna", b"cue ", b"plst", b"smpl"),
        *(b"inst", b"acid", b"cart", b"JUNK", b"junk", b"PAD ", b"FLLR", b"PEAK", b"levl", b"DISP", b"_PMX", b"SAUR"),
    )
)
"""Chunks found beside audio; as samples, these bytes at a given place are a chance of 1 in 10^8."""

Steps = Generator[None]
"""A step of parsing: yields whenever it needs more bytes than have come."""


class WavParser:
    """Finds the audio in a RIFF/WAVE stream, without I/O.

    The `data` size is believed only as far as the bytes bear it out. Where it says that audio ends, a chunk must
    follow: one of a known name, one that lies within the size of the whole file, or another WAV file (some recorders
    send one per message). Else the size is that of a writer that could not know it (0, 0xFFFFFFFF, its first buffer),
    and all that comes is audio.
    """

    def __init__(self) -> None:
        self.form: RawFormat | None = None
        """Known before the first audio comes out."""
        self.audio_start: int | None = None
        """The byte at which the first audio begins, once it is reached."""
        self._waiting = bytearray()
        self._audio = bytearray()
        self._ended = False
        self._position = 0
        self._file_start = 0
        self._file_end = 0
        """Where the file says that it ends; 0 when unknown."""
        self._data_bytes = 0
        self._long_data_bytes: int | None = None
        self._in_header = True
        self._has_audio = False
        self._failure: DecodeError | None = None
        self._steps = self._parse()

    def feed(self, data: bytes) -> bytes:
        """The audio bytes that `data` completes.

        Raises:
            DecodeError: the format is not understood. Audio found before is returned first; then the next call raises.
        """
        if self._failure is not None:
            raise self._failure
        self._waiting += data
        return self._advance()

    def end(self) -> bytes:
        """The last audio bytes: what was held until it was known not to be a chunk."""
        self._ended = True
        return b"" if self._failure else self._advance()

    def _advance(self) -> bytes:
        try:
            next(self._steps, None)
        except DecodeError as error:
            self._failure = error
            if not self._audio:
                raise
        audio = bytes(self._audio)
        self._audio.clear()
        return audio

    def _parse(self) -> Steps:
        yield from self._await(12)
        if not self._begin_file():
            if self._ended:
                return
            raise unsupported("The bytes are no WAV file.")
        while (yield from self._reach_data()):
            self._in_header = False
            self._has_audio = True
            yield from self._pass_audio(self._data_bytes)
            if not (yield from self._chunk_follows(padded=self._data_bytes % 2 == 1)):
                yield from self._pass_audio(None)
        yield from self._skip(None)

    def _begin_file(self) -> bool:
        """Takes the first 12 bytes of a file, if that is what waits."""
        if len(self._waiting) < 12:
            return False
        magic, size, kind = struct.unpack("<4sI4s", self._waiting[:12])
        if magic not in _MAGICS or kind != b"WAVE":
            return False
        self._in_header = True
        self._file_start = self._position
        self._file_end = self._position + 8 + size if 0 < size < _UNKNOWN_SIZES else 0
        self._long_data_bytes = None
        self._take(12)
        return True

    def _reach_data(self) -> Generator[None, None, bool]:
        """Takes chunks up to the beginning of audio; False when none comes."""
        while True:
            yield from self._await(_LOOKAHEAD_BYTES - 1)
            if self._begin_file():
                continue
            if len(self._waiting) < 8:
                return False
            name, size = struct.unpack("<4sI", self._waiting[:8])
            if not self._in_header and not self._is_chunk(bytes(self._waiting[:8])):
                return False
            if not _is_name(name):
                raise unsupported("The WAV header is damaged.")
            self._take(8)
            if name == b"data":
                self._begin_data(size)
                return True
            yield from self._take_chunk(name, size)

    def _take_chunk(self, name: bytes, size: int) -> Steps:
        if self._in_header and self._position + size > self._file_start + MAX_HEADER_BYTES:
            raise unsupported(f"The WAV header does not end within {MAX_HEADER_BYTES} bytes.")
        wanted = {b"fmt ": _FMT_BYTES, b"ds64": _DS64_BYTES}.get(name, 0)
        content_bytes = min(size, wanted)
        yield from self._await(content_bytes)
        content = self._take(content_bytes)
        if name == b"fmt " and len(content) == content_bytes:
            self._set_form(_parse_format(content))
        elif name == b"ds64" and len(content) == _DS64_BYTES:
            file_bytes, self._long_data_bytes = struct.unpack("<QQ", content)
            self._file_end = self._file_start + 8 + file_bytes
        yield from self._skip(size + size % 2 - content_bytes)

    def _set_form(self, form: RawFormat) -> None:
        if self._has_audio and form != self.form:
            raise unsupported("The format changes from one WAV file of the stream to the next.")
        self.form = form

    def _begin_data(self, size: int) -> None:
        if self.form is None:
            raise unsupported("The WAV file has no 'fmt ' chunk before its audio.")
        if self.audio_start is None:
            self.audio_start = self._position
        long = self._long_data_bytes if size == 0xFFFFFFFF else None
        self._data_bytes = size if long is None else long

    def _pass_audio(self, size: int | None) -> Steps:
        """`size` bytes are audio; None: all that come."""
        left = size
        while left is None or left > 0:
            audio = self._take(len(self._waiting) if left is None else left)
            self._audio += audio
            left = None if left is None else left - len(audio)
            if left == 0 or self._ended:
                return
            yield

    def _chunk_follows(self, *, padded: bool) -> Generator[None, None, bool]:
        """Whether something else than audio comes next; takes the padding before it."""
        yield from self._await(_LOOKAHEAD_BYTES)
        for padding in (1, 0) if padded else (0,):
            if self._is_chunk(bytes(self._waiting[padding:])):
                self._take(padding)
                return True
        if self._ended and padded and len(self._waiting) == 1:
            self._take(1)
        return False

    def _is_chunk(self, head: bytes) -> bool:
        if len(head) < 8:
            return False
        name, size = struct.unpack("<4sI", head[:8])
        if name in _KNOWN_CHUNKS or (name in _MAGICS and head[8:12] == b"WAVE"):
            return True
        return _is_name(name) and self._position + 8 + size <= self._file_end

    def _await(self, count: int) -> Steps:
        while len(self._waiting) < count and not self._ended:
            yield

    def _take(self, count: int) -> bytes:
        """Up to `count` of the bytes that wait."""
        taken = bytes(self._waiting[:count])
        del self._waiting[:count]
        self._position += len(taken)
        return taken

    def _skip(self, count: int | None) -> Steps:
        """`count` bytes mean nothing; None: all that come."""
        left = count
        while left is None or left > 0:
            skipped = len(self._take(len(self._waiting) if left is None else left))
            left = None if left is None else left - skipped
            if left == 0 or self._ended:
                return
            yield


def _is_name(name: bytes) -> bool:
    return all(0x20 <= byte < 0x7F for byte in name)


def _parse_format(content: bytes) -> RawFormat:
    """What a `fmt ` chunk says; the sizes that follow from it are computed, not believed."""
    if len(content) < 16:
        raise unsupported("The 'fmt ' chunk of the WAV file is too short.")
    tag, channels, sample_rate, _, block, bits = struct.unpack("<HHIIHH", content[:16])
    if tag == _EXTENSIBLE and len(content) == _FMT_BYTES and content[26:40] == _GUID_TAIL:
        (tag,) = struct.unpack("<H", content[24:26])
    # Samples of 12 or 20 bits fill the upper bits of whole bytes, those of 24 maybe of four.
    width = 32 if (tag, bits, block) == (1, 24, 4 * channels) else -(-bits // 8) * 8
    encoding = _ENCODINGS.get((tag, width))
    if encoding is None:
        size, kind = f"{bits}-bit " if bits else "", _TAG_NAMES.get(tag, f"format {tag:#06x}")
        known = "PCM, floats, µ-law, A-law, ADPCM, GSM, G.722, G.723.1, G.726, G.729, TrueSpeech, AAC and MP3"
        raise unsupported(f"The WAV file holds {size}{kind}; {known} are understood.")
    if not SAMPLE_RATES[0] <= sample_rate <= SAMPLE_RATES[1]:
        low, high = SAMPLE_RATES
        raise unsupported(f"The WAV file has {sample_rate} samples a second; {low} to {high} are understood.")
    if not 1 <= channels <= MAX_CHANNELS:
        raise unsupported(f"The WAV file has {channels} channels; 1 to {MAX_CHANNELS} are understood.")
    return RawFormat(encoding, sample_rate, channels)


class WavDecoder:
    """PCM of 8 to 32 bits, floats, µ-law and A-law in RIFF/WAVE."""

    def __init__(self, *, separate: bool = False) -> None:
        self._separate = separate
        self._parser = WavParser()
        self._stream: SampleStream | None = None

    @property
    def tracks(self) -> int:
        return self._stream.tracks if self._stream else 1

    async def decode(self, data: bytes) -> AsyncIterator[Block]:
        for block in self._blocks(self._parser.feed(data)):
            yield block

    async def flush(self) -> Block:
        """All that is known to be audio: up to 13 bytes at the declared end of it wait for the next."""
        return self._stream.flush() if self._stream else nothing()

    async def close(self) -> AsyncIterator[Block]:
        for block in self._blocks(self._parser.end()):
            yield block
        last = await self.flush()
        if last.shape[1]:
            yield last

    def release(self) -> None:
        return None

    def _blocks(self, audio: bytes) -> Iterator[Block]:
        if audio and self._stream is None and self._parser.form is not None:
            self._stream = SampleStream(self._parser.form, separate=self._separate)
        return self._stream.feed(audio) if self._stream else iter(())
