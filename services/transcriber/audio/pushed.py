"""The decoder of containers that are taken apart here: packets go to FFmpeg's codecs at once, without a thread."""

import time
from collections.abc import AsyncIterator, Callable
from typing import cast

import numpy as np
from av import AudioCodecContext, AudioFrame, CodecContext
from av import Packet as Coded
from av.error import FFmpegError

from transcriber.audio.allocation import bound_allocations
from transcriber.audio.allowance import check_cost
from transcriber.audio.decoder import MOST_MISSING_SECONDS, Block, DecodeError, damaged, unsupported
from transcriber.audio.frames import channels_of, checks
from transcriber.audio.packets import CODECS, Demuxer, Item, Lost, Packet, Track
from transcriber.audio.timeline import Timeline
from transcriber.audio.tracks import TrackStream, nothing

_GATHER_SECONDS = 1
_GAP = 0.1
"""Seconds by which times must be ahead to show that something is missing, where nothing else does."""
_SMALL_GAP = 0.01
"""The same where something is known to be missing."""
_PAUSE_SECONDS = 0.5
"""Less, with no byte missing, is what an encoder leaves out while nobody speaks (DTX): silence, and no damage."""
_ROUNDED = 0.002
"""Seconds; less is how times are rounded."""
_LONGEST_HELD_SECONDS = 5
"""Behind a stretch that is lost; then nobody will say how long it was."""
_OPUS_HEAD_BYTES = 19


class PushedDecoder:
    """Decodes what a demuxer finds. Behind a stretch that is lost, samples are held until the container has said how
    long it was."""

    def __init__(self, demuxer: Demuxer, *, separate: bool = False) -> None:
        self._demuxer = demuxer
        self._stream = TrackStream(separate=separate)
        self._codec: Codec | None = None
        self._timeline = Timeline()
        self._lost = False
        """Whether something is missing before what is held."""
        self._unmeasured = False
        """Whether nobody said how long the last such stretch was; the next cluster may show it."""
        self._held: list[tuple[Block, int]] = []
        self._late_seconds = 0.0
        """By so much what is held begins later than the container's other tracks."""
        self._received_bytes = 0
        self._seconds = 0.0
        self._cpu_seconds = 0.0

    @property
    def tracks(self) -> int:
        return self._stream.tracks

    async def decode(self, data: bytes) -> AsyncIterator[Block]:
        self._received_bytes += len(data)
        self._demuxer.feed(data)
        went_on: bool | DecodeError = True
        while went_on is True:
            went_on = self._advance()
            if went_on is not True or self._lost or self._stream.held_seconds >= _GATHER_SECONDS:
                for block in self._stream.take():
                    yield block
                self._check_cost()
        if isinstance(went_on, DecodeError):
            last = self._stream.flush()
            if last.shape[1]:
                yield last
            raise went_on

    async def flush(self) -> Block:
        return self._stream.flush()

    async def close(self) -> AsyncIterator[Block]:
        self._demuxer.end()
        async for block in self.decode(b""):
            yield block
        self._drain()
        if not self._lost:
            self._add_held()
        last = self._stream.flush()
        if last.shape[1]:
            yield last
        if self._lost:
            raise self._found_missing(0.0)

    def release(self) -> None:
        return None

    def _check_cost(self) -> None:
        check_cost(self._received_bytes, self._seconds, self._cpu_seconds)

    def _advance(self) -> bool | DecodeError:
        """Decode what comes next, on the clock: whether there was anything, or what is known of a stretch that is
        lost."""
        began = time.thread_time()
        try:
            if not self._lost:
                if self._wait():
                    return True
                self._add_held()
            item = self._demuxer.next()
            if item is None:
                return False
            return self._take(item) or True
        finally:
            self._cpu_seconds += time.thread_time() - began

    def _take(self, item: Item) -> DecodeError | None:
        """Decode an item; what is known of a stretch that is lost before it."""
        match item:
            case Track():
                self._drain()
                problem = self._found_missing(0.0) if self._lost else None
                self._codec = Codec(item)
                self._timeline = Timeline()
                return problem
            case Packet():
                assert self._codec is not None
                if _GAP <= item.late_ns / 1e9 <= MOST_MISSING_SECONDS:
                    self._late_seconds = item.late_ns / 1e9
                decoded = self._codec.decode(item)
                if decoded is None:
                    self._lost = True
                    return None
                self._held.append(decoded)
                return self._missing(item, self._codec, *decoded)
            case Lost():
                self._lost = True
                return None

    def _missing(self, packet: Packet, codec: "Codec", samples: Block, rate: int) -> DecodeError | None:
        """What is missing before a packet, or before what is held with it, if that can be said now."""
        missing: float | None = None
        if packet.time_ns is not None:
            least = _ROUNDED if self._lost else _SMALL_GAP if self._unmeasured else _GAP
            missing = self._timeline.gap(packet.time_ns / 1e9, least)
        self._timeline.passed(codec.coded_seconds)
        if self._lost:
            if missing is None and packet.ends is not None:
                missing = codec.missing_seconds(packet.ends)
            if missing is None and self._held_seconds < _LONGEST_HELD_SECONDS:
                return None
            return self._found_missing(missing or 0.0)
        if missing and missing < _PAUSE_SECONDS and not self._unmeasured and samples.shape[1]:
            self._held.insert(-1, (np.zeros((samples.shape[0], round(missing * rate)), np.float32), rate))
            return None
        return self._found_missing(missing) if missing else None

    @property
    def _held_seconds(self) -> float:
        return sum(samples.shape[1] / rate for samples, rate in self._held if rate)

    def _found_missing(self, seconds: float) -> DecodeError:
        """What is held comes behind it."""
        self._lost, self._unmeasured = False, not seconds
        return damaged(seconds if self._seconds else None)

    def _wait(self) -> bool:
        """Silence before what is held, by the second; whether there was any to add."""
        samples, rate = next((each for each in self._held if each[1]), (nothing(), 0))
        if not rate or not self._late_seconds:
            return False
        seconds = min(1.0, self._late_seconds)
        self._late_seconds -= seconds
        self._seconds += seconds
        self._stream.add(np.zeros((len(samples), round(seconds * rate)), np.float32), rate)
        return True

    def _add_held(self) -> None:
        for samples, rate in self._held:
            if samples.shape[1]:
                self._stream.add(samples, rate)
                self._seconds += samples.shape[1] / rate
        self._held.clear()

    def _drain(self) -> None:
        if self._codec is not None:
            self._held.append(self._codec.drain())
            self._codec = None


