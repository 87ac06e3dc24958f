"""How much FFmpeg may allocate at once: its demuxers allocate what a file claims, before they read any of it."""

import ctypes
import importlib.util
from functools import cache

LARGEST_BYTES = 64 << 20
"""The index of 15 hours of AAC takes as much, which is the largest table that there is. FFmpeg allows itself 2 GiB."""


@cache
def bound_allocations() -> None:
    """Holds for the whole process, from now on; a demuxer that wants more is out of memory, and skips or refuses."""
    library = libav()
    library.av_max_alloc.argtypes = (ctypes.c_size_t,)
    library.av_max_alloc.restype = None
    library.av_max_alloc(LARGEST_BYTES)


def libav() -> ctypes.CDLL:
    """PyAV's own FFmpeg. PyAV has no name for this limit, but names are looked for in all that its extension is linked
    with."""
    spec = importlib.util.find_spec("av._core")
    assert spec is not None and spec.origin is not None
    return ctypes.CDLL(spec.origin)
