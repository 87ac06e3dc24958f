"""WebM and Matroska (RFC 9559) as they are streamed: sizes may be unknown, blocks are found again after damage."""

import struct
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace

from transcriber.audio.cluster_check import ClusterCheck
from transcriber.audio.decoder import unsupported
from transcriber.audio.ebml import (
    DAMAGED,
    INCOMPLETE,
    Head,
    children,
    number,
    read_head,
    signed_number,
    signed_size,
    variable_size,
)
from transcriber.audio.packets import Item, Lost, Packet, Track

_EBML, _SEGMENT, _TRACKS, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1654AE6B, 0x1F43B675
_SIMPLE_BLOCK, _BLOCK_GROUP, _BLOCK, _DISCARD_PADDING = 0xA3, 0xA0, 0xA1, 0x75A2
_TRACK_ENTRY, _TRACK_NUMBER, _TRACK_TYPE, _CODEC_ID, _CODEC_PRIVATE = 0xAE, 0xD7, 0x83, 0x86, 0x63A2
_INFO, _TIMESTAMP_SCALE, _TIMESTAMP = 0x1549A966, 0x2AD7B1, 0xE7
_CODEC_DELAY, _ENCODINGS, _AUDIO, _SAMPLING_FREQUENCY, _CHANNELS, _BIT_DEPTH = 0x56AA, 0x6D80, 0xE1, 0xB5, 0x9F, 0x6264
_AUDIO_TYPE = 2

_ENTERED = frozenset((_SEGMENT, _CLUSTER))
"""Their children are read as if they stood alone; so it does not matter whether their size is known."""
_SKIPPED = frozenset((_EBML, 0x114D9B74, 0x1C53BB6B, 0x1254C367, 0x1941A469, 0x1043A770, 0x5854))
"""SeekHead, Cues, Tags, Attachments, Chapters; SilentTracks."""
_VOID, _CRC = 0xEC, 0xBF
_NUMBERS = frozenset((_TIMESTAMP, _CRC, 0xAB, 0xA7))
"""Of a cluster: Timestamp, CRC-32, PrevSize, Position. Their names have one byte, as chance has it too."""
_HELD = frozenset((_INFO, _TRACKS, _TIMESTAMP, _CRC, _SIMPLE_BLOCK, _BLOCK_GROUP))

_MAX_HELD_BYTES = 1 << 20
"""Larger elements are pictures and video frames, and skipped; tracks that are larger, nonsense."""
_MAX_NUMBER_BYTES = 8
"""The longest integer of variable length."""
_MAX_SMALL_BYTES = 1 << 16
"""Elements of small or unknown kind that are larger are taken for damage."""

_CLUSTER_BYTES = _CLUSTER.to_bytes(4, "big")
_CODECS: Mapping[str, str] = {
    "A_OPUS": "opus",
    "A_VORBIS": "vorbis",
    "A_FLAC": "flac",
    "A_AAC": "aac",
    "A_MPEG/L3": "mp3float",
    "A_MPEG/L2": "mp2float",
    "A_AC3": "ac3",
    "A_EAC3": "eac3",
    "A_PCM/FLOAT/IEEE": "pcm_f{}le",
    "A_PCM/INT/LIT": "pcm_s{}le",
    "A_PCM/INT/BIG": "pcm_s{}be",
}

_DELAYED = ("aac", "mp2float", "mp3float")
"""Opus says its delay itself; Vorbis has none."""


