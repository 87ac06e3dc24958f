"""What every compressed or wrapped format promises: FFmpeg's own samples, however its bytes come and whatever happens
to them on the way."""

import time

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.corpus import DAMAGES, RECIPES, damaged, decode_whole, encoded, reference
from tests.decoding import cut, decoded, fed, losses, opened, outcome, taken
from transcriber.audio.formats import CONTAINERS
from transcriber.events import Error, Options

CUTS = [333, 4096, 0]
TOLERANCE = 3 / 32768

TAILS = {"mp3 file": 0.05, "ogg vorbis": 0.05}
"""Seconds by which the end may differ: the padding of MP3, which is only known in a whole file, is kept; Vorbis ends
where its last page says, which FFmpeg does not heed."""

UNFRAMED = {"wav g722", "wav g726", "wav g723.1", "wav yamaha adpcm"}
"""Those that make sound of any bits in any number."""

MIDDLES = [
    name
    for name, recipe in RECIPES.items()
    if not recipe.at_end and recipe.muxer not in ("aiff", "au", "w64") and name not in UNFRAMED
]
"""Formats in which damage in the middle can be seen, but for those that are whole or nothing."""

UNSEEN = {"webm", "mp3", "mp3 file", "webm file", "matroska vorbis", "mp4 opus fragmented"} | {
    "wav ima adpcm",
    "wav ms adpcm",
    "mp2",
    "flv mp3",
}
"""Those whose codecs or containers make sound of any bits, when no byte is missing."""


def expected(name: str, seconds: float = 1.0) -> NDArray[np.float64]:
    samples, rate = reference(name, seconds)
    mono = samples.mean(axis=0, dtype=np.float64)
    return mono if rate == 16_000 else soxr.resample(mono, rate, 16_000, "HQ")


@pytest.mark.parametrize("name", RECIPES)
async def test_samples_are_those_of_ffmpeg(name: str) -> None:
    samples, lost = await decoded(opened(encoded(name)), [encoded(name)])
    wanted = expected(name)
    tail = round(TAILS.get(name, 0) * 16_000)
    assert abs(samples.shape[1] - len(wanted)) <= tail
    same = len(wanted) - 2 * tail
    np.testing.assert_allclose(samples[0, :same], wanted[:same], atol=TOLERANCE, rtol=0)
    assert lost == 0


@pytest.mark.parametrize("size", CUTS)
@pytest.mark.parametrize("name", RECIPES)
async def test_cuts_change_nothing(name: str, size: int) -> None:
    whole, _ = await decoded(opened(encoded(name)), [encoded(name)])
    samples, _ = await decoded(opened(encoded(name)), cut(encoded(name), size))
    np.testing.assert_array_equal(samples, whole)


@pytest.mark.parametrize("name", RECIPES)
async def test_bytes_may_come_one_by_one(name: str) -> None:
    stream = encoded(name, 0.2)[:8_000]
    whole, samples = await outcome(stream, 0), await outcome(stream, 1)
    if isinstance(whole, Error):
        assert samples == whole
    else:
        np.testing.assert_array_equal(samples, whole)


@settings(max_examples=25)
@given(data=st.data(), name=st.sampled_from([*RECIPES]))
async def test_random_cuts_change_nothing(data: st.DataObject, name: str) -> None:
    stream = encoded(name)
    edges = data.draw(st.lists(st.integers(0, len(stream)) | st.integers(0, 100), max_size=20))
    whole, _ = await decoded(opened(stream), [stream])
    samples, _ = await decoded(opened(stream), cut(stream, edges))
    np.testing.assert_array_equal(samples, whole)


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.channels == 2])
async def test_channels_are_kept_apart_when_asked(name: str) -> None:
    stream = encoded(name)
    samples, rate = reference(name)
    decoder = opened(stream, Options(separate_channels=True))
    tracks, _ = await decoded(decoder, cut(stream, 4096))
    assert decoder.tracks == tracks.shape[0] == 2
    wanted = samples.T if rate == 16_000 else soxr.resample(samples.T.astype(np.float64), rate, 16_000, "HQ")
    same = len(wanted) - round(2 * TAILS.get(name, 0) * 16_000)
    np.testing.assert_allclose(tracks[:, :same], wanted[:same].T, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if not recipe.at_end])
async def test_most_of_what_came_is_ready_before_the_end(name: str) -> None:
    stream = encoded(name, 4.0)
    decoder = opened(stream)
    blocks, _ = await fed(decoder, stream)
    ready = sum(block.shape[1] for block in blocks) + (await decoder.flush()).shape[1]
    assert ready >= 2.5 * 16_000
    rest, _ = await taken(decoder.close)
    decoder.release()
    whole, _ = await decoded(opened(stream), [stream])
    # A flush makes a resampler round, once.
    assert abs(ready + sum(block.shape[1] for block in rest) - whole.shape[1]) <= 1