class Codec:
    """FFmpeg's decoder for one track; takes away what is not to be heard."""

    def __init__(self, track: Track) -> None:
        """Raises DecodeError when the track is of no kind that can be decoded."""
        if track.codec not in CODECS:
            raise unsupported("The audio is coded in a way that is not understood here.")
        bound_allocations()
        self._context = cast("AudioCodecContext", CodecContext.create(track.codec, "r"))
        # The kind of stream that a packet may be of is left open by PyAV's types.
        self._decode = cast("Callable[[object], list[AudioFrame]]", self._context.decode)
        if track.codec == "opus" and len(track.config) < _OPUS_HEAD_BYTES:
            raise unsupported("The header of the Opus audio is damaged.")
        # The pre-skip, which the codec leaves out by itself, counts in positions.
        self._position = int.from_bytes(track.config[10:12], "little") if track.codec == "opus" else 0
        self._left_out = self._position
        """Samples that the codec leaves out of the next packet."""
        self.coded_seconds = 0.0
        """How long the last packet is, with what of it is not to be heard."""
        self._rate = 0
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
        self._context.options = checks(track.codec)

    def decode(self, packet: Packet) -> tuple[Block, int] | None:
        """The samples of a packet, shape (channels, samples), and their rate; None when it is damaged."""
        if packet.start is not None:
            self._position = packet.start
        try:
            samples, rate = _joined(self._decode(Coded(packet.data)))
        except (FFmpegError, ValueError):
            return None
        self._position += samples.shape[1]
        self._rate = rate or self._rate
        self.coded_seconds = (samples.shape[1] + self._left_out) / self._rate if self._rate else 0.0
        self._left_out = 0
        samples = self._behind_delay(samples, rate)
        heard = samples.shape[1]
        if packet.end is not None:
            heard -= min(heard, max(0, self._position - packet.end))
        if packet.discard_ns > 0:
            heard = max(0, heard - round(packet.discard_ns * rate / 1e9))
        return samples[:, :heard], rate

    def missing_seconds(self, ends: int) -> float:
        """How much is missing before the last packet, if it ends there; from then on it is not."""
        missing = max(0, ends - self._position)
        self._position = max(self._position, ends)
        return missing / self._rate if self._rate else 0.0

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