class WebmDemuxer:
    """Follows the first audio track."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._ended = False
        self._skip_bytes = 0
        self._in_damage = False
        self._found: deque[Item] = deque()
        self._numbers: frozenset[int] = frozenset()
        """Of all tracks."""
        self._followed: int | None = None
        self._check = ClusterCheck()
        self._scale_ns = 1_000_000
        """What times count in; of clusters, from which those of blocks count."""
        self._cluster_time = 0
        self._others_ns: int | None = None
        """When other tracks begin, as far as that is known before the audio does."""
        self._begun = False

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def end(self) -> None:
        self._ended = True

    def next(self) -> Item | None:
        while not self._found:
            if not self._step():
                return None
        return self._found.popleft()

    def _step(self) -> bool:
        """Whether anything could be done with what is there."""
        if self._skip_bytes:
            skipped = min(self._skip_bytes, len(self._buffer))
            self._pass(skipped)
            self._skip_bytes -= skipped
            return skipped > 0
        if self._in_damage:
            return self._find_again()
        head = read_head(self._buffer, 0)
        if head == INCOMPLETE or self._undecided(head):
            return False
        if head == DAMAGED or not self._plausible(head):
            return self._begin_damage()
        if head.name in _ENTERED:
            self._pass(head.header_bytes)
            if head.name == _CLUSTER:
                self._check.begin(head.size)
            return True
        return self._element(head)

    def _pass(self, count: int) -> None:
        """So many bytes are done with."""
        if self._check.passed(bytes(self._buffer[:count])):
            self._found.append(Lost())
        del self._buffer[:count]

    def _undecided(self, head: Head) -> bool:
        """Whether a block's track number is still to come."""
        size = 0 if head.name != _SIMPLE_BLOCK else min(head.size or 0, _MAX_NUMBER_BYTES)
        return len(self._buffer) < head.header_bytes + size

    def _plausible(self, head: Head) -> bool:
        """Behind the list of tracks, what is of no known kind, or a block of no track, is damage."""
        if head.name in _ENTERED:
            return True
        if head.size is None:
            return False
        if head.name == _SIMPLE_BLOCK and self._followed is not None:
            return variable_size(self._buffer, head.header_bytes)[0] in self._numbers
        if head.name in _NUMBERS:
            return head.size <= _MAX_NUMBER_BYTES
        if head.name in _SKIPPED | _HELD:
            return True
        return head.size <= _MAX_SMALL_BYTES and (head.name == _VOID or self._followed is None)

    def _element(self, head: Head) -> bool:
        assert head.size is not None
        if head.name not in _HELD or head.size > _MAX_HELD_BYTES:
            if head.name == _TRACKS:
                raise unsupported("The WebM file's list of tracks is too large.")
            self._pass(head.header_bytes)
            self._skip_bytes = head.size
            return True
        if len(self._buffer) < head.header_bytes + head.size:
            return False
        content = bytes(self._buffer[head.header_bytes : head.header_bytes + head.size])
        if head.name == _TRACKS:
            self._begin(content)
        elif head.name == _INFO:
            self._scale_ns = number(dict(children(content)).get(_TIMESTAMP_SCALE, b"")) or self._scale_ns
        elif head.name == _TIMESTAMP:
            self._cluster_time = number(content)
        elif head.name == _CRC:
            pass  # It counts for what comes behind it.
        elif self._followed is None:
            raise unsupported("The WebM file has no list of tracks before its audio.")
        else:
            packets = self._packets(head.name, content)
            if packets is None:
                return self._begin_damage()
            self._found.extend(packets)
        self._pass(head.header_bytes + head.size)
        if head.name == _CRC:
            self._check.expect(content)
        return True

    def _begin(self, content: bytes) -> None:
        entries = [dict(children(entry)) for name, entry in children(content) if name == _TRACK_ENTRY]
        self._numbers = frozenset(number(entry.get(_TRACK_NUMBER, b"")) for entry in entries)
        for entry in entries:
            if number(entry.get(_TRACK_TYPE, b"")) == _AUDIO_TYPE:
                self._followed = number(entry.get(_TRACK_NUMBER, b""))
                self._found.append(_track(entry))
                return
        raise unsupported("The WebM file holds no audio.")

    def _packets(self, name: int, content: bytes) -> list[Packet] | None:
        """The packets of a block; None when it can't be one."""
        discard_ns = 0
        if name == _BLOCK_GROUP:
            group = dict(children(content))
            content, discard_ns = group.get(_BLOCK, b""), signed_number(group.get(_DISCARD_PADDING, b""))
        track, position = variable_size(content, 0)
        if track not in self._numbers or len(content) < position + 3:
            return None
        time_ns = (self._cluster_time + int.from_bytes(content[position : position + 2], signed=True)) * self._scale_ns
        if track != self._followed:
            self._others_ns = time_ns if self._others_ns is None else min(self._others_ns, time_ns)
            return []
        flags = content[position + 2]
        frames = _unlaced(content[position + 3 :], flags >> 1 & 3)
        if frames is None:
            return None
        last = len(frames) - 1
        packets = [
            Packet(data, time_ns=time_ns if at == 0 else None, discard_ns=discard_ns if at == last else 0)
            for at, data in enumerate(frames)
            if data
        ]
        if packets and not self._begun:
            self._begun = True
            others_ns = time_ns if self._others_ns is None else self._others_ns
            packets[0] = replace(packets[0], late_ns=max(0, time_ns - others_ns))
        return packets

    def _begin_damage(self) -> bool:
        if self._followed is None:
            raise unsupported("The WebM header is damaged.")
        self._in_damage = True
        self._check.forget()
        self._found.append(Lost())
        self._pass(1)
        return True

    def _find_again(self) -> bool:
        """Drop what is before the next cluster or block."""
        position = 0
        while position < len(self._buffer):
            verdict = self._may_begin(position)
            if verdict is None and not self._ended:
                break
            if verdict:
                self._in_damage = False
                break
            position += 1
        self._pass(position)
        return not self._in_damage

    def _may_begin(self, position: int) -> bool | None:
        """Whether a cluster, or a block with another element behind it, begins here; None when more must be seen."""
        if self._buffer.startswith(_CLUSTER_BYTES, position):
            return True
        if _CLUSTER_BYTES.startswith(self._buffer[position : position + 4]):
            return None
        if self._buffer[position] != _SIMPLE_BLOCK:
            return False
        head = read_head(self._buffer, position)
        if head == INCOMPLETE:
            return None
        if head == DAMAGED or head.size is None or not 4 < head.size <= _MAX_SMALL_BYTES:
            return False
        begin = position + head.header_bytes
        if len(self._buffer) < begin + head.size + 1:
            return None
        known = variable_size(self._buffer, begin)[0] in self._numbers
        return known and self._buffer[begin + head.size] in (_SIMPLE_BLOCK, _BLOCK_GROUP, _CLUSTER_BYTES[0])


