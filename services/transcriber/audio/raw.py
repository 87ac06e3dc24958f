"""The decoder for raw samples whose format the client declared."""

from collections.abc import AsyncIterator

from transcriber.audio.coding import RawFormat, SampleStream
from transcriber.audio.decoder import Block


class RawDecoder:
    """PCM, µ-law or A-law without a container."""

    def __init__(self, form: RawFormat, *, separate: bool = False) -> None:
        self._stream = SampleStream(form, separate=separate)

    @property
    def tracks(self) -> int:
        return self._stream.tracks

    async def decode(self, data: bytes) -> AsyncIterator[Block]:
        for block in self._stream.feed(data):
            yield block

    async def flush(self) -> Block:
        return self._stream.flush()

    async def close(self) -> AsyncIterator[Block]:
        last = self._stream.flush()
        if last.shape[1]:
            yield last

    def release(self) -> None:
        return None
