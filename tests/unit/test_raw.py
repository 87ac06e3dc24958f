"""Declared raw samples."""

import numpy as np

from transcriber.audio.coding import TABLES, RawFormat
from transcriber.audio.raw import RawDecoder


async def test_every_mulaw_code_becomes_its_sample() -> None:
    decoder = RawDecoder(RawFormat("mulaw", 16_000))
    block = await decoder.decode(bytes(range(256)))
    np.testing.assert_array_equal(block[0], TABLES["mulaw"] / np.float32(32768))
    assert decoder.tracks == 1


async def test_a_held_frame_is_lost_at_the_end_and_only_then() -> None:
    decoder = RawDecoder(RawFormat("pcm_s16le", 16_000))
    assert (await decoder.decode(b"\x00\x40\x00")).tolist() == [[0.5]]
    assert (await decoder.flush()).shape == (1, 0)
    assert (await decoder.decode(b"\x40\x00")).tolist() == [[0.5]]
    assert (await decoder.close()).shape == (1, 0)


async def test_flush_and_close_give_what_the_resampler_holds() -> None:
    decoder = RawDecoder(RawFormat("alaw", 8_000))
    first = await decoder.decode(bytes(800))
    flushed = await decoder.flush()
    assert first.shape[1] + flushed.shape[1] == 1_600
    second = await decoder.decode(bytes(800))
    assert second.shape[1] + (await decoder.close()).shape[1] == 1_600
