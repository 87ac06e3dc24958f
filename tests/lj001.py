"""The demo recording: its samples, and what is read where in it."""

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests import wavs

DEMO = Path(__file__).parent.parent / "demo"

_LENGTHS_SECONDS = (9.655063, 1.899563, 9.666625, 5.138750, 8.110938, 5.684438, 8.389563, 1.783500)
_GAP_SECONDS = 0.3


@dataclass(frozen=True)
class Passage:
    """A line of the text; seconds from the start of the recording."""

    text: str
    start: float
    end: float


def samples() -> NDArray[np.int16]:
    """At 16 kHz."""
    with wave.open(str(DEMO / "lj001.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def wav(start_seconds: float, stop_seconds: float) -> bytes:
    """A stretch of it as a file."""
    stretch = samples()[round(start_seconds * 16_000) : round(stop_seconds * 16_000)]
    return wavs.wav(stretch.reshape(-1, 1), 16_000)


def passages() -> list[Passage]:
    lines = (DEMO / "lj001.txt").read_text().splitlines()
    found: list[Passage] = []
    start = 0.0
    for line, length in zip(lines, _LENGTHS_SECONDS, strict=True):
        found.append(Passage(line, start, start + length))
        start += length + _GAP_SECONDS
    return found


def words() -> list[Passage]:
    """Each word as a passage, as if all words of a line took equally long."""
    found: list[Passage] = []
    for passage in passages():
        texts = passage.text.split()
        length = (passage.end - passage.start) / len(texts)
        starts = [passage.start + index * length for index in range(len(texts))]
        found += [Passage(text, start, start + length) for text, start in zip(texts, starts, strict=True)]
    return found
