"""Which decoder a WAV file needs."""

import pytest

from tests.corpus import encoded
from tests.decoding import cut, decoded, opened
from tests.wavs import chunk, fmt, riff, speechlike, wav
from transcriber.audio.coded_wav import is_coded

PCM = wav(speechlike(8_000, 0.1), 8_000)


@pytest.mark.parametrize(
    ("head", "coded"),
    [
        (encoded("wav ima adpcm"), True),
        (encoded("wav ms adpcm"), True),
        (encoded("wav mp3"), True),
        (encoded("wav aac"), True),
        *((riff(fmt(8_000, tag=tag, bits=4), b"data"), True) for tag in (0x17, 0x22, 0x83)),
        (encoded("wav yamaha adpcm"), True),
        (PCM, False),
        (riff(chunk(b"JUNK", bytes(27)), fmt(8_000, tag=0x31, bits=0)), True),
        (riff(chunk(b"data", bytes(100))), False),
        (riff(chunk(b"JUNK", bytes(1 << 17)))[:40], False),
        (encoded("wav mp3")[:21], None),
        (b"RIFF", None),
    ],
)
def test_the_head_shows_it(head: bytes, coded: bool | None) -> None:
    assert is_coded(head) is coded


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
async def test_a_stream_without_sizes_is_decoded_whole(size: int) -> None:
    """As recorders send it that can't go back."""
    whole = encoded("wav ima adpcm")
    at = whole.index(b"data") + 4
    stream = whole[:4] + size.to_bytes(4, "little") + whole[8:at] + size.to_bytes(4, "little") + whole[at + 4 :]
    wanted, _ = await decoded(opened(whole), [whole])
    samples, lost = await decoded(opened(stream), cut(stream, 1000))
    assert lost == 0
    assert abs(samples.shape[1] - wanted.shape[1]) <= 16
    assert wanted.shape[1] > 15_000


@pytest.mark.parametrize("share", [12, 16, 20])
async def test_only_a_head_is_no_audio(share: int) -> None:
    samples, lost = await decoded(opened(PCM[:share]), [PCM[:share]])
    assert (samples.shape[1], lost) == (0, 0)
