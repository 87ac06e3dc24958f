"""A loaded Whisper model: each step from samples to tokens and times. The one place that knows faster-whisper.

Every method blocks, for up to seconds, and may be called from as many threads as there are workers. NumPy's and
OpenMP's own threads only get in the way of these: set `OPENBLAS_NUM_THREADS` and `OMP_NUM_THREADS` to 1 before NumPy is
imported.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import ctranslate2
import faster_whisper
import numpy as np
from faster_whisper import tokenizer as whisper_tokenizer
from faster_whisper import transcribe as whisper_transcribe
from numpy.typing import NDArray

from transcriber.engines.whisper_guard import FULL_FRAMES, MAX_TOKENS
from transcriber.engines.whisper_words import Alignment, Piece

_ct2: Any = ctranslate2
_tokenizer: Any = whisper_tokenizer
_transcribe: Any = whisper_transcribe

Mel = NDArray[np.float32]
"""Shape (mel bands, frames)."""

VERSIONS = {"faster_whisper": str(faster_whisper.__version__), "ctranslate2": str(ctranslate2.__version__)}

_PROMPT_TOKENS = MAX_TOKENS - 5
"""For keywords and prompt; five more tokens say what is asked for."""
_PROMPT_CHARACTERS = 4000
"""More than so many tokens ever stand for; bounds the work that a client can ask for."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """What the model answers. `log_probability` is the average over the tokens and the end."""

    tokens: tuple[int, ...]
    log_probability: float
    no_speech_probability: float


@dataclass(frozen=True, slots=True)
class Encoded:
    """What the model made of a batch of windows: a StorageView of shape (batch, steps, width)."""

    view: Any

    def rows(self, rows: Sequence[int]) -> "Encoded":
        """Some of the batch."""
        if list(rows) == list(range(self.view.shape[0])):
            return self
        host = self.view.to_device(_ct2.Device.cpu) if self.view.device != "cpu" else self.view
        return Encoded(_ct2.StorageView.from_array(np.ascontiguousarray(np.array(host)[list(rows)])))


class Whisper:
    """A model and its tokenizer. Languages are ISO 639-1 codes as Whisper has them; tasks are its two."""

    def __init__(self, folder: Path, *, device: str = "auto", workers: int = 1) -> None:
        """Loads the model, on `device`: auto, cpu or cuda.

        Raises:
            RuntimeError, ValueError, OSError: the files are no Whisper model, or the device can't be used.
        """
        if device == "auto":
            device = "cuda" if _ct2.get_cuda_device_count() else "cpu"
        self._whisper: Any = faster_whisper.WhisperModel(
            str(folder),
            device=device,
            compute_type="float16" if device == "cuda" else "int8",
            cpu_threads=1,
            num_workers=workers,
            local_files_only=True,
        )
        self._model: Any = self._whisper.model
        self.device = device
        self.compute_type = str(self._model.compute_type)
        self.multilingual = bool(self._model.is_multilingual)
        # faster-whisper names every language that any Whisper has; older models lack the tokens of some.
        self.languages = frozenset(
            str(code)
            for code in self._whisper.supported_languages
            if not self.multilingual or self._whisper.hf_tokenizer.token_to_id(f"<|{code}|>") is not None
        )
        self._tokenizer = lru_cache(maxsize=None)(self._make_tokenizer)
        self._end: int = self._tokenizer("en", "transcribe").eot
        self._suppressed = list(_transcribe.get_suppressed_tokens(self._tokenizer("en", "transcribe"), [-1]))

    def _make_tokenizer(self, language: str, task: str) -> Any:
        return _tokenizer.Tokenizer(self._whisper.hf_tokenizer, self.multilingual, task=task, language=language)

    def prompt_tokens(self, prompt: str | None, keywords: Sequence[str]) -> tuple[int, ...]:
        """Keywords and text that the model takes for what was said before; the end of a long prompt counts."""
        tokenizer = self._tokenizer("en", "transcribe")
        hints = ", ".join(keywords).strip()[:_PROMPT_CHARACTERS]
        text = (prompt or "").strip()[-_PROMPT_CHARACTERS:]
        first: list[int] = tokenizer.encode(f" {hints}")[:_PROMPT_TOKENS] if hints else []
        then: list[int] = tokenizer.encode(f" {text}") if text else []
        return (*first, *then[max(len(first) + len(then) - _PROMPT_TOKENS, 0) :])

    def features(self, samples: NDArray[np.float32], frames: int) -> tuple[Mel, int]:
        """A window of `frames` with the audio at its start, and how many frames that fills."""
        mel: Mel = self._whisper.feature_extractor(samples)
        filled = min(mel.shape[1], frames)
        # The audio's own floor, not zero: zero is loud in these units, and words near the end are lost to it.
        window = np.full((mel.shape[0], frames), mel.min(), dtype=np.float32)
        window[:, :filled] = mel[:, :filled]
        return window, filled

    def encode(self, mels: Sequence[Mel]) -> Encoded:
        """Windows of equal length, at most 3000 frames."""
        assert all(mel.shape[1] <= FULL_FRAMES for mel in mels)
        return Encoded(self._model.encode(_ct2.StorageView.from_array(np.stack(mels))))

    def detect_languages(self, encoded: Encoded) -> list[str]:
        """The most probable language of each window; of a multilingual model only."""
        return [str(ranked[0][0]).strip("<|>") for ranked in self._model.detect_language(encoded.view)]

    def decode(
        self, encoded: Encoded, prompts: Sequence[Sequence[int]], *, beam_size: int, max_tokens: int
    ) -> list[Decoding]:
        """One answer per window. Prompts must be of equal length; see `start`."""
        results = self._model.generate(
            encoded.view,
            [list(prompt) for prompt in prompts],
            beam_size=beam_size,
            # CTranslate2 stops at half of this, and at this less the prompt.
            max_length=max_tokens + max(max_tokens, len(prompts[0])),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=self._suppressed,
        )
        return [self._decoding(result) for result in results]

    def _decoding(self, result: Any) -> Decoding:
        tokens: list[int] = result.sequences_ids[0]
        # The score is the mean over the tokens; the end of the text was decided upon too.
        average = float(result.scores[0]) * len(tokens) / (len(tokens) + 1)
        text = tuple(token for token in tokens if token < self._end)
        return Decoding(text, average, float(result.no_speech_prob))

    def start(self, prompt: Sequence[int], language: str, task: str) -> list[int]:
        """What decoding starts with, after `prompt` (from `prompt_tokens`)."""
        tokenizer = self._tokenizer(language, task)
        previous = [tokenizer.sot_prev, *prompt] if prompt else []
        return [*previous, *tokenizer.sot_sequence, tokenizer.no_timestamps]

    def align(
        self, encoded: Encoded, tokens: Sequence[Sequence[int]], filled: Sequence[int], *, language: str, task: str
    ) -> list[Alignment]:
        """Where in each window its tokens were heard. No window's tokens may be empty."""
        sequence = self._tokenizer(language, task).sot_sequence
        results = self._model.align(encoded.view, sequence, [list(text) for text in tokens], list(filled))
        return [Alignment(tuple(result.alignments), tuple(result.text_token_probs)) for result in results]

    def pieces(self, tokens: Sequence[int]) -> list[Piece]:
        """Tokens in the smallest groups that are text: a character may take several."""
        texts, groups = self._tokenizer("en", "transcribe").split_tokens_on_unicode(list(tokens))
        return [Piece(text, tuple(group)) for text, group in zip(texts, groups, strict=True)]

    def text(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer("en", "transcribe").decode(list(tokens))).strip()
