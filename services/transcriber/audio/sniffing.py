"""What first bytes show: the container of a stream, and what a file of it is called."""

from collections.abc import Mapping

MAGIC_BYTES = 12
"""How many first bytes show what a stream is."""

UNKNOWN = "unknown"

_MAGICS: tuple[tuple[str, tuple[tuple[int, bytes], ...]], ...] = (
    ("wav", ((0, b"RIFF"), (8, b"WAVE"))),
    ("wav", ((0, b"RF64"), (8, b"WAVE"))),
    ("wav", ((0, b"BW64"), (8, b"WAVE"))),
    ("webm", ((0, b"\x1a\x45\xdf\xa3"),)),
    ("ogg", ((0, b"OggS"),)),
    ("flac", ((0, b"fLaC"),)),
    ("mp3", ((0, b"ID3"),)),
    *(("mp4", ((4, kind),)) for kind in (b"ftyp", b"styp", b"moov", b"mdat", b"wide")),
    ("aiff", ((0, b"FORM"), (8, b"AIF"))),
    ("caf", ((0, b"caff"),)),
    ("amr", ((0, b"#!AMR"),)),
    ("au", ((0, b".snd"),)),
    ("avi", ((0, b"RIFF"), (8, b"AVI "))),
    *(("mpegts", ((at, b"\x47\x40" + table),)) for at in (0, 4) for table in (b"\x00", b"\x11")),
    ("flv", ((0, b"FLV\x01"),)),
    ("w64", ((0, b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb"),)),
    ("mpeg", ((0, b"\x00\x00\x01\xba"),)),
    ("sphere", ((0, b"NIST_1A\n"),)),
    ("asf", ((0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),)),
)
"""Name, and the bytes that stand at each offset. Transport streams begin with one of their tables, in cameras' files
behind a time of four bytes."""

_TAG_HEADER_BYTES = 10

_BRANDS: Mapping[bytes, str] = {b"M4A ": "m4a", b"M4B ": "m4a", b"qt  ": "mov", b"3gp4": "3gp", b"3gp5": "3gp"}
_EXTENSIONS: Mapping[str, str] = {"asf": "wma", "mpeg": "mpg", "mpegts": "ts", "sphere": "sph"}


def sniff(head: bytes) -> str | None:
    """The container that `head`, the first bytes of a stream, shows; `UNKNOWN` when it is none, None while there are
    fewer than `MAGIC_BYTES`."""
    if len(head) < MAGIC_BYTES:
        return None
    for name, parts in _MAGICS:
        if all(head.startswith(part, offset) for offset, part in parts):
            return name
    if _is_adts_frame(head):
        return "aac"
    return "mp3" if _is_mpeg_frame(head) else UNKNOWN


def tag_bytes(head: bytes) -> int:
    """The length of the ID3v2 tag that `head` begins with, at least `MAGIC_BYTES` of a stream; 0 when it is none."""
    size = head[6:_TAG_HEADER_BYTES]
    if not head.startswith(b"ID3") or any(byte & 0x80 for byte in size):
        return 0
    footer_bytes = _TAG_HEADER_BYTES if head[5] & 0x10 else 0
    return _TAG_HEADER_BYTES + (size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3]) + footer_bytes


def extension_of(head: bytes) -> str:
    """What a file that begins so is called, behind the dot."""
    name, position = sniff(head), 0
    while name == "mp3" and (tag := tag_bytes(head[position : position + MAGIC_BYTES])):
        position += tag
        name = sniff(head[position : position + MAGIC_BYTES])
    if name == "webm" and b"matroska" in head[position : position + 64]:
        return "mkv"
    if name == "mp4":
        return _BRANDS.get(head[position + 8 : position + 12], "mp4")
    if name == "mp3" and head[position : position + 1] == b"\xff" and head[position + 1] & 0x06 == 4:
        return "mp2"
    if name is None or name == UNKNOWN:
        return "mp3" if position else "bin"
    return _EXTENSIONS.get(name, name)


def _is_mpeg_frame(head: bytes) -> bool:
    """Eleven set bits, layer II or III, a bit rate and a sample rate that exist."""
    sync = head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06 in (2, 4) and head[1] & 0x18 != 0x08
    return sync and head[2] >> 4 not in (0, 0xF) and head[2] & 0x0C != 0x0C


def _is_adts_frame(head: bytes) -> bool:
    """Twelve set bits, layer 0, and a sample rate that exists."""
    return head[0] == 0xFF and head[1] & 0xF6 == 0xF0 and head[2] >> 2 & 0xF < 13
