"""Declared raw samples."""

import numpy as np

from tests.decoding import decoded, fed, taken
from transcriber.audio.coding import TABLES, RawFormat
from transcriber.audio.raw import RawDecoder


async def test_every_mulaw_code_becomes_its_sample() -> None:
    decoder = RawDecoder(RawFormat("mulaw", 16_000))
    samples, _ = await decoded(decoder, [bytes(range(256))])
    np.testing.assert_array_equal(samples[0], TABLES["mulaw"] / np.float32(32768))
    assert decoder.tracks == 1


async def test_a_held_frame_is_lost_at_the_end_and_only_then() -> None:
    decoder = RawDecoder(RawFormat("pcm_s16le", 16_000))
    assert [block.tolist() for block in (await fed(decoder, b"\x00\x40\x00"))[0]] == [[[0.5]]]
    assert (await decoder.flush()).shape == (1, 0)
    assert [block.tolist() for block in (await fed(decoder, b"\x40\x00"))[0]] == [[[0.5]]]
    assert await taken(decoder.close) == ([], 0)


async def test_flush_and_close_give_what_the_resampler_holds() -> None:
    decoder = RawDecoder(RawFormat("alaw", 8_000))
    samples = sum(block.shape[1] for block in (await fed(decoder, bytes(800)))[0])
    assert samples + (await decoder.flush()).shape[1] == 1_600
    samples = sum(block.shape[1] for block in (await fed(decoder, bytes(800)))[0])
    assert samples + sum(block.shape[1] for block in (await taken(decoder.close))[0]) == 1_600


async def test_slow_samples_come_in_bounded_blocks() -> None:
    blocks, _ = await fed(RawDecoder(RawFormat("mulaw", 1_000)), bytes(32_768))
    assert len(blocks) > 15


async def test_channels_may_be_tracks() -> None:
    decoder = RawDecoder(RawFormat("pcm_s16le", 16_000, 3), separate=True)
    samples, _ = await decoded(decoder, [np.array([[1, 2, 3], [4, 5, 6]], "<i2").tobytes()])
    np.testing.assert_array_equal(samples * 32768, [[1, 4], [2, 5], [3, 6]])
    assert decoder.tracks == 3
