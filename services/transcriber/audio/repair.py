"""Headers for recordings whose size is known at last: new for raw samples, corrected for streamed files."""

import struct

from transcriber.audio.coding import Encoding, RawFormat

_UNKNOWN = 0xFFFFFFFF
"""What a size field holds when 32 bits are too few; players then read to the end."""

_FORMAT_TAGS: dict[Encoding, int] = {"pcm_f32le": 3, "pcm_f64le": 3, "alaw": 6, "mulaw": 7}
"""All others are PCM."""

_PCM = 1

_AU_PCM_16 = 3


def wav_header(form: RawFormat, data_bytes: int) -> bytes:
    """What makes a WAV file of `data_bytes` of raw samples when put before them."""
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
    chunks = _chunk(b"fmt ", layout)
    if tag != _PCM:
        # All formats but PCM need the size of their (empty) extension, and a `fact` chunk.
        chunks = _chunk(b"fmt ", layout + bytes(2))
        chunks += _chunk(b"fact", struct.pack("<I", _field(data_bytes // form.frame_bytes)))
    size = 4 + len(chunks) + 8 + data_bytes
    riff = struct.pack("<4sI4s", b"RIFF", _field(size), b"WAVE")
    return riff + chunks + struct.pack("<4sI", b"data", _field(data_bytes))


def au_header(form: RawFormat, data_bytes: int) -> bytes:
    """What makes an AU file of big-endian 16-bit samples when put before them: WAV has none."""
    return struct.pack(">4s5I", b".snd", 24, _field(data_bytes), _AU_PCM_16, form.sample_rate, form.channels)


def repair_wav(head: bytes, total_bytes: int) -> bytes:
    """The first bytes of a WAV file, as many as `head`, with sizes that are right for a file of `total_bytes`.

    The `data` size stays when the file's own size is plausible beside it, that is, when chunks come after the audio;
    else all that follows the header is audio. RF64 keeps its sizes elsewhere and stays as it came, as does what is no
    WAV file at all.
    """
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return head
    repaired = bytearray(head)
    (declared,) = struct.unpack_from("<I", head, 4)
    struct.pack_into("<I", repaired, 4, _field(total_bytes - 8))
    data = _data_chunk(head)
    if data is not None:
        size_at, size = data
        data_end = size_at + 4 + size
        others_follow = declared < 0x7FFF_0000 and data_end + 8 <= min(8 + declared, total_bytes)
        if size == 0 or not (others_follow or data_end <= total_bytes <= data_end + 1):
            struct.pack_into("<I", repaired, size_at, _field(total_bytes - size_at - 4))
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


def _field(size: int) -> int:
    return size if size < _UNKNOWN else _UNKNOWN
