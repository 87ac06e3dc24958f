"""The recording of a session whose coded audio was paused: decoded, with silence where it was. What lies in pages and
frames can't be cut at a byte and stay a file of its kind."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable

import numpy as np

from transcriber.audio.coding import RawFormat
from transcriber.audio.decoder import Block, Decoder, ReadAt
from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.audio.repair import wav_header
from transcriber.events import Input, Options, PauseRecording, ResumeRecording
from transcriber.growing import PART_BYTES
from transcriber.intake import Intake
from transcriber.pauses import SETTLE_SECONDS, Pauses
from transcriber.spool import Spool
from transcriber.storage.store import Store
from transcriber.vad.detector import Frames, Probability


class Decoded:
    """A spool's audio as 16-bit samples at 16 kHz, a channel for each track."""

    def __init__(self, spool: Spool, decoder_for: Callable[[Options, ReadAt], Decoder]) -> None:
        self._intake = Intake(spool, _Deaf(), decoder_for, room=_at_once, stall_after=lambda: None)
        self._pauses = Pauses()
        self.tracks = 1

    async def samples(self) -> AsyncGenerator[bytes]:
        """From the first to the last, those of pauses silent. The spool has heard its last command."""
        written, samples = 0, self._intake.samples
        async with contextlib.aclosing(self._intake.inputs()) as inputs:
            async for heard in inputs:
                if samples.end > written and self._intake.decoder:
                    self.tracks = self._intake.decoder.tracks
                    rows = [samples.read(track, written, samples.end) for track in range(self.tracks)]
                    yield self._silent(np.stack(rows), written)
                    written = samples.end
                    samples.release(min(written, self._intake.judged))
                self._mark(heard)

    def _mark(self, heard: Input) -> None:
        if isinstance(heard, PauseRecording | ResumeRecording):
            self._pauses.mark(heard.at, paused=isinstance(heard, PauseRecording))

    def _silent(self, block: Block, start: int) -> bytes:
        settle = SETTLE_SECONDS * SAMPLE_RATE
        for first, last in self._pauses.ranges:
            begin, end = max(0, int(first) - start), min(block.shape[1], last + settle - start)
            block[:, begin : max(begin, int(end))] = 0
        return (np.clip(block, -1, 1) * 32767).round().astype("<i2").T.tobytes()

    def header(self, data_bytes: int) -> bytes:
        return wav_header(RawFormat("pcm_s16le", SAMPLE_RATE, self.tracks), data_bytes)


async def store_decoded(store: Store, key: str, decoded: Decoded, stored: Callable[[int], None]) -> None:
    """Store what is decoded, part by part; the first part last, since it has the size. Raises StoreError."""
    first, number, total = b"", 1, 0
    upload = await store.upload(key)
    try:
        async for part in _parts(decoded.samples()):
            total += len(part)
            if number == 1:
                first = part
            else:
                await upload.put_part(number, part)
            number += 1
        await upload.put_part(1, decoded.header(total) + first)
        await upload.complete()
    except BaseException:
        await upload.abort()
        raise
    stored(total)


async def _parts(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    part = bytearray()
    async for piece in pieces:
        part += piece
        if len(part) >= PART_BYTES:
            yield bytes(part)
            part.clear()
    if part:
        yield bytes(part)


class _Deaf:
    """A detector for audio whose speech is known."""

    def track(self) -> "_Deaf":
        return self

    async def detect(self, frames: Frames) -> Probability:
        await asyncio.sleep(0)
        return np.zeros(len(frames), np.float32)

    async def close(self) -> None:
        return None


async def _at_once() -> None:
    return None
