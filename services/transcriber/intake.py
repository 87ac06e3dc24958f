"""From the spool's bytes and commands to what a session hears: decoded, detected, and all in order."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace
from typing import Any, get_args

import numpy as np

from transcriber.audio.decoder import Block, DecodeError, Decoder, ReadAt
from transcriber.audio.levels import levels
from transcriber.audio.pcm import FRAME_SAMPLES, SAMPLE_RATE
from transcriber.audio.samples import Samples
from transcriber.chunks import Chunks
from transcriber.cursors import Messages
from transcriber.events import (
    Clear,
    Command,
    Damaged,
    Disconnected,
    Draining,
    Ended,
    Finalize,
    Input,
    Options,
    Probabilities,
    Recording,
    Rejected,
    Stalled,
    Started,
)
from transcriber.losses import Losses
from transcriber.spool import Spool
from transcriber.vad.detector import Detector, DetectorTrack, Frames

_READ_BYTES = 32 << 10
_BATCH_FRAMES = 32
"""Frames of one track judged in one call: a second of audio."""

_LAST = (Ended, Disconnected, Draining)
_CUTTING = (Stalled, Finalize, Clear, Rejected, *get_args(Recording), *_LAST)
"""Commands before which everything received must be decoded."""


class Intake:
    """Reads one session's spool from the start, once.

    `decoder_for` makes the decoder for declared options, and a reader of what was received; `room` is awaited before
    audio is decoded, block by block, so that samples and recognitions waiting for an engine stay bounded;
    `stall_after` says how many seconds without audio are a pause, None while nobody speaks.
    """

    def __init__(
        self,
        spool: Spool,
        detector: Detector,
        decoder_for: Callable[[Options, ReadAt], Decoder],
        *,
        room: Callable[[], Any],
        stall_after: Callable[[], float | None],
    ) -> None:
        self.samples = Samples()
        self.chunks = Chunks()
        self.decoder: Decoder | None = None
        self._broken = False
        self._spool = spool
        self._cursor = spool.inputs()
        self._detector = detector
        self._decoder_for = decoder_for
        self._room = room
        self._stall_after = stall_after
        self._file_position: int | None = None
        """Of a decoder that goes about in what was received, once it does."""
        self._tracks: list[DetectorTrack] = []
        self._losses = Losses()
        self.judged = 0
        """Samples of every track that the detector has seen."""

    @property
    def position_bytes(self) -> int:
        """Bytes of audio read so far."""
        return self._cursor.position

    @property
    def decoding_bytes(self) -> int:
        """Where in them the decoder is: a file that is decoded as a whole is read again when all of it is there."""
        return self._cursor.position if self._file_position is None else self._file_position

    @property
    def tracks(self) -> int:
        """Of what was decoded; `Probabilities` come for one after the other, up to the same sample."""
        return len(self._tracks)

    async def inputs(self) -> AsyncGenerator[Input, None]:
        """Everything the session hears, in order; ends after the command behind which no audio comes, or where a spool
        ends to which nothing is added."""
        try:
            while True:
                self._spool.incoming.clear()
                await self._spool.have_audio(self._cursor.position)
                piece = self._cursor.next(_READ_BYTES)
                if piece is None and self._spool.sealed:
                    return
                if piece is None:
                    await self._wait()
                elif isinstance(piece, Messages):
                    self.chunks.add(piece)
                elif isinstance(piece, bytes):
                    async for heard in self._take(piece):
                        yield heard
                else:
                    async for heard in self._command(piece):
                        yield heard
                    if isinstance(piece, _LAST):
                        return
        finally:
            if self.decoder is not None:
                self.decoder.release()

    async def _wait(self) -> None:
        """Until something comes; a wait too long while somebody speaks is itself something."""
        try:
            async with asyncio.timeout(self._stall_after()):
                await self._spool.incoming.wait()
        except TimeoutError:
            self._spool.append_command(Stalled())

    async def _take(self, data: bytes) -> AsyncGenerator[Input, None]:
        decoder = self.decoder
        if decoder is None:
            return
        rest = iter((data,))
        async for heard in self._decode(lambda: decoder.decode(next(rest, b""))):
            yield heard

    async def _decode(self, blocks: Callable[[], AsyncIterator[Block]]) -> AsyncGenerator[Input, None]:
        """What is heard in blocks. Behind a stretch that is lost, `blocks` is called again and goes on."""
        lost = True
        while lost and not self._broken:
            lost = False
            await self._room()
            try:
                async for block in blocks():
                    for damaged in self._losses_over():
                        yield damaged
                    async for heard in self._judge(block):
                        yield heard
                    await self._room()
            except DecodeError as problem:
                lost, self._broken = not problem.fatal, problem.fatal
                if problem.fatal:
                    yield Rejected(problem.error, self.samples.end, loses_audio=True)
                else:
                    async for heard in self._lose(problem.missing_seconds):
                        yield heard

    async def _lose(self, seconds: float | None) -> AsyncGenerator[Input, None]:
        """Silence, as long as what is missing."""
        left = self._losses.lose(self.samples.end, seconds)
        while left > 0:
            block = np.zeros((len(self._tracks), min(left, SAMPLE_RATE)), np.float32)
            async for heard in self._judge(block):
                yield heard
            await self._room()
            left -= block.shape[1]

    def _losses_over(self) -> list[Damaged]:
        damaged = self._losses.over()
        return [damaged] if damaged else []

    def _read_at(self, offset: int, length: int) -> bytes:
        """What was received, in the decoder's thread."""
        data = self._spool.read_audio(offset, length)
        self._file_position = offset + len(data)
        return data

    async def _command(self, command: Command) -> AsyncGenerator[Input, None]:
        if isinstance(command, Started) and self.decoder is None:
            try:
                self.decoder = self._decoder_for(command.options, self._read_at)
            except DecodeError as problem:
                yield Rejected(problem.error)
                return
        decoder = self.decoder
        if isinstance(command, _CUTTING) and decoder is not None:
            last = isinstance(command, _LAST)
            if last:
                async for heard in self._decode(decoder.close):
                    yield heard
            for damaged in self._losses_over():
                yield damaged
            if not self._broken:
                async for heard in self._judge(await decoder.flush(), last=last):
                    yield heard
        yield replace(command, at=self.samples.end)

    async def _judge(self, block: Block, *, last: bool = False) -> AsyncGenerator[Probabilities, None]:
        """Probabilities of all whole frames; with the `last` block, of a frame filled up with zeros, too."""
        if block.shape[1]:
            self.samples.append(block)
        self.chunks.decoded(self._cursor.position, self.samples.end)
        while len(self._tracks) < block.shape[0]:
            self._tracks.append(self._detector.track())
        while (count := self._frames(last=last)) > 0:
            first = self.judged
            frames = [self._read(track, count) for track in range(len(self._tracks))]
            judged = await asyncio.gather(
                *(track.detect(part) for track, part in zip(self._tracks, frames, strict=True))
            )
            self.judged += count * FRAME_SAMPLES
            for track, values in enumerate(judged):
                yield Probabilities(track, first, tuple(values.tolist()), tuple(levels(frames[track]).tolist()))

    def _frames(self, *, last: bool) -> int:
        waiting = self.samples.end - self.judged
        whole = -(-waiting // FRAME_SAMPLES) if last else waiting // FRAME_SAMPLES
        return min(whole, _BATCH_FRAMES)

    def _read(self, track: int, count: int) -> Frames:
        """So many frames from where the detector stands, shape (count, 512)."""
        stop = self.judged + count * FRAME_SAMPLES
        samples = self.samples.read(track, self.judged, min(stop, self.samples.end))
        missing = stop - self.judged - len(samples)
        return (np.pad(samples, (0, missing)) if missing else samples).reshape(count, FRAME_SAMPLES)
