"""Speech in any language from eSpeak NG, which a package brings along: flat, but Whisper understands it."""

import ctypes
from functools import cache
from typing import Any

import espeakng_loader
import numpy as np
import soxr

from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.engines.engine import Samples

_SYNCHRONOUS = 2
_UTF8 = 1
_RATE = 1
_WORDS_PER_MINUTE = 140

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


@cache
def _library() -> tuple[Any, int]:
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
    assert rate > 0
    return library, rate


def say(text: str, language: str) -> Samples:
    """`text`, spoken by the voice of a language."""
    library, rate = _library()
    blocks: list[np.ndarray] = []

    def take(samples: Any, count: int, _: object) -> int:
        if count > 0:
            blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    callback = _Callback(take)
    library.espeak_SetSynthCallback(callback)
    assert library.espeak_SetVoiceByName(language.encode()) == 0
    library.espeak_SetParameter(_RATE, _WORDS_PER_MINUTE, 0)
    data = text.encode()
    assert library.espeak_Synth(data, len(data) + 1, 0, 0, 0, _UTF8, None, None) == 0
    library.espeak_Synchronize()
    return soxr.resample(np.concatenate(blocks).astype(np.float32) / 32768, rate, SAMPLE_RATE)