def _track(entry: Mapping[int, bytes]) -> Track:
    name = entry.get(_CODEC_ID, b"").rstrip(b"\0").decode("ascii", "replace")
    codec = next((codec for known, codec in _CODECS.items() if name == known or name.startswith(f"{known}/")), None)
    if codec is None or _ENCODINGS in entry:
        seen = name if name.isprintable() else "unknown"
        raise unsupported(f"The WebM file's audio is coded as {seen[:40]}, which is not understood here.")
    audio = dict(children(entry.get(_AUDIO, b"")))
    depth = number(audio.get(_BIT_DEPTH, b"")) or 32
    config = entry.get(_CODEC_PRIVATE, b"")
    if codec == "flac":
        config = config[8:42]  # STREAMINFO, behind FLAC's magic and the block's header
    delay_ns = number(entry.get(_CODEC_DELAY, b"")) if codec in _DELAYED else 0
    rate = _float(audio.get(_SAMPLING_FREQUENCY, b""))
    return Track(codec.format(depth), config, rate, number(audio.get(_CHANNELS, b"")) or 1, delay_ns)


def _float(content: bytes) -> int:
    """A rate in Hz, rounded; 8000 where there is none, as the format has it."""
    if len(content) not in (4, 8):
        return 8000
    (value,) = struct.unpack(">f" if len(content) == 4 else ">d", content)
    return round(value) if 0 < value < 1e6 else 8000


def _unlaced(content: bytes, lacing: int) -> list[bytes] | None:
    """The frames of a block; None when their sizes can't be."""
    if lacing == 0:
        return [content]
    if not content:
        return None
    count, position = content[0] + 1, 1
    if lacing == 2:
        if (len(content) - 1) % count:
            return None
        size = (len(content) - 1) // count
        return [content[1 + at * size : 1 + (at + 1) * size] for at in range(count)]
    read = _xiph_sizes if lacing == 1 else _ebml_sizes
    sizes, position = read(content, count - 1)
    rest = len(content) - position - sum(sizes)
    if rest < 0 or any(size < 0 for size in sizes):
        return None
    return list(_cut(content[position:], [*sizes, rest]))


def _xiph_sizes(content: bytes, count: int) -> tuple[list[int], int]:
    sizes, position = [0] * count, 1
    for at in range(count):
        while True:
            value = content[position] if position < len(content) else 0
            sizes[at] += value
            position += 1
            if value < 255:
                break
    return sizes, position


def _ebml_sizes(content: bytes, count: int) -> tuple[list[int], int]:
    """The first as it is, each other as the difference from the one before it."""
    if not count:
        return [], 1
    size, position = variable_size(content, 1)
    sizes = [size]
    while len(sizes) < count:
        difference, position = signed_size(content, position)
        sizes.append(sizes[-1] + difference)
    return sizes[:count], position


def _cut(content: bytes, sizes: list[int]) -> Iterator[bytes]:
    position = 0
    for size in sizes:
        yield content[position : position + size]
        position += size
