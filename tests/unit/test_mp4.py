"""Which MP4 files can be decoded as they come."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus import RECIPES, encode, encoded
from tests.decoding import cut, decoded, fed, opened
from tests.wavs import speechlike
from transcriber.audio.allowance import Spent
from transcriber.audio.decoder import DecodeError
from transcriber.audio.libav import FORMS
from transcriber.audio.mp4 import Mp4Decoder, describes_first
from transcriber.audio.threaded import DecodingThreads, ThreadedDecoder
from transcriber.events import Options

MP4S = [name for name, recipe in RECIPES.items() if recipe.demuxer == "mov"]


def box(kind: bytes, size: int, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", size, kind) + content


@pytest.mark.parametrize("name", MP4S)
def test_the_corpus_is_understood(name: str) -> None:
    assert describes_first(encoded(name)) is not RECIPES[name].at_end


@pytest.mark.parametrize(
    ("head", "first"),
    [
        (b"", None),
        (box(b"ftyp", 16, bytes(8)), None),
        (box(b"ftyp", 16, bytes(8)) + box(b"moov", 100), True),
        (box(b"ftyp", 16, bytes(8)) + box(b"free", 8) + box(b"mdat", 100), False),
        (box(b"mdat", 0), False),
        (box(b"mdat", 1), False),
        (box(b"free", 1), None),
        (box(b"free", 1, struct.pack(">Q", 24) + bytes(8)) + box(b"moov", 9), True),
        (box(b"free", 0), False),
        (box(b"free", 7), False),
        (box(b"free", 1, struct.pack(">Q", 3)), False),
        (box(b"free", 1, struct.pack(">Q", 1)), False),
        (box(b"free", 100_000), False),
    ],
)
def test_the_description_comes_first_or_it_does_not(head: bytes, first: bool | None) -> None:
    assert describes_first(head) is first


async def test_a_file_that_is_described_last_is_decoded_at_the_end() -> None:
    stream = encoded("m4a")
    decoder = opened(stream)
    assert await fed(decoder, stream) == ([], 0)
    samples, lost = await decoded(decoder, [])
    assert samples.shape[1] > 15_000
    assert lost == 0


async def test_a_file_of_which_only_the_head_came_holds_nothing() -> None:
    decoder = opened(b"")
    samples, _ = await decoded(decoder, [encoded("m4a")[:20]])
    assert samples.shape == (1, 0)
    np.testing.assert_array_equal(await decoder.flush(), samples)
    assert decoder.tracks == 1


# Files that follow each other

FIRST, OTHER = encoded("mp4 fragmented"), encoded("mp4 opus fragmented")


@pytest.mark.parametrize("size", [0, 1000, 333, 7])
async def test_a_file_behind_another_is_decoded_too(size: int) -> None:
    first, _ = await decoded(opened(FIRST), [FIRST])
    other, _ = await decoded(opened(OTHER), [OTHER])
    stream = FIRST + OTHER + FIRST
    samples, lost = await decoded(opened(stream), cut(stream, size))
    assert lost == 0
    np.testing.assert_array_equal(samples, np.concatenate([first, other, first], axis=1))


async def test_a_head_alone_between_files_is_nothing() -> None:
    stream = FIRST + FIRST[: FIRST.index(b"moof") - 4] + FIRST
    samples, lost = await decoded(opened(stream), cut(stream, 1000))
    assert lost == 0
    assert samples.shape[1] == 2 * (await decoded(opened(FIRST), [FIRST]))[0].shape[1]


async def test_what_follows_has_the_tracks_of_the_first() -> None:
    stereo = encoded("m4a, index first")  # One channel: the first file decides.
    two = encode("mp4 fragmented stereo", speechlike(48_000, 1.0, 2, 1))
    for stream, tracks in ((two + stereo, 2), (stereo + two, 1)):
        decoder = opened(stream, Options(separate_channels=True))
        samples, lost = await decoded(decoder, cut(stream, 1000))
        assert (samples.shape[0], decoder.tracks, lost) == (tracks, tracks, 0)
        assert 1.9 < samples.shape[1] / 16_000 < 2.2
        if tracks == 2:
            assert not samples[1, -10_000:].any()


@pytest.mark.parametrize(
    ("broken", "files"),
    [(encoded("m4a"), 2), (encoded("alac"), 2), (box(b"ftyp", 16, b"isomnone") + bytes(3000), 1)],
    ids=["described last", "described last, ALAC", "nothing"],
)
async def test_what_follows_and_can_not_be_decoded_is_told_and_passed_over(broken: bytes, files: int) -> None:
    first, _ = await decoded(opened(FIRST), [FIRST])
    stream = FIRST + broken + FIRST
    whole, lost = await decoded(opened(stream), [stream])
    assert lost
    np.testing.assert_array_equal(whole, np.concatenate([first] * files, axis=1))
    again, _ = await decoded(opened(stream), cut(stream, 777))
    np.testing.assert_array_equal(again, whole)


def decoder_of(spent: Spent) -> Mp4Decoder:
    threads = DecodingThreads()
    return Mp4Decoder(lambda: ThreadedDecoder(FORMS["mp4"], threads, spent=spent), lambda: opened(b""))


async def test_files_behind_each_other_have_one_allowance() -> None:
    spent = Spent()
    samples, _ = await decoded(decoder_of(spent), cut(FIRST * 3, 1000))
    assert spent.received_bytes == 3 * len(FIRST)
    assert spent.seconds == pytest.approx(samples.shape[1] / 16_000, abs=0.01)
    assert spent.cpu_seconds > 0
    with pytest.raises(DecodeError) as caught:
        await decoded(decoder_of(Spent(seconds=10_000)), [FIRST])
    assert caught.value.error.code == "audio_too_expensive"


@given(st.lists(st.tuples(st.sampled_from([b"ftyp", b"free", b"moov"]), st.integers(0, 40), st.integers(0, 2**64 - 1))))
def test_it_is_decided_once_and_in_time(boxes: list[tuple[bytes, int, int]]) -> None:
    head = b"".join(box(kind, size, struct.pack(">Q", long) + bytes(max(0, size - 16))) for kind, size, long in boxes)
    decisions = [describes_first(head[:length]) for length in range(0, len(head), 7)]
    decided = [decision for decision in decisions if decision is not None]
    assert decisions == [None] * (len(decisions) - len(decided)) + decided[:1] * len(decided)
    assert describes_first(head + bytes(128 << 10)) is not None
