"""Ogg (RFC 3533) as it is streamed: pages checked, found again after damage, one stream of them after another."""

import struct
import zlib
from collections import deque
from dataclasses import dataclass

from transcriber.audio.decoder import unsupported
from transcriber.audio.packets import Item, Lost, Packet, Track

_CAPTURE = b"OggS"
_HEADER = struct.Struct("<4sBBqIIIB")
"""Capture pattern, version, flags, granule position, serial number, sequence number, checksum, segments."""
_CONTINUED, _FIRST, _LAST = 1, 2, 4
_NO_GRANULE = -1

_MAX_PACKET_BYTES = 1 << 20
"""Longer ones are comments with pictures."""

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True, slots=True)
class _Page:
    flags: int
    granule: int
    serial: int
    sequence: int
    segments: bytes
    body: bytes


def checksum(page: bytes) -> bytes:
    """The checksum of a page whose own is zero, as it stands in it.

    Ogg's CRC has zlib's polynomial with bits in the other order, and neither preset nor inverted.
    """
    crc = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return crc.to_bytes(4, "big").translate(_REVERSED)


def _page(raw: bytes) -> _Page | None:
    """A page, if its checksum is right."""
    if checksum(raw[:22] + bytes(4) + raw[26:]) != raw[22:26]:
        return None
    _, _, flags, granule, serial, sequence, _, count = _HEADER.unpack_from(raw)
    body = _HEADER.size + count
    return _Page(flags, granule, serial, sequence, raw[_HEADER.size : body], raw[body:])


class OggDemuxer:
    """Follows the first audio stream, and the first of each chain link behind it."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._ended = False
        self._in_damage = False
        self._found: deque[Item] = deque()
        self._serial: int | None = None
        self._track: _OggTrack | None = None
        self._has_data = False
        """Whether a page came that belongs to no stream's beginning; before, streams begin."""

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def end(self) -> None:
        self._ended = True

    def next(self) -> Item | None:
        while not self._found:
            page = self._next_page()
            if page is None:
                return None
            self._take(page)
        return self._found.popleft()

    def _next_page(self) -> _Page | None:
        """The next whole page; what is none before it is passed over."""
        while self._buffer:
            head = bytes(self._buffer[: len(_CAPTURE)])
            size = self._page_bytes() if _CAPTURE.startswith(head) else -1
            if size > len(self._buffer):
                if not self._ended:
                    return None
                self._pass_over(_HEADER.size)
            elif size < 0 or (page := _page(bytes(self._buffer[:size]))) is None:
                if not self._pass_over(0 if size < 0 else _HEADER.size):
                    return None
            else:
                del self._buffer[:size]
                self._in_damage = False
                return page
        return None

    def _page_bytes(self) -> int:
        """How long the page is that begins here, or at least is as far as that can be seen."""
        segments = self._buffer[26] if len(self._buffer) > 26 else 0
        return _HEADER.size + segments + sum(self._buffer[_HEADER.size : _HEADER.size + segments])

    def _pass_over(self, least: int) -> bool:
        """Drop what can't be the beginning of a page, at least so many bytes; whether any were dropped."""
        found = self._buffer.find(_CAPTURE, least)
        # A last page that has not come whole is no damage, unless another one follows.
        if not self._in_damage and (found >= 0 or not self._ended):
            self._in_damage = True
            if self._track is not None:
                self._found.append(Lost())
        dropped = found if found >= 0 else max(least, len(self._buffer) - len(_CAPTURE) + 1)
        del self._buffer[:dropped]
        return dropped > 0

    def _take(self, page: _Page) -> None:
        if page.flags & _FIRST:
            self._begin(page)
        elif self._serial is None:
            raise unsupported("The Ogg file holds no Opus, Vorbis, FLAC or Speex audio.")
        else:
            self._has_data = True
        if self._track is not None and page.serial == self._serial:
            self._found.extend(self._track.take(page))

    def _begin(self, page: _Page) -> None:
        """A stream begins. All streams of a link begin before any goes on."""
        if self._has_data:
            self._serial, self._track, self._has_data = None, None, False
        codec = _codec(page.body)
        if self._serial is None and codec is not None:
            self._serial, self._track = page.serial, _OggTrack(codec)


def _codec(head: bytes) -> str | None:
    """What the first packet of a stream says that it holds."""
    magics = {b"OpusHead": "opus", b"\x01vorbis": "vorbis", b"\x7fFLAC": "flac", b"Speex   ": "speex"}
    return next((codec for magic, codec in magics.items() if head.startswith(magic)), None)


class _OggTrack:
    """Puts the packets of one stream together."""

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._headers: list[bytes] = []
        self._headers_left = {"opus": 2, "vorbis": 3, "flac": 1, "speex": 2}[codec]
        self._packet = bytearray()
        self._broken = False
        """Whether the beginning of the packet that goes on is missing."""
        self._sequence: int | None = None
        self._granule: int | None = None
        """Where the page before ended; None when there was none."""

    def take(self, page: _Page) -> list[Item]:
        """What the page completes."""
        items: list[Item] = []
        if self._sequence is not None and page.sequence != (self._sequence + 1) & 0xFFFFFFFF:
            items.append(Lost())
            self._packet.clear()
            self._granule = None
        self._sequence = page.sequence
        self._broken = bool(page.flags & _CONTINUED) and not self._packet
        if not page.flags & _CONTINUED:
            self._packet.clear()
        ends = page.granule if page.flags & _LAST and page.granule != _NO_GRANULE else None
        in_headers = self._headers_left > 0
        packets = self._packets(page)
        for at, data in enumerate(packets):
            if self._headers_left:
                items.extend(self._header(data))
            elif data and (self._codec != "flac" or data[0] == 0xFF):
                # In Vorbis only the last packet may be cut short.
                cut = self._codec != "vorbis" or at == len(packets) - 1
                known = at == len(packets) - 1 and page.granule != _NO_GRANULE
                items.append(Packet(data, self._granule, ends if cut else None, page.granule if known else None))
                self._granule = None
        if page.granule != _NO_GRANULE and not in_headers:
            self._granule = page.granule
        return items

    def _packets(self, page: _Page) -> list[bytes]:
        packets: list[bytes] = []
        position = 0
        for size in page.segments:
            if not self._broken and len(self._packet) <= _MAX_PACKET_BYTES:
                self._packet += page.body[position : position + size]
            position += size
            if size < 255:
                if not self._broken:
                    packets.append(bytes(self._packet))
                self._broken = False
                self._packet.clear()
        return packets

    def _header(self, data: bytes) -> list[Item]:
        self._headers.append(data)
        self._headers_left -= 1
        if self._headers_left:
            return []
        return [Track(self._codec, _configuration(self._codec, self._headers))]


def _configuration(codec: str, headers: list[bytes]) -> bytes:
    """What FFmpeg's decoder wants to know."""
    if codec in ("opus", "speex"):
        return headers[0]
    if codec == "flac":
        return headers[0][17:51]  # STREAMINFO, behind Ogg's and FLAC's own magic
    # Vorbis: all headers behind a list of their lengths, as Matroska has it. Comments mean nothing to a decoder.
    first, _, last = headers
    comments = b"\x03vorbis" + bytes(8) + b"\x01"
    return b"\x02" + _laced(len(first)) + _laced(len(comments)) + first + comments + last


def _laced(size: int) -> bytes:
    return b"\xff" * (size // 255) + bytes([size % 255])
