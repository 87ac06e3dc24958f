"""The decoder for raw samples whose format the client declared."""

from transcriber.audio.coding import RawFormat, SampleStream
from transcriber.audio.decoder import Block


class RawDecoder:
    """PCM, µ-law or A-law without a container, mixed down to mono."""

    def __init__(self, form: RawFormat) -> None:
        self._stream = SampleStream(form)

    @property
    def tracks(self) -> int:
        return 1

    async def decode(self, data: bytes) -> Block:
        return self._stream.feed(data)

    async def flush(self) -> Block:
        return self._stream.flush()

    async def close(self) -> Block:
        return self._stream.flush()
