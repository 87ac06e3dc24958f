"""Decoders in threads: bounded, in step with their bytes, and gone when they are let go of."""

import asyncio
import threading

import pytest

from tests.corpus import encoded
from tests.decoding import cut, decoded, fed, taken
from tests.stage import until
from transcriber.audio.decoder import DecodeError
from transcriber.audio.libav import FORMS
from transcriber.audio.threaded import DecodingThreads, ThreadedDecoder


def threads() -> int:
    return sum(thread.name == "decoder" for thread in threading.enumerate())


async def test_what_has_come_out_depends_on_what_went_in_alone() -> None:
    stream = encoded("flac", 4.0)
    totals: list[list[int]] = []
    for size in (1_000, 20_000):
        decoder, total, at = ThreadedDecoder(FORMS["flac"], DecodingThreads()), 0, list[int]()
        for number, piece in enumerate(cut(stream[:100_000], size), 1):
            total += sum(block.shape[1] for block in (await fed(decoder, piece))[0])
            if number * size % 20_000 == 0:
                at.append(total)
        totals.append(at)
        decoder.release()
    assert totals[0] == totals[1]
    assert totals[0][-1] > 20_000


async def test_nothing_is_decoded_ahead() -> None:
    """A block that nobody takes is the last that is made."""
    stream = encoded("mp3", 4.0) * 8
    decoder = ThreadedDecoder(FORMS["mp3"], DecodingThreads())
    blocks = decoder.decode(stream)
    assert (await anext(blocks)).shape[1] < 40_000
    await asyncio.sleep(0.1)
    assert decoder.stream.held_seconds < 3
    decoder.release()


async def test_threads_end_with_their_streams() -> None:
    stream = encoded("aac")
    limited = DecodingThreads(1)
    for _ in range(3):
        samples, _ = await decoded(ThreadedDecoder(FORMS["aac"], limited), cut(stream, 1000))
        assert samples.shape[1] > 15_000
    await until(lambda: threads() == 0)


async def test_more_streams_than_threads_wait_their_turn() -> None:
    stream, limited = encoded("aac"), DecodingThreads(1)
    first, second = ThreadedDecoder(FORMS["aac"], limited), ThreadedDecoder(FORMS["aac"], limited)
    await fed(first, stream)
    waiting = asyncio.create_task(fed(second, stream))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await taken(first.close)
    blocks, _ = await waiting
    assert blocks
    second.release()


async def test_who_stops_waiting_takes_no_thread() -> None:
    stream, limited = encoded("aac"), DecodingThreads(1)
    first, second = ThreadedDecoder(FORMS["aac"], limited), ThreadedDecoder(FORMS["aac"], limited)
    await fed(first, stream)
    waiting = asyncio.create_task(fed(second, stream))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    second.release()
    first.release()
    samples, _ = await decoded(ThreadedDecoder(FORMS["aac"], limited), [stream])
    assert samples.shape[1] > 15_000


@pytest.mark.parametrize("given", [0, 500, 5000])
async def test_a_stream_that_is_let_go_of_lets_go_of_its_thread(given: int) -> None:
    decoder = ThreadedDecoder(FORMS["mp3"], DecodingThreads())
    await fed(decoder, encoded("mp3")[:given])
    decoder.release()
    decoder.release()
    await until(lambda: threads() == 0)


async def test_a_whole_file_is_read_where_it_lies() -> None:
    stream = encoded("m4a")
    reads: list[int] = []

    def read_at(offset: int, count: int) -> bytes:
        reads.append(offset)
        return stream[offset : offset + count]

    decoder = ThreadedDecoder(FORMS["mp4"], DecodingThreads(), read_at=read_at)
    assert await fed(decoder, stream) == ([], 0)
    assert not reads
    samples, _ = await decoded(decoder, [])
    assert samples.shape[1] > 15_000
    assert max(reads) > len(stream) // 2


async def test_a_whole_file_that_is_let_go_of_is_read_no_more() -> None:
    stream = encoded("m4a", 20.0)
    decoder = ThreadedDecoder(FORMS["mp4"], DecodingThreads(), read_at=lambda at, count: stream[at : at + count])
    await fed(decoder, stream)
    blocks = decoder.close()
    await anext(blocks)
    decoder.release()
    await until(lambda: threads() == 0)


async def test_after_an_error_bytes_are_swallowed() -> None:
    decoder = ThreadedDecoder(FORMS["mp4"], DecodingThreads())
    garbage = b"\x00\x00\x00\x10moov" + b"\xff" * 4000
    await fed(decoder, garbage)
    with pytest.raises(DecodeError, match="no audio"):
        await taken(decoder.close)
    assert await fed(decoder, garbage) == ([], 0)
    assert await taken(decoder.close) == ([], 0)


async def test_no_bytes_need_no_thread() -> None:
    decoder = ThreadedDecoder(FORMS["mp3"], DecodingThreads(0))
    assert await taken(decoder.close) == ([], 0)
    decoder.release()
