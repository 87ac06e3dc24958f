"""Files that claim to be huge."""

import ctypes
import struct
import subprocess
import sys

import pytest

from transcriber.audio.allocation import LARGEST_BYTES, bound_allocations, libav

CLAIMED = 1_500_000_000
MOST_MEGABYTES = 200
"""Of what is needed to decode a small file."""

DECODE = """
import asyncio, resource, sys
from tests.decoding import decoded, opened
from transcriber.audio.decoder import DecodeError

def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 10 if sys.platform == "linux" else 1 << 20)

async def main(stream):
    try:
        samples, _ = await decoded(opened(stream), [stream])
        return samples.shape[1]
    except DecodeError:
        return 0

before = megabytes()
print(asyncio.run(main(sys.stdin.buffer.read())), megabytes() - before)
"""


def chunk(kind: bytes, content: bytes, size: int | None = None) -> bytes:
    return kind + struct.pack("<I", len(content) if size is None else size) + content


INFO = chunk(b"LIST", b"INFO" + chunk(b"INAM", b"name", CLAIMED), CLAIMED + 1_000)
AVI = chunk(b"RIFF", b"AVI " + INFO, CLAIMED + 2_000)
ADPCM = struct.pack("<HHIIHHHH", 0x11, 1, 16_000, 8_110, 256, 4, 2, 505)
WAV = chunk(b"RIFF", b"WAVE" + chunk(b"fmt ", ADPCM) + INFO, CLAIMED + 2_000)


@pytest.mark.parametrize("stream", [AVI, WAV], ids=["avi", "wav"])
def test_a_file_takes_no_more_memory_than_it_needs_whatever_it_claims(stream: bytes) -> None:
    done = subprocess.run([sys.executable, "-c", DECODE], input=stream, capture_output=True, check=True, timeout=60)
    _, grown = done.stdout.split()
    assert float(grown) < MOST_MEGABYTES


def test_nothing_larger_is_allocated() -> None:
    bound_allocations()
    library = libav()
    library.av_malloc.argtypes, library.av_malloc.restype = (ctypes.c_size_t,), ctypes.c_void_p
    library.av_free.argtypes = (ctypes.c_void_p,)
    allocated = library.av_malloc(LARGEST_BYTES // 2)
    assert allocated
    library.av_free(allocated)
    assert not library.av_malloc(LARGEST_BYTES + 1)
