"""WAV whose audio is coded (ADPCM, GSM, G.722, MP3 and others), as recorders of calls make it: FFmpeg's to decode."""

import struct
from collections.abc import AsyncIterator, Callable

from transcriber.audio.decoder import Block, Decoder
from transcriber.audio.tracks import nothing

_MAX_HEAD_BYTES = 64 << 10
"""How far into a file its `fmt ` chunk is looked for here."""

_CODED = frozenset((0x02, 0x11, 0x17, 0x20, 0x22, 0x31, 0x42, 0x45, 0x50, 0x55, 0x64, 0x83, 0xFF, 0x28F))
"""Format tags (RFC 2361; FFmpeg's for G.722): ADPCM of Microsoft, IMA, OKI and Yamaha, TrueSpeech, GSM 6.10, G.723.1,
G.726, MPEG, MP3, G.726, G.729, AAC, G.722."""


def is_coded(head: bytes) -> bool | None:
    """Whether a WAV file that begins so holds coded audio; None when more must be seen."""
    position = 12
    while position + 10 <= len(head):
        name, size, tag = struct.unpack_from("<4sIH", head, position)
        if name == b"fmt ":
            return tag in _CODED
        position += 8 + size + size % 2
        if name == b"data" or position > _MAX_HEAD_BYTES:
            return False
    return None


class WavFormatDecoder:
    """Holds the head of a file until that shows which of two decoders it needs."""

    def __init__(self, samples: Callable[[], Decoder], coded: Callable[[], Decoder]) -> None:
        self._samples = samples
        self._coded = coded
        self._head = b""
        self._decoder: Decoder | None = None

    @property
    def tracks(self) -> int:
        return self._decoder.tracks if self._decoder else 1

    async def decode(self, data: bytes) -> AsyncIterator[Block]:
        if self._decoder is None:
            self._head += data
            coded = is_coded(self._head)
            if coded is None:
                return
            self._decoder = self._coded() if coded else self._samples()
            data, self._head = self._head, b""
        async for block in self._decoder.decode(data):
            yield block

    async def flush(self) -> Block:
        return await self._decoder.flush() if self._decoder else nothing()

    async def close(self) -> AsyncIterator[Block]:
        """A file of which only the head has come holds no audio."""
        if self._decoder is not None:
            async for block in self._decoder.close():
                yield block

    def release(self) -> None:
        if self._decoder is not None:
            self._decoder.release()
