"""What a push demuxer finds in a container: tracks, packets of them, and stretches that are damaged."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Track:
    """A stream of packets begins; those that follow are its. `codec` and `config` are as FFmpeg knows them."""

    codec: str
    config: bytes = b""
    sample_rate: int = 0
    """Only where the codec's configuration does not say it, as `channels`."""
    channels: int = 0
    delay_ns: int = 0
    """So much at the beginning is not to be heard, beside what the codec's configuration says."""


@dataclass(frozen=True, slots=True)
class Packet:
    """What a codec decodes at once. Positions count the codec's samples from the beginning of the track."""

    data: bytes
    start: int | None = None
    """Where it begins, if that is known."""
    end: int | None = None
    """Where the track ends; samples behind are not to be heard."""
    ends: int | None = None
    """Where it ends, if that is known; in a last packet maybe before its own last sample."""
    time_ns: int | None = None
    """When it begins by the container's clock, which has its zero anywhere; if that is known."""
    discard_ns: int = 0
    """So much at the packet's end is not to be heard."""
    late_ns: int = 0
    """Of a track's first packet: by so much it begins later than other tracks."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Bytes were damaged or missing here."""


Item = Track | Packet | Lost


class Demuxer(Protocol):
    """Takes a container apart, without I/O."""

    def feed(self, data: bytes) -> None: ...

    def end(self) -> None:
        """No more bytes come."""
        ...

    def next(self) -> Item | None:
        """The next thing found; None when it takes more bytes.

        Raises:
            DecodeError: there is nothing in it that can be decoded.
        """
        ...


CODECS: Mapping[str, str] = {
    "aac": "AAC",
    "ac3": "AC-3",
    "eac3": "E-AC-3",
    "flac": "FLAC",
    "mp2float": "MP2",
    "mp3float": "MP3",
    "opus": "Opus",
    "pcm_f32le": "PCM",
    "pcm_f64le": "PCM",
    "pcm_s16le": "PCM",
    "pcm_s16be": "PCM",
    "pcm_s24be": "PCM",
    "pcm_s32be": "PCM",
    "pcm_s24le": "PCM",
    "pcm_s32le": "PCM",
    "pcm_u8": "PCM",
    "speex": "Speex",
    "vorbis": "Vorbis",
}
"""All codecs that packets may be of, by FFmpeg's name, with the one that people know."""
