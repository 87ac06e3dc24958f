"""MP4 and QuickTime: decoded as they come when what describes the audio comes first, else from the spool at the end."""

import struct
from collections import deque
from collections.abc import AsyncIterator, Callable

from transcriber.audio.decoder import Block, DecodeError, Decoder, damaged
from transcriber.audio.fragments import Fragments
from transcriber.audio.tracks import fitted, nothing

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
    """Holds the head of a file until that shows which of two decoders it needs. Another file may follow one that is
    decoded as it comes: recorders that are stopped and started again make such streams."""

    def __init__(self, streaming: Callable[[], Decoder], at_end: Callable[[], Decoder]) -> None:
        self._streaming = streaming
        self._at_end = at_end
        self._head = b""
        self._decoder: Decoder | None = None
        self._fragments: Fragments | None = None
        """Of a file that is decoded as it comes."""
        self._pieces: deque[tuple[bytes, bool]] = deque()
        self._tracks: int | None = None
        """Of the first file, behind it."""

    @property
    def tracks(self) -> int:
        return self._tracks or (self._decoder.tracks if self._decoder else 1)

    async def decode(self, data: bytes) -> AsyncIterator[Block]:
        self._head += data
        while (decoder := self._opened()) is not None:
            head, self._head = self._head, b""
            self._pieces.extend(self._fragments.feed(head) if self._fragments else [(head, False)])
            async for block in self._checked(self._decoded(decoder)):
                yield block
            following = self._fragments.following if self._fragments else None
            if following is None:
                return
            async for block in self._checked(decoder.close()):
                yield block
            self._tracks, self._head = self.tracks, following
            self._decoder = self._fragments = None

    def _opened(self) -> Decoder | None:
        if self._decoder is None:
            # What follows can't be read at the end: there, the first file begins.
            first = describes_first(self._head) if self._tracks is None else True
            if first is None:
                return None
            self._decoder = self._streaming() if first else self._at_end()
            self._fragments = Fragments() if first else None
        return self._decoder

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

    async def _checked(self, blocks: AsyncIterator[Block]) -> AsyncIterator[Block]:
        """As many tracks as the first file has. A file behind it that can't be decoded is a stretch that is lost."""
        try:
            async for block in blocks:
                yield fitted(block, self.tracks)
        except DecodeError as problem:
            if self._tracks is not None and problem.error.code == "unsupported_audio":
                raise damaged() from None
            raise

    async def flush(self) -> Block:
        return fitted(await self._decoder.flush(), self.tracks) if self._decoder else nothing(self.tracks)

    async def close(self) -> AsyncIterator[Block]:
        """A file of which only the head has come holds no audio."""
        if self._decoder is not None:
            if self._fragments:
                self._pieces.extend(self._fragments.end())
            async for block in self._checked(self._decoded(self._decoder)):
                yield block
            async for block in self._checked(self._decoder.close()):
                yield block

    def release(self) -> None:
        if self._decoder is not None:
            self._decoder.release()
