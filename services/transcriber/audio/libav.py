"""What FFmpeg's demuxers may do here: the formats and codecs that are let in, and nothing opened beside the stream."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol, cast

import av
import numpy as np
from av import AudioFrame, AudioStream
from av.container import InputContainer
from av.error import FFmpegError

from transcriber.audio.allocation import bound_allocations
from transcriber.audio.allowance import Spent, check_cost
from transcriber.audio.decoder import MOST_MISSING_SECONDS, DecodeError, damaged, unsupported
from transcriber.audio.frames import channels_of, checks, is_pause, silent
from transcriber.audio.pipe import READ_BYTES
from transcriber.audio.timeline import Timeline
from transcriber.audio.tracks import TrackStream


@dataclass(frozen=True, slots=True)
class Form:
    """A format that FFmpeg takes apart."""

    demuxer: str
    codecs: frozenset[str]
    gap_seconds: float | None = None
    """By so much the time of a packet must be ahead to show that something is missing before it, where nothing else
    does; None where packets don't say where they belong."""
    probe_bytes: int = 5_000_000


_ROUNDED = 0.002
"""Seconds; less is how times are rounded."""
_PCM = frozenset(
    f"pcm_{kind}" for kind in ("s8", "u8", "s16le", "s16be", "s24le", "s24be", "s32le", "s32be", "f32le", "f32be")
) | {"pcm_f64be", "pcm_f64le", "pcm_mulaw", "pcm_alaw"}
_MPEG = frozenset(("aac", "mp3float", "mp3", "mp2", "mp2float", "mp1", "mp1float", "ac3", "eac3"))
_TELEPHONE = frozenset(
    (
        *("amrnb", "amrwb", "gsm_ms", "adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt", "adpcm_ima_oki", "adpcm_yamaha"),
        *("g722", "g723_1", "g726", "g729", "truespeech"),
    )
)

FORMS: Mapping[str, Form] = {
    "wav": Form("wav", _MPEG | _TELEPHONE, probe_bytes=2048),
    "mp3": Form("mp3", _MPEG, probe_bytes=2048),
    "aac": Form("aac", frozenset(("aac",)), probe_bytes=2048),
    "flac": Form("flac", frozenset(("flac",)), gap_seconds=_ROUNDED, probe_bytes=2048),
    "mp4": Form("mov", _MPEG | _PCM | _TELEPHONE | {"alac", "opus", "flac"}, gap_seconds=0.1),
    "aiff": Form("aiff", _PCM | {"adpcm_ima_qt"}, probe_bytes=2048),
    "au": Form("au", _PCM, probe_bytes=2048),
    "amr": Form("amr", frozenset(("amrnb", "amrwb")), probe_bytes=2048),
    "mpegts": Form("mpegts", _MPEG | {"aac_latm", "opus"}, gap_seconds=0.1, probe_bytes=8192),
    "mpeg": Form("mpeg", _MPEG, gap_seconds=0.1),
    "flv": Form("flv", _MPEG | _PCM | {"adpcm_swf", "nellymoser", "speex"}, gap_seconds=0.1, probe_bytes=2048),
    "w64": Form("w64", _MPEG | _PCM | _TELEPHONE, probe_bytes=2048),
    "sphere": Form("nistsphere", _PCM, probe_bytes=2048),
    "caf": Form("caf", _PCM | _MPEG | _TELEPHONE | {"alac", "opus", "flac"}),
    "avi": Form("avi", _MPEG | _PCM | _TELEPHONE | {"wmav1", "wmav2", "vorbis"}),
    "asf": Form("asf", _MPEG | _PCM | {"wmav1", "wmav2", "wmavoice", "wmapro"}),
}

_FAILURES = (FFmpegError, ValueError, OSError)
"""What PyAV raises about bytes that are not as they should be."""

_DAMAGED = "The file is damaged, or of a kind that is not understood here."
_UNREADABLE: Mapping[str, str] = {
    "mov": "What describes the file's audio (`moov`) is missing or damaged; a recording that was cut off has none."
}
"""By demuxer: why it finds nothing to decode."""

_GATHER_SECONDS = 1
_MAX_ERRORS = 64
"""Failed attempts to find the next packet, one after another."""


class Source(Protocol):
    """Where the bytes come from: a file-like object; `seek` and `tell` only if it can."""

    read_bytes: int
    """How many were read so far."""
    check: Callable[[], None]
    """Called behind each read; what it raises ends the decoding."""

    def read(self, count: int, /) -> bytes: ...


class Sink(Protocol):
    """Where decoded audio goes."""

    stream: TrackStream

    def hand_over(self) -> None:
        """All that `stream` has gathered."""
        ...

    def tell(self, problem: DecodeError) -> None: ...


def decode_container(source: Source, form: Form, sink: Sink, spent: Spent | None = None) -> None:
    """Decodes the first audio stream from `source` to its end, in the thread that calls it.

    Args:
        spent: by what came before in the same stream; what this one costs is added.

    Raises:
        DecodeError: it is none that is understood, or costs too much.
        Cancelled: `source` or `sink` raised it.
    """
    decoding = _Decoding(source, form, sink, spent or Spent())
    try:
        decoding.run()
    finally:
        decoding.spend()


def _open(source: Source, form: Form) -> InputContainer:
    bound_allocations()
    options = {
        "codec_whitelist": ",".join(sorted(form.codecs)),
        "format_whitelist": form.demuxer,
        "protocol_whitelist": "",
        "probesize": str(form.probe_bytes),
    }
    return av.open(
        source,
        mode="r",
        format=form.demuxer,
        container_options=options,
        buffer_size=READ_BYTES,
        metadata_errors="ignore",
        io_open=_refuse,
    )


