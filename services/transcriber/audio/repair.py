"""Headers for recordings whose size is known at last: new for raw samples, corrected for streamed files."""

import struct

from transcriber.audio.coding import Encoding, RawFormat

_UNKNOWN = 0xFFFFFFFF
"""What a size field holds when 32 bits are too few, or the size is not known yet; players then read to the end."""
_DS64_BYTES = 28
"""RF64's chunk of 64-bit sizes (EBU Tech 3306): of the file, of the audio, its samples, and an empty table."""

_FORMAT_TAGS: dict[Encoding, int] = {"pcm_f32le": 3, "pcm_f64le": 3, "alaw": 6, "mulaw": 7}
"""All others are PCM."""

_PCM = 1

_AU_PCM_16 = 3


def wav_header(form: RawFormat, data_bytes: int | None) -> bytes:
    """What makes a WAV file of `data_bytes` of raw samples when put before them: RF64 where 32 bits are too few. None:
    their number is not known yet."""
    tag = _FORMAT_TAGS.get(form.encoding, _PCM)
    layout = struct.pack(
        "<HHIIHH",
        tag,
        form.channels,
        form.sample_rate,
        form.sample_rate * form.frame_bytes,
        form.frame_bytes,
        form.sample_bytes * 8,
    )
    frames = None if data_bytes is None else data_bytes // form.frame_bytes
    chunks = _chunk(b"fmt ", layout)
    if tag != _PCM:
        # All formats but PCM need the size of their (empty) extension, and a `fact` chunk.
        chunks = _chunk(b"fmt ", layout + bytes(2))
        chunks += _chunk(b"fact", struct.pack("<I", _field(frames)))
    size = None if data_bytes is None else 4 + len(chunks) + 8 + data_bytes
    head = struct.pack("<4sI4s", b"RIFF", _field(size), b"WAVE")
    if size is not None and data_bytes is not None and size >= _UNKNOWN:
        head = _rf64(size, data_bytes, frames or 0)
    return head + chunks + struct.pack("<4sI", b"data", _field(data_bytes) if head[:4] == b"RIFF" else _UNKNOWN)


def _rf64(size: int, data_bytes: int, frames: int) -> bytes:
    """The beginning of a file that would be so large without its 64-bit sizes."""
    sizes = struct.pack("<QQQI", size + 8 + _DS64_BYTES, data_bytes, frames, 0)
    return struct.pack("<4sI4s", b"RF64", _UNKNOWN, b"WAVE") + _chunk(b"ds64", sizes)


def au_header(form: RawFormat, data_bytes: int | None) -> bytes:
    """What makes an AU file of big-endian 16-bit samples when put before them: WAV has none."""
    return struct.pack(">4s5I", b".snd", 24, _field(data_bytes), _AU_PCM_16, form.sample_rate, form.channels)


def repair_wav(head: bytes, total_bytes: int | None) -> bytes:
    """The first bytes of a WAV file, as many as `head`, with sizes that are right for a file of `total_bytes`; None: it
    is not known yet.

    The `data` size stays when the file's own size is plausible beside it, that is, when chunks come after the audio;
    else all that follows the header is audio. A file for which 32 bits are too few becomes RF64, which has a longer
    header. What is RF64 already keeps its sizes and stays as it came, as does what is no WAV file at all.
    """
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return head
    repaired = bytearray(head)
    (declared,) = struct.unpack_from("<I", head, 4)
    struct.pack_into("<I", repaired, 4, _field(total_bytes and total_bytes - 8))
    data = _data_chunk(head)
    if data is None:
        return bytes(repaired)
    size_at, size = data
    data_end = size_at + 4 + size
    if total_bytes is not None and total_bytes - 8 >= _UNKNOWN:
        struct.pack_into("<I", repaired, size_at, _UNKNOWN)
        return _rf64(total_bytes - 8, total_bytes - size_at - 4, 0) + bytes(repaired[12:])
    total = _UNKNOWN if total_bytes is None else total_bytes
    others_follow = declared < 0x7FFF_0000 and data_end + 8 <= min(8 + declared, total)
    if size == 0 or not (others_follow or data_end <= total <= data_end + 1):
        struct.pack_into("<I", repaired, size_at, _field(total_bytes and total_bytes - size_at - 4))
    return bytes(repaired)


def _data_chunk(head: bytes) -> tuple[int, int] | None:
    """Where the size of the `data` chunk stands, and what it is; None when the chunk begins beyond `head`."""
    position = 12
    while position + 8 <= len(head):
        name, size = struct.unpack_from("<4sI", head, position)
        if name == b"data":
            return position + 4, size
        position += 8 + size + size % 2
    return None


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack("<4sI", name, len(content)) + content


def _field(size: int | None) -> int:
    return size if size is not None and size < _UNKNOWN else _UNKNOWN
