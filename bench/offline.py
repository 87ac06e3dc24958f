"""Accuracy on whole clips: the local engine at its settings against the plain library, same model, full window.

    make bench-offline ARGS="--speech DIR"

DIR holds audio files and `manifest.jsonl`: an object per line with `file` and `text`. Without it, the demo's recording
is taken passage by passage: enough to see that it works, too little to compare.
"""

import argparse
import asyncio
import os
import platform
import random
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import jiwer
import numpy as np
from faster_whisper import WhisperModel
from whisper_normalizer.english import EnglishTextNormalizer

from bench._speech import Clip, load_clips
from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.engines.engine import EngineError, Job, Redo
from transcriber.engines.local_whisper import LocalWhisper
from transcriber.engines.whisper_backend import VERSIONS
from transcriber.engines.whisper_models import locate
from transcriber.events import Options

SEED = 1
RESAMPLINGS = 1000

Transcriber = Callable[[Clip], str]


@dataclass
class Score:
    """Of one configuration, clip by clip."""

    name: str
    errors: list[int]
    words: list[int]
    seconds: float
    redone: int

    @property
    def wer(self) -> float:
        return 100 * sum(self.errors) / sum(self.words)


class Own:
    """The engine as the service uses it, job by job; counts what it wants to hear again."""

    def __init__(self, engine: LocalWhisper, *, final: bool) -> None:
        self._engine = engine
        self._final = final
        self.redone = 0

    def __call__(self, clip: Clip) -> str:
        job = Job(clip.samples, Options(language="en"), self._final, deadline=float("inf"))
        return asyncio.run(self._recognize(job))

    async def _recognize(self, job: Job) -> str:
        (outcome,) = await self._engine.recognize([job])
        if isinstance(outcome, Redo):
            self.redone += 1
            return await self._recognize(outcome.job)
        if isinstance(outcome, EngineError):
            raise outcome
        return outcome.text


class Plain:
    """The library alone: full window, temperature 0, nothing from one clip to the next."""

    def __init__(self, model: Any, beam_size: int) -> None:
        self._model = model
        self._beam_size = beam_size

    def __call__(self, clip: Clip) -> str:
        segments, _ = self._model.transcribe(
            clip.samples,
            language="en",
            beam_size=self._beam_size,
            temperature=0,
            condition_on_previous_text=False,
        )
        return "".join(segment.text for segment in segments)


def score(name: str, transcribe: Transcriber, clips: Iterable[Clip], verbose: bool) -> Score:
    normalize = EnglishTextNormalizer()
    result = Score(name, [], [], 0.0, 0)
    for clip in clips:
        before = time.process_time()
        text = transcribe(clip)
        result.seconds += time.process_time() - before
        said, heard = normalize(clip.text), normalize(text)
        measured = jiwer.process_words(said, heard)
        errors = measured.substitutions + measured.deletions + measured.insertions
        result.errors.append(errors)
        result.words.append(len(said.split()))
        if verbose and errors:
            print(f"{name} {clip.name} {errors}: {heard}", file=sys.stderr)
    result.redone = getattr(transcribe, "redone", 0)
    return result


def interval(first: Score, second: Score) -> tuple[float, float]:
    """95 % of the difference in WER of two configurations, by bootstrap over the clips."""
    rng = random.Random(SEED)
    differences: list[float] = []
    for _ in range(RESAMPLINGS):
        drawn = rng.choices(range(len(first.words)), k=len(first.words))
        words = sum(first.words[index] for index in drawn)
        errors = sum(first.errors[index] - second.errors[index] for index in drawn)
        differences.append(100 * errors / words)
    low, high = np.percentile(differences, [2.5, 97.5])
    return float(low), float(high)


def table(scores: Sequence[Score], seconds: float) -> str:
    reference = scores[0]
    rows = [
        "| configuration | WER % | against the first | 95 % | errors | redone | CPU s | CPU s per audio s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in scores:
        low, high = interval(each, reference)
        rows.append(
            f"| {each.name} | {each.wer:.2f} | {each.wer - reference.wer:+.2f} | {low:+.2f} to {high:+.2f} "
            f"| {sum(each.errors)} | {each.redone} | {each.seconds:.1f} | {each.seconds / seconds:.3f} |"
        )
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", metavar="DIR", help="folder of clips with manifest.jsonl")
    parser.add_argument("--model", default="", help="as LOCAL_MODEL")
    parser.add_argument("--verbose", action="store_true", help="show what was heard wrong")
    arguments = parser.parse_args()

    clips = load_clips(arguments.speech)
    seconds = sum(clip.samples.size for clip in clips) / SAMPLE_RATE
    files = locate(arguments.model)
    plain: Any = WhisperModel(str(files.folder), device="cpu", compute_type="int8", cpu_threads=1)
    engine = LocalWhisper.load(arguments.model, device="cpu")
    print(f"{len(clips)} clips, {seconds:.0f} s; {files.name}; about {seconds * 0.45:.0f} s of work")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {VERSIONS}\n")
    configurations: dict[str, Transcriber] = {
        "library, beam 5": Plain(plain, 5),
        "library, beam 1": Plain(plain, 1),
        "engine, finals (beam 5)": Own(engine, final=True),
        "engine, partials (beam 1)": Own(engine, final=False),
    }
    scores = [score(name, transcribe, clips, arguments.verbose) for name, transcribe in configurations.items()]
    print(table(scores, seconds))
    asyncio.run(engine.close())


if __name__ == "__main__":
    main()
