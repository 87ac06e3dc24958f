"""What a decoder is: bytes as received in, 16 kHz samples out; and which one understands a stream."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from transcriber.events import Error

Block = NDArray[np.float32]
"""Decoded audio, float32 in [-1, 1], shape (tracks, samples)."""


class DecodeError(Exception):
    """The bytes can't be understood; carries the answer to the client."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.message)
        self.error = error


class Decoder(Protocol):
    """Turns one stream of bytes, cut anywhere, into samples.

    How bytes are cut never changes what comes out in all. A decoder that works in threads does so behind these
    coroutines; one that only computes returns at once.
    """

    @property
    def tracks(self) -> int:
        """Tracks in every block; 1 unless channels are kept apart."""
        ...

    async def decode(self, data: bytes) -> Block:
        """The samples that `data` completes.

        Raises:
            DecodeError: nothing can be made of the stream from here on.
        """
        ...

    async def flush(self) -> Block:
        """All samples that a decoder or resampler holds back, so that what was received can be made final; the stream
        may go on."""
        ...

    async def close(self) -> Block:
        """The last samples; nothing may be decoded after it."""
        ...
