"""What a decoder is: bytes as received in, 16 kHz samples out; and how it says that it can't."""

from collections.abc import AsyncIterator, Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from transcriber.events import Error

Block = NDArray[np.float32]
"""Decoded audio, float32 in [-1, 1], shape (tracks, samples)."""

ReadAt = Callable[[int, int], bytes]
"""Bytes of the received stream, by offset and length; fewer only at its end. For formats that need the whole."""


MOST_MISSING_SECONDS = 600
"""A longer gap, by what a stream says of its times, is not believed."""


class DecodeError(Exception):
    """Bytes can't be understood; carries the answer to the client. Without a close code, a stretch of audio was lost
    and the stream goes on."""

    def __init__(self, error: Error, missing_seconds: float | None = None) -> None:
        """`missing_seconds` is how long a stretch is that was lost, if the stream says it."""
        super().__init__(error.message)
        self.error = error
        self.missing_seconds = missing_seconds

    @property
    def fatal(self) -> bool:
        return self.error.close_code is not None


class Decoder(Protocol):
    """Turns one stream of bytes, cut anywhere, into samples.

    How bytes are cut never changes what comes out in all. Blocks last about 2 s at most, whatever a few bytes expand
    to: what follows is decoded when the next one is asked for. A decoder that works in threads does so behind these
    iterators; one that only computes never waits.
    """

    @property
    def tracks(self) -> int:
        """Tracks in every block; 1 unless channels are kept apart."""
        ...

    def decode(self, data: bytes) -> AsyncIterator[Block]:
        """The samples that `data` completes; to be taken to the end.

        Raises:
            DecodeError: nothing can be made of the stream from here on; or, when it is not `fatal`, a stretch was lost.
                Then `decode(b"")` goes on behind it.
        """
        ...

    async def flush(self) -> Block:
        """All samples that a codec's output or a resampler holds back, so that what was received can be made final; the
        stream may go on."""
        ...

    def close(self) -> AsyncIterator[Block]:
        """The last samples; nothing may be decoded after it.

        Raises:
            DecodeError: as `decode`; after one that is not `fatal`, `close()` goes on behind it.
        """
        ...

    def release(self) -> None:
        """Lets go of threads and files, at any time, without waiting; nothing may be decoded after it."""
        ...


def unsupported(message: str) -> DecodeError:
    """The end of a stream that nothing can be made of."""
    return DecodeError(Error("unsupported_audio", message, close_code=1003))


def damaged(seconds: float | None = None) -> DecodeError:
    """A stretch that is lost, and how long it is, if that is known. All that came before it is decoded and taken."""
    message = "A stretch of the audio is damaged and was left out."
    return DecodeError(Error("audio_damaged", message), seconds if seconds and seconds > 0 else None)
