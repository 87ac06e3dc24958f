"""One micro-batch through Whisper: windows, one encoder call, answers, which of them to trust, their words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from transcriber.audio.levels import levels
from transcriber.audio.pcm import FRAME_SAMPLES, SAMPLE_RATE
from transcriber.engines.engine import Job, Outcome, Recognition, Redo, Samples
from transcriber.engines.whisper_backend import Decoding, Whisper
from transcriber.engines.whisper_guard import (
    HOLE_SECONDS,
    certain_surplus,
    endless_surplus,
    is_doubtful,
    is_elsewhere,
    is_invented,
    is_noise,
    longest_hole,
    suspect_surplus,
    token_cap,
    trimmed_frames,
)
from transcriber.engines.whisper_words import Piece, join_words, timed_words
from transcriber.transcript import Word

Answers = dict[int, list[Piece] | None]
"""What to believe of the answer in each row; None: nothing, before the audio was heard with the full window."""


_LEAST_PROGRESS_SECONDS = 0.5
"""An answer that goes less far says nothing of where the next would begin; bounds how often one is asked for."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the jobs of a batch have in common: all that an answer depends on beside the audio itself."""

    frames: int
    trimmed: bool
    """Whether the window is as short as the audio allows, so that an answer may need a second look."""
    beam_size: int
    prompt: tuple[int, ...]
    language: str | None
    """None: to be detected."""
    translate: bool
    final: bool

    @property
    def task(self) -> str:
        return "translate" if self.translate else "transcribe"


class WhisperBatch:
    """Jobs of one shape, encoded together. What one of them yields never depends on the others. Blocks."""

    def __init__(self, whisper: Whisper, jobs: Sequence[Job], shape: Shape) -> None:
        self._whisper = whisper
        self._jobs = jobs
        self._shape = shape
        windows = [whisper.features(job.samples, shape.frames) for job in jobs]
        self._filled = [filled for _, filled in windows]
        self._encoded = whisper.encode([window for window, _ in windows])
        self._languages = [shape.language] * len(jobs) if shape.language else whisper.detect_languages(self._encoded)

    def recognize(self) -> list[Outcome]:
        """One outcome per job, in order."""
        rows = range(len(self._jobs))
        answers = self._answers(rows, self._shape.beam_size)
        words = self._align(answers) if self._shape.final else {}
        self._complete(answers, words)
        outcomes: list[Outcome] = []
        for row, job in enumerate(self._jobs):
            answer = answers[row]
            if answer is None:
                outcomes.append(Redo(replace(job, full_context=True)))
                continue
            text, language = self._whisper.text(_tokens(answer)), self._languages[row]
            if self._shape.final:
                outcomes.append(self._continued(job, Recognition(text, words.get(row, ()), "aligned", language)))
            else:
                outcomes.append(Recognition(text, language=language))
        return outcomes

    def _complete(self, answers: Answers, words: dict[int, tuple[Word, ...]]) -> None:
        """Ask for answers with holes once more, step by step, and keep those that have smaller ones."""
        holes = {row: self._hole(row, timed) for row, timed in words.items()}
        incomplete = [row for row, hole in holes.items() if hole > HOLE_SECONDS]
        if not incomplete or self._shape.beam_size == 1:
            return
        others = self._answers(incomplete, beam_size=1)
        for row, timed in self._align(others).items():
            if timed and self._hole(row, timed) < holes[row]:
                answers[row], words[row] = others[row], timed

    def _continued(self, job: Job, heard: Recognition) -> Recognition:
        """An answer that still stops early, and what is heard in the rest of its audio alone."""
        end = heard.words[-1].end if heard.words else 0.0
        cut = int(end * SAMPLE_RATE)
        if end < _LEAST_PROGRESS_SECONDS or job.samples.size - cut <= HOLE_SECONDS * SAMPLE_RATE:
            return heard
        rest = replace(job, samples=job.samples[cut:])
        frames = trimmed_frames(rest.samples.size) if self._shape.trimmed else self._shape.frames
        (after,) = WhisperBatch(self._whisper, [rest], replace(self._shape, frames=frames)).recognize()
        if not isinstance(after, Recognition) or not after.words:
            return heard
        later = tuple(replace(word, start=word.start + end, end=word.end + end) for word in after.words)
        return replace(heard, text=f"{heard.text} {after.text}", words=(*(heard.words or ()), *later))

    def _hole(self, row: int, words: Sequence[Word]) -> float:
        return longest_hole([word.start for word in words], self._seconds(row))

    def _seconds(self, row: int) -> float:
        return self._jobs[row].samples.size / SAMPLE_RATE

    def _answers(self, rows: Sequence[int], beam_size: int) -> Answers:
        shape = self._shape
        decodings = self._whisper.decode(
            self._encoded.rows(rows),
            [self._whisper.start(shape.prompt, self._languages[row], shape.task) for row in rows],
            beam_size=beam_size,
            max_tokens=token_cap(shape.frames),
        )
        return {row: self._judge(row, decoding) for row, decoding in zip(rows, decodings, strict=True)}

    def _judge(self, row: int, decoding: Decoding) -> list[Piece] | None:
        """What to believe of an answer; None: nothing, before the audio was heard with the full window."""
        sure = decoding.log_probability
        if is_noise(sure, decoding.no_speech_probability):
            return []
        again = self._shape.final and self._shape.trimmed
        if again and is_doubtful(sure):
            return None
        if is_invented(sure):
            return []
        pieces = join_words(self._whisper.pieces(decoding.tokens), self._languages[row])
        words = [piece.text for piece in pieces]
        surplus = suspect_surplus(words) if self._shape.trimmed else certain_surplus(words)
        cut_off = len(decoding.tokens) >= token_cap(self._shape.frames)
        if again and (surplus or cut_off):
            return None
        if cut_off:
            surplus = max(surplus, endless_surplus(words))
        if is_elsewhere(sure, decoding.no_speech_probability, *_loudness(self._jobs[row].samples)):
            return []
        return pieces[: len(pieces) - surplus]

    def _align(self, judged: Answers) -> dict[int, tuple[Word, ...]]:
        """The words of answers, by row: one call per language."""
        answers = {row: answer for row, answer in judged.items() if answer}
        words: dict[int, tuple[Word, ...]] = {}
        for language in {self._languages[row] for row in answers}:
            rows = [row for row in answers if self._languages[row] == language]
            alignments = self._whisper.align(
                self._encoded.rows(rows),
                [_tokens(answers[row]) for row in rows],
                [self._filled[row] for row in rows],
                language=language,
                task=self._shape.task,
            )
            for row, alignment in zip(rows, alignments, strict=True):
                words[row] = timed_words(answers[row], alignment, self._seconds(row))
        return words


def _loudness(samples: Samples) -> tuple[float, float]:
    """The level of a stretch in dBFS, and by how many decibels it varies; see `is_elsewhere`."""
    whole = samples.size - samples.size % FRAME_SAMPLES
    quiet, loud = np.percentile(levels(samples[:whole].reshape(-1, FRAME_SAMPLES)), (10, 95)) if whole else (0.0, 0.0)
    return float(levels(samples)), float(loud - quiet)


def _tokens(pieces: Sequence[Piece]) -> list[int]:
    return [token for piece in pieces for token in piece.tokens]
