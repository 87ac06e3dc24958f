"""What it costs to decode each format as it comes, and how soon.

    make bench-formats ARGS="--seconds 20 --streams 20"

Synthetic sound is encoded by FFmpeg, and decoded in messages of 100 ms as a live client sends them. CPU is that of the
whole process for one stream, in milliseconds per second of audio; memory what a stream adds while many are half
decoded; delay the most audio that was given and had not come out. A minute or two.
"""

import argparse
import asyncio
import gc
import multiprocessing
import platform
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import av
import numpy as np
import psutil

from tests.corpus import RECIPES, WAVS, encoded, wav_of
from tests.decoding import fed, opened, taken
from transcriber.audio.decoder import Decoder
from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.audio.threaded import DecodingThreads

MESSAGE_SECONDS = 0.1


def streams(seconds: float) -> dict[str, Callable[[], bytes]]:
    """Every format by name."""
    wavs = {f"wav {name}": lambda name=name: wav_of(name, 16_000, seconds) for name in WAVS}
    return {**wavs, **{name: lambda name=name: encoded(name, seconds) for name in RECIPES}}


def messages(stream: bytes, seconds: float) -> list[bytes]:
    size = max(1, round(len(stream) * MESSAGE_SECONDS / seconds))
    return [stream[start : start + size] for start in range(0, len(stream), size)]


async def given(decoder: Decoder, message: bytes) -> int:
    """Samples that come of a message; what a recorder left out of a stream is passed over."""
    blocks, _ = await fed(decoder, message)
    return sum(block.shape[1] for block in blocks)


async def cost(stream: bytes, seconds: float) -> tuple[float, float]:
    """CPU milliseconds per second of audio; the longest that audio was held before it came out, in seconds."""
    decoder = opened(stream, threads=DecodingThreads())
    began, sent, samples, delay = _cpu_seconds(), 0.0, 0, 0.0
    for message in messages(stream, seconds):
        samples += await given(decoder, message)
        sent += MESSAGE_SECONDS
        delay = max(delay, sent - samples / SAMPLE_RATE)
    samples += sum(block.shape[1] for block in (await taken(decoder.close))[0])
    decoder.release()
    return 1000 * (_cpu_seconds() - began) * SAMPLE_RATE / samples, delay


def memory(stream: bytes, seconds: float, count: int) -> float:
    """KiB that each of `count` streams adds when it is half decoded.

    Measured in a process of its own: memory that earlier streams gave back would hide it.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(_added, stream, seconds, count).result()


def _added(stream: bytes, seconds: float, count: int) -> float:
    return asyncio.run(_half_decoded(stream, seconds, count))


async def _half_decoded(stream: bytes, seconds: float, count: int) -> float:
    threads, process = DecodingThreads(count + 1), psutil.Process()
    half = messages(stream, seconds)[: round(seconds / MESSAGE_SECONDS / 2)]
    decoders: list[Decoder] = []
    before = 0
    for number in range(count + 1):
        if number == 1:  # what only the first stream loads counts for nobody
            gc.collect()
            before = process.memory_info().rss
        decoders.append(opened(stream, threads=threads))
        for message in half:
            await given(decoders[-1], message)
    gc.collect()
    added = process.memory_info().rss - before
    for decoder in decoders:
        decoder.release()
    for _ in decoders:  # until each thread has ended
        await threads.acquire()
    return added / count / 1024


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20, help="length of each stream")
    parser.add_argument("--streams", type=int, default=20, help="streams at once, for memory")
    parser.add_argument("--rounds", type=int, default=3, help="times that CPU is measured; the median counts")
    arguments = parser.parse_args()
    began = time.monotonic()
    made = {name: make() for name, make in streams(arguments.seconds).items()}
    for stream in made.values():
        await cost(stream, arguments.seconds)  # imports and first allocations count for nobody
    rounds = [{name: await cost(s, arguments.seconds) for name, s in made.items()} for _ in range(arguments.rounds)]
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, PyAV {av.__version__}")
    print(f"{arguments.seconds:g} s each, {arguments.streams} streams for memory\n")
    print("| format | kbit/s | CPU ms per s | of WAV | KiB per stream | delay s |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    wav = float(np.median([measured["wav 16 bits"][0] for measured in rounds]))
    for name, stream in made.items():
        cpu = float(np.median([measured[name][0] for measured in rounds]))
        size = memory(stream, arguments.seconds, arguments.streams)
        at_end = name in RECIPES and RECIPES[name].at_end
        delay = "at the end" if at_end else f"{rounds[0][name][1]:.1f}"
        rate = len(stream) * 8 / arguments.seconds / 1000
        print(f"| {name} | {rate:.0f} | {cpu:.2f} | {cpu / wav:.1f} | {size:.0f} | {delay} |")
    print(f"\nTook {time.monotonic() - began:.0f} s.")


if __name__ == "__main__":
    asyncio.run(main())
