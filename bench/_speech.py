"""Speech with the text that was read: a folder of clips, or the demo's recording cut into its passages."""

import json
import wave
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from transcriber.audio.pcm import SAMPLE_RATE

DEMO = Path(__file__).parent.parent / "demo"
_PAUSE_SAMPLES = int(0.25 * SAMPLE_RATE)


@dataclass(frozen=True)
class Clip:
    """Samples are 16 kHz mono, float32 in [-1, 1]."""

    name: str
    samples: NDArray[np.float32]
    text: str


def load_clips(folder: str | None = None) -> list[Clip]:
    """The clips that `manifest.jsonl` in `folder` names, in its order; without a folder, the demo's passages."""
    if folder is None:
        return demo_clips()
    lines = (Path(folder) / "manifest.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines if line.strip()]
    return [Clip(entry["file"], decode(Path(folder) / entry["file"]), entry["text"]) for entry in entries]


def decode(file: Path) -> NDArray[np.float32]:
    """Any audio file as 16 kHz mono samples."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    with av.open(str(file)) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    frames += resampler.resample(None)
    samples = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    return samples.astype(np.float32) / 32768


def demo_clips() -> list[Clip]:
    """The passages of the demo, which are joined with silence of exact zeros."""
    with wave.open(str(DEMO / "lj001.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768
    loud = np.flatnonzero(samples)
    gaps = np.flatnonzero(np.diff(loud) >= _PAUSE_SAMPLES)
    starts = [loud[0], *(loud[gap + 1] for gap in gaps)]
    ends = [*(loud[gap] + 1 for gap in gaps), loud[-1] + 1]
    texts = (DEMO / "lj001.txt").read_text().splitlines()
    return [
        Clip(f"lj001-{number}", samples[start:end], text)
        for number, (start, end, text) in enumerate(zip(starts, ends, texts, strict=True), 1)
    ]