# Damage


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.99])
@pytest.mark.parametrize("name", RECIPES)
async def test_a_stream_may_end_anywhere(name: str, share: float) -> None:
    stream = encoded(name, 4.0)[: int(len(encoded(name, 4.0)) * share)]
    samples = await outcome(stream, 4096)
    if isinstance(samples, Error):
        assert samples.code == "unsupported_audio"
        assert share < 0.1 or RECIPES[name].at_end
    else:
        assert samples.shape[1] <= share * 4.2 * 16_000 + 1_000


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("name", MIDDLES)
async def test_damage_is_told_and_what_can_be_decoded_is(name: str, how: str) -> None:
    stream = damaged(encoded(name, 4.0), how, 3)
    samples, lost = await decoded(opened(stream), cut(stream, 1000))
    assert samples.shape[1] >= 1.0 * 16_000
    # What stands between packets of a fixed size is passed over, and nothing is missing.
    whole = RECIPES[name].muxer == "mpegts" and samples.shape[1] == len(expected(name, 4.0))
    assert lost or whole or (how == "flipped" and name in UNSEEN)


@pytest.mark.parametrize("name", ["webm", "ogg opus", "ogg opus stereo", "flac", "mp3", "aac"])
async def test_after_damage_it_is_found_again(name: str) -> None:
    stream = damaged(encoded(name, 4.0), "removed", 3)
    samples, lost = await decoded(opened(stream), cut(stream, 1000))
    assert lost
    assert samples.shape[1] >= 3.4 * 16_000
    whole, _ = decode_whole(encoded(name, 4.0), RECIPES[name].demuxer or RECIPES[name].muxer)
    assert samples.shape[1] < whole.shape[1] * 16_000 / RECIPES[name].rate


TIMED = [
    *("webm", "webm file", "webm pcm", "matroska aac", "matroska flac", "matroska mp3", "ogg opus", "ogg opus stereo"),
    *("ogg flac", "flac", "flac 24 bits", "mp4 fragmented", "mp4 opus fragmented"),
]
"""Formats that say when what they hold begins."""


@pytest.mark.parametrize("seed", [3, 5])
@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("name", TIMED)
async def test_times_behind_damage_stay_true(name: str, how: str, seed: int) -> None:
    stream = damaged(encoded(name, 4.0), how, seed)
    samples, rate = decode_whole(encoded(name, 4.0), RECIPES[name].demuxer or RECIPES[name].muxer)
    # Opus makes sound of any bits, also more of it than there was.
    tolerance = 0.2 if (name, how) == ("mp4 opus fragmented", "inserted") else 0.05
    seconds, _ = await losses(opened(stream), cut(stream, 1000))
    assert seconds == pytest.approx(samples.shape[1] / rate, abs=tolerance)


# Anything at all

MAGICS = {
    "wav": b"RIFF\xff\xff\xff\x7fWAVEfmt ",
    "RF64": b"RF64\xff\xff\xff\xffWAVEds64",
    "webm": bytes.fromhex("1a45dfa3804282847765626d18538067ffffffffffffff"),
    "ogg": b"OggS\x00\x02" + bytes(8),
    "flac": b"fLaC\x00\x00\x00\x22" + bytes.fromhex("1000100000000000000000fa00f0"),
    "mp3": bytes.fromhex("fffb9064"),
    "id3": b"ID3\x04\x00\x00\x00\x00\x00\x05",
    "aac": bytes.fromhex("fff15080"),
    "mp4": b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2",
    "mov": b"\x00\x00\x00\x08wide",
    "aiff": b"FORM\x00\x00\xff\xffAIFFCOMM",
    "au": b".snd\x00\x00\x00\x18\xff\xff\xff\xff\x00\x00\x00\x03",
    "amr": b"#!AMR\n",
    "mpegts": bytes.fromhex("47400010") + b"\x00\x00\xb0\x0d\x00\x01\xc1\x00\x00",
    "mpeg": bytes.fromhex("000001ba2100010001800813000001c0"),
    "flv": b"FLV\x01\x04\x00\x00\x00\x09\x00\x00\x00\x00\x08\x00\x00",
    "w64": bytes.fromhex("726966662e91cf11a5d628db04c10000ffffffffffffff7f77617665f3acd3118cd100c04f8edb8a"),
    "sphere": b"NIST_1A\n   1024\nsample_rate -i 8000\n",
    "caf": b"caff\x00\x01\x00\x00desc",
    "avi": b"RIFF\xff\xff\x00\x00AVI LIST",
    "asf": bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
}


def test_every_container_is_tried_with_anything() -> None:
    assert set(CONTAINERS) <= set(MAGICS)


async def survived(stream: bytes, size: int) -> None:
    began = time.monotonic()
    end = await outcome(stream, size)
    if isinstance(end, Error):
        assert end.code in ("unsupported_audio", "audio_too_expensive", "too_many_channels")
        assert end.close_code == 1003
    assert time.monotonic() - began < 10


@settings(max_examples=150)
@given(magic=st.sampled_from([*MAGICS.values()]), rest=st.binary(max_size=3_000), size=st.sampled_from([0, 100]))
async def test_anything_behind_a_magic_is_answered(magic: bytes, rest: bytes, size: int) -> None:
    await survived(magic + rest, size)


@settings(max_examples=100)
@given(data=st.data(), name=st.sampled_from([*RECIPES]))
async def test_any_damage_is_answered(data: st.DataObject, name: str) -> None:
    stream = bytearray(encoded(name, 0.3))
    for _ in range(data.draw(st.integers(1, 8))):
        start = data.draw(st.integers(0, 200) | st.integers(0, len(stream)))
        stream[start : start + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=20))
    await survived(bytes(stream), data.draw(st.sampled_from([0, 1000])))
