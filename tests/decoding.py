"""Driving decoders as the service does: to the end of every iterator, on behind what is lost."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from transcriber.audio.decoder import MOST_MISSING_SECONDS, Block, DecodeError, Decoder
from transcriber.audio.formats import open_decoder
from transcriber.audio.threaded import DecodingThreads
from transcriber.events import Error, Options

LONGEST_BLOCK = 2.6 * 16_000
"""What a decoder may make at once, with what a resampler held back."""


def opened(stream: bytes, options: Options | None = None, threads: DecodingThreads | None = None) -> Decoder:
    """The decoder for a stream that lies in memory."""
    return open_decoder(options or Options(), lambda offset, count: stream[offset : offset + count], threads)


async def taken(blocks: Callable[[], AsyncIterator[Block]]) -> tuple[list[Block], int]:
    """All blocks, and how often something was lost among them."""
    made: list[Block] = []
    lost = 0
    while True:
        try:
            async for block in blocks():
                assert 0 < block.shape[1] <= LONGEST_BLOCK
                assert block.dtype == np.float32
                # Full scale is 1, but for what a resampler overshoots.
                assert np.abs(block).max() < 4
                made.append(block)
            return made, lost
        except DecodeError as problem:
            if problem.fatal or problem.error.code != "audio_damaged":
                raise
            lost += 1


async def fed(decoder: Decoder, data: bytes) -> tuple[list[Block], int]:
    rest = iter((data,))
    return await taken(lambda: decoder.decode(next(rest, b"")))


async def decoded(decoder: Decoder, pieces: Sequence[bytes]) -> tuple[NDArray[np.float32], int]:
    """All that a stream gives, shape (tracks, samples), and how often something was lost."""
    made: list[Block] = []
    lost = 0
    try:
        for piece in pieces:
            blocks, more = await fed(decoder, piece)
            made, lost = made + blocks, lost + more
        blocks, more = await taken(decoder.close)
        empty = np.empty((decoder.tracks, 0), np.float32)
        return np.concatenate([empty, *made, *blocks], axis=1), lost + more
    finally:
        decoder.release()


async def losses(decoder: Decoder, pieces: Sequence[bytes]) -> tuple[float, list[float | None]]:
    """How many seconds a stream gives, with silence where something is missing; and how long each such stretch is."""
    seconds, found = 0.0, list[float | None]()
    waiting = deque[bytes | None]([*pieces, None])
    try:
        while waiting:
            piece = waiting.popleft()
            try:
                async for block in decoder.close() if piece is None else decoder.decode(piece):
                    seconds += block.shape[1] / 16_000
            except DecodeError as problem:
                if problem.fatal:
                    raise
                missing = problem.missing_seconds or 0.0
                found.append(problem.missing_seconds)
                seconds += missing if missing <= MOST_MISSING_SECONDS else 0.0
                waiting.appendleft(None if piece is None else b"")
        return seconds, found
    finally:
        decoder.release()


async def outcome(stream: bytes, size: int) -> NDArray[np.float32] | Error:
    """What a stream in pieces of that size gives: samples, or the error that is its end."""
    try:
        return (await decoded(opened(stream), cut(stream, size)))[0]
    except DecodeError as problem:
        return problem.error


def cut(stream: bytes, sizes: int | Sequence[int]) -> list[bytes]:
    """Pieces of one size, 0 for all at once, or with edges at these places."""
    if isinstance(sizes, int):
        step = sizes or max(1, len(stream))
        return [stream[start : start + step] for start in range(0, len(stream), step)]
    edges = [0, *sorted(sizes), len(stream)]
    return [stream[start:stop] for start, stop in pairwise(edges)]