def _refuse(*_: Any) -> NoReturn:
    """A stream is one file: whatever it refers to stays closed."""
    raise PermissionError


def _behind_picture(container: InputContainer, stream: AudioStream) -> float:
    """By how many seconds the audio begins later than the file: what plays it counts from there."""
    # PyAV's types leave out that a container may not say it.
    file = cast("int | None", container.start_time)
    if file is None or stream.start_time is None or stream.time_base is None:
        return 0.0
    return float(stream.start_time * stream.time_base) - file / av.time_base


class _Decoding:
    def __init__(self, source: Source, form: Form, sink: Sink, spent: Spent) -> None:
        self._source = source
        self._spent = spent
        # Behind reads, too: what never becomes audio costs as well.
        source.check = self._check_cost
        self._form = form
        self._sink = sink
        self._seconds = 0.0
        self._timeline = Timeline()
        self._lost = False
        """Whether something is missing before what is decoded next."""
        self._missing = 0.0
        """Seconds of packets that could not be decoded, where packets are not timed."""
        self._cpu_began = time.thread_time()

    def run(self) -> None:
        try:
            container = _open(self._source, self._form)
        except _FAILURES:
            raise unsupported(_UNREADABLE.get(self._form.demuxer, _DAMAGED)) from None
        with container:
            if not container.streams.audio:
                raise unsupported("The file holds no audio.")
            stream = container.streams.audio[0]
            # PyAV has no context for a codec that it does not know.
            codec = getattr(stream.codec_context, "name", "unknown")
            if codec not in self._form.codecs:
                raise unsupported(f"The file's audio is coded as {codec}, which is not taken here.")
            self._decode(container, stream)
        self._sink.hand_over()
        if not self._seconds:
            raise unsupported("The file holds no audio that can be decoded.")

    def _decode(self, container: InputContainer, stream: AudioStream) -> None:
        stream.codec_context.thread_count = 1
        stream.codec_context.options = checks(stream.codec_context.name)
        for packet in self._packets(container, stream):
            if packet is None:
                self._lost = True
                continue
            for frame in self._decoded(packet):
                if not self._seconds:
                    self._wait(_behind_picture(container, stream), frame)
                self._place(frame)
                self._add(frame)
        if self._lost:
            self._lose(self._missing_at_end(stream))

    def _wait(self, seconds: float, frame: AudioFrame) -> None:
        """Silence like `frame`, before it."""
        if not (self._form.gap_seconds or math.inf) <= seconds <= MOST_MISSING_SECONDS:
            return
        left = round(seconds * frame.sample_rate)
        while left > 0:
            silence = np.zeros((len(frame.layout.channels), min(left, frame.sample_rate)), np.float32)
            self._sink.stream.add(silence, frame.sample_rate)
            self._sink.hand_over()
            left -= silence.shape[1]
        self._seconds += seconds

    def _missing_at_end(self, stream: AudioStream) -> float:
        """Of what the container said that there is."""
        if self._form.gap_seconds is None or not stream.duration or stream.time_base is None:
            return self._missing
        return self._timeline.gap(float(((stream.start_time or 0) + stream.duration) * stream.time_base), _ROUNDED)

    def _decoded(self, packet: Any) -> list[AudioFrame]:
        try:
            return packet.decode()
        except _FAILURES:
            if is_pause(packet):
                return [silent(packet)]
            self._lost = True
            self._missing += float((packet.duration or 0) * (packet.time_base or 0))
            return []

    def _place(self, frame: AudioFrame) -> None:
        """Tell what is missing before it."""
        missing = self._missing
        if self._form.gap_seconds is not None and frame.time is not None:
            missing = self._timeline.gap(frame.time, _ROUNDED if self._lost else self._form.gap_seconds)
        if self._lost or missing:
            self._lose(missing)
        self._timeline.passed(frame.samples / frame.sample_rate)

    def _packets(self, container: InputContainer, stream: AudioStream) -> Iterator[Any]:
        """Packets to the end, None for a stretch where there are none to be found."""
        errors = 0
        while errors < _MAX_ERRORS:
            try:
                for packet in container.demux(stream):
                    errors = 0
                    yield packet
                return
            except (*_FAILURES, IndexError):  # The last is of a stream that shows up behind the head.
                errors += 1
                yield None

    def _add(self, frame: AudioFrame) -> None:
        self._sink.stream.add(channels_of(frame), frame.sample_rate)
        self._seconds += frame.samples / frame.sample_rate
        if self._sink.stream.held_seconds >= _GATHER_SECONDS:
            self._sink.hand_over()
        self._check_cost()

    def _check_cost(self) -> None:
        cost = self._cost()
        check_cost(cost.received_bytes, cost.seconds, cost.cpu_seconds)

    def _cost(self) -> Spent:
        before, cpu_seconds = self._spent, time.thread_time() - self._cpu_began
        return Spent(
            before.received_bytes + self._source.read_bytes,
            before.seconds + self._seconds,
            before.cpu_seconds + cpu_seconds,
        )

    def spend(self) -> None:
        """What it has cost counts for what comes behind it."""
        cost = self._cost()
        self._spent.received_bytes, self._spent.seconds = cost.received_bytes, cost.seconds
        self._spent.cpu_seconds = cost.cpu_seconds

    def _lose(self, seconds: float) -> None:
        self._lost, self._missing = False, 0.0
        self._sink.hand_over()
        if self._seconds:
            self._sink.tell(damaged(seconds))
