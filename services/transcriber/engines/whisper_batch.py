"""One micro-batch through Whisper: windows, one encoder call, answers, which of them to trust, their words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.engines.engine import Job, Outcome, Recognition, Redo
from transcriber.engines.whisper_backend import Decoding, Whisper
from transcriber.engines.whisper_guard import (
    FULL_FRAMES,
    certain_surplus,
    is_doubtful,
    is_invented,
    is_noise,
    suspect_surplus,
    token_cap,
)
from transcriber.engines.whisper_words import Piece, join_words, timed_words
from transcriber.transcript import Word


@dataclass(frozen=True, slots=True)
class Shape:
    """What the jobs of a batch have in common: all that an answer depends on beside the audio itself."""

    frames: int
    beam_size: int
    prompt: tuple[int, ...]
    language: str | None
    """None: to be detected."""
    translate: bool
    final: bool

    @property
    def trimmed(self) -> bool:
        return self.frames < FULL_FRAMES

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
        answers = [self._judge(row, decoding) for row, decoding in enumerate(self._decode())]
        words = self._align({row: answer for row, answer in enumerate(answers) if answer}) if self._shape.final else {}
        outcomes: list[Outcome] = []
        for row, (job, answer) in enumerate(zip(self._jobs, answers, strict=True)):
            if answer is None:
                outcomes.append(Redo(replace(job, full_context=True)))
                continue
            text, language = self._whisper.text(_tokens(answer)), self._languages[row]
            if self._shape.final:
                outcomes.append(Recognition(text, words.get(row, ()), "aligned", language))
            else:
                outcomes.append(Recognition(text, language=language))
        return outcomes

    def _decode(self) -> list[Decoding]:
        shape = self._shape
        return self._whisper.decode(
            self._encoded,
            [self._whisper.start(shape.prompt, language, shape.task) for language in self._languages],
            beam_size=shape.beam_size,
            max_tokens=token_cap(shape.frames),
        )

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
        return pieces[: len(pieces) - surplus]

    def _align(self, answers: dict[int, list[Piece]]) -> dict[int, tuple[Word, ...]]:
        """The words of answers, by row: one call per language."""
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
                words[row] = timed_words(answers[row], alignment, self._jobs[row].samples.size / SAMPLE_RATE)
        return words


def _tokens(pieces: Sequence[Piece]) -> list[int]:
    return [token for piece in pieces for token in piece.tokens]
