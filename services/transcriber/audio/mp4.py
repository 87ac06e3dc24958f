"""MP4 and QuickTime: decoded as they come when what describes the audio comes first, else from the spool at the end."""

import struct
from collections import deque
from collections.abc import AsyncIterator, Callable

from transcriber.audio.decoder import Block, Decoder, damaged
from transcriber.audio.fragments import Fragments
from transcriber.audio.tracks import nothing

_MAX_HEAD_BYTES = 64 << 10
"""How far into a file its description must begin for the file to be decoded as it comes."""


def describes_first(head: bytes) -> bool | None:
    """Whether a file that begins so describes its audio (`moov`) before it comes; None when more must be seen."""
    position = 0
    while position + 8 <= len(head):
        size, kind = struct.unpack_from(">I4s", head, position)
        if kind in (b"moov", b"mdat"):
            return kind == b"moov"
        if size == 1:
            if position + 16 > len(head):
                return None
            (size,) = struct.unpack_from(">Q", head, position + 8)
        if size < 8:
            return False
        position += size
        if position > _MAX_HEAD_BYTES:
            return False
    return None


class Mp4Decoder:
    """Holds the head of a file until that shows which of two decoders it needs."""

    def __init__(self, streaming: Callable[[], Decoder], at_end: Callable[[], Decoder]) -> None:
        self._streaming = streaming
        self._at_end = at_end
        self._head = b""
        self._decoder: Decoder | None = None
        self._fragments: Fragments | None = None
        """Of a stream that is decoded as it comes."""
        self._pieces: deque[tuple[bytes, bool]] = deque()

    @property
    def tracks(self) -> int:
        return self._decoder.tracks if self._decoder else 1

    async def decode(self, data: bytes) -> AsyncIterator[Block]:
        if self._decoder is None:
            self._head += data
            first = describes_first(self._head)
            if first is None:
                return
            self._decoder = self._streaming() if first else self._at_end()
            self._fragments = Fragments() if first else None
            data, self._head = self._head, b""
        self._pieces.extend(self._fragments.feed(data) if self._fragments else [(data, False)])
        async for block in self._decoded(self._decoder):
            yield block

    async def _decoded(self, decoder: Decoder) -> AsyncIterator[Block]:
        if not self._pieces:
            # What it has told as lost, it goes on behind.
            self._pieces.append((b"", False))
        while self._pieces:
            data, lost = self._pieces.popleft()
            if lost:
                self._pieces.appendleft((b"", False))
            async for block in decoder.decode(data):
                yield block
            if lost:
                raise damaged()

    async def flush(self) -> Block:
        return await self._decoder.flush() if self._decoder else nothing()

    async def close(self) -> AsyncIterator[Block]:
        """A file of which only the head has come holds no audio."""
        if self._decoder is not None:
            if self._fragments:
                self._pieces.extend(self._fragments.end())
            async for block in self._decoded(self._decoder):
                yield block
            async for block in self._decoder.close():
                yield block

    def release(self) -> None:
        if self._decoder is not None:
            self._decoder.release()
