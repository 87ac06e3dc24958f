"""The decoder of containers that are taken apart here: packets go to FFmpeg's codecs at once, without a thread."""

import time
from collections.abc import AsyncIterator, Callable
from typing import cast

import numpy as np
from av import AudioCodecContext, AudioFrame, CodecContext
from av import Packet as Coded
from av.error import FFmpegError

from transcriber.audio.allowance import check_cost
from transcriber.audio.decoder import Block, damaged, unsupported
from transcriber.audio.frames import channels_of
from transcriber.audio.packets import CODECS, Demuxer, Item, Lost, Packet, Track
from transcriber.audio.tracks import TrackStream, nothing

_GATHER_SECONDS = 1
_OPUS_HEAD_BYTES = 19


class PushedDecoder:
    """Decodes what a demuxer finds."""

    def __init__(self, demuxer: Demuxer, *, separate: bool = False) -> None:
        self._demuxer = demuxer
        self._stream = TrackStream(separate=separate)
        self._codec: Codec | None = None
        self._received_bytes = 0
        self._seconds = 0.0
        self._cpu_seconds = 0.0

    @property
    def tracks(self) -> int:
        return self._stream.tracks

    async def decode(self, data: bytes) -> AsyncIterator[Block]:
        self._received_bytes += len(data)
        self._demuxer.feed(data)
        lost = False
        while not lost and (heard := self._advance()) is not None:
            lost = not heard
            if lost or self._stream.held_seconds >= _GATHER_SECONDS:
                for block in self._stream.take():
                    yield block
                self._check_cost()
        for block in self._stream.take():
            yield block
        self._check_cost()
        if lost:
            raise damaged()

    async def flush(self) -> Block:
        return self._stream.flush()

    async def close(self) -> AsyncIterator[Block]:
        self._demuxer.end()
        async for block in self.decode(b""):
            yield block
        self._drain()
        last = self._stream.flush()
        if last.shape[1]:
            yield last

    def release(self) -> None:
        return None

    def _check_cost(self) -> None:
        check_cost(self._received_bytes, self._seconds, self._cpu_seconds)

    def _advance(self) -> bool | None:
        """Decode what comes next, on the clock; False when a stretch is lost, None when more must come."""
        began = time.thread_time()
        try:
            item = self._demuxer.next()
            return None if item is None else self._take(item)
        finally:
            self._cpu_seconds += time.thread_time() - began

    def _take(self, item: Item) -> bool:
        """Decode an item; False when a stretch is lost with it."""
        match item:
            case Track():
                self._drain()
                self._codec = Codec(item)
            case Packet():
                assert self._codec is not None
                return self._add(self._codec.decode(item))
            case Lost():
                return False
        return True

    def _drain(self) -> None:
        if self._codec is not None:
            self._add(self._codec.drain())
            self._codec = None

    def _add(self, decoded: tuple[Block, int] | None) -> bool:
        if decoded is None:
            return False
        samples, rate = decoded
        if samples.shape[1]:
            self._stream.add(samples, rate)
            self._seconds += samples.shape[1] / rate
        return True


class Codec:
    """FFmpeg's decoder for one track; takes away what is not to be heard."""

    def __init__(self, track: Track) -> None:
        """Raises DecodeError when the track is of no kind that can be decoded."""
        if track.codec not in CODECS:
            raise unsupported("The audio is coded in a way that is not understood here.")
        self._context = cast("AudioCodecContext", CodecContext.create(track.codec, "r"))
        # The kind of stream that a packet may be of is left open by PyAV's types.
        self._decode = cast("Callable[[object], list[AudioFrame]]", self._context.decode)
        if track.codec == "opus" and len(track.config) < _OPUS_HEAD_BYTES:
            raise unsupported("The header of the Opus audio is damaged.")
        # The pre-skip, which the codec leaves out by itself, counts in positions.
        self._position = int.from_bytes(track.config[10:12], "little") if track.codec == "opus" else 0
        self._delay_ns = track.delay_ns
        try:
            self._configure(track)
            self._context.open()
        except (FFmpegError, ValueError):
            raise unsupported(f"The header of the {CODECS[track.codec]} audio is damaged.") from None

    def _configure(self, track: Track) -> None:
        if track.config:
            self._context.extradata = track.config
        self._context.thread_count = 1
        if track.codec.startswith("pcm_"):
            self._context.sample_rate = track.sample_rate
            self._context.layout = f"{track.channels} channels"
        if track.codec == "flac":
            self._context.options = {"err_detect": "crccheck+explode"}

    def decode(self, packet: Packet) -> tuple[Block, int] | None:
        """The samples of a packet, shape (channels, samples), and their rate; None when it is damaged."""
        if packet.start is not None:
            self._position = packet.start
        try:
            samples, rate = _joined(self._decode(Coded(packet.data)))
        except (FFmpegError, ValueError):
            return None
        self._position += samples.shape[1]
        samples = self._behind_delay(samples, rate)
        heard = samples.shape[1]
        if packet.end is not None:
            heard -= min(heard, max(0, self._position - packet.end))
        if packet.discard_ns > 0:
            heard = max(0, heard - round(packet.discard_ns * rate / 1e9))
        return samples[:, :heard], rate

    def _behind_delay(self, samples: Block, rate: int) -> Block:
        left_out = min(samples.shape[1], round(self._delay_ns * rate / 1e9))
        if left_out:
            self._delay_ns = max(0, self._delay_ns - round(left_out * 1e9 / rate))
        return samples[:, left_out:]

    def drain(self) -> tuple[Block, int]:
        """What is left in it; it decodes nothing after."""
        try:
            return _joined(self._decode(None))
        except (FFmpegError, ValueError):
            return _joined([])


def _joined(frames: list[AudioFrame]) -> tuple[Block, int]:
    if not frames:
        return nothing(), 0
    if len(frames) == 1:
        return channels_of(frames[0]), frames[0].sample_rate
    blocks = [channels_of(frame) for frame in frames]
    least = min(len(block) for block in blocks)
    return np.concatenate([block[:least] for block in blocks], axis=1), frames[0].sample_rate
