"""A Whisper that follows a script instead of audio: which sample comes first says what is heard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.engines.whisper_backend import Decoding
from transcriber.engines.whisper_guard import FULL_FRAMES
from transcriber.engines.whisper_words import Alignment, Piece


@dataclass(frozen=True)
class Line:
    """What is heard; in a full window and by a narrow beam, if that differs; and how sure Whisper is."""

    text: str
    full_text: str | None = None
    greedy_text: str | None = None
    log_probability: float = -0.2
    no_speech_probability: float = 0.02
    language: str = "en"


class ScriptedEncoding:
    """Windows, as they were given."""

    def __init__(self, windows: Sequence[NDArray[np.float32]]) -> None:
        self.windows = windows
        self.view = SimpleNamespace(shape=(len(windows),))

    def rows(self, rows: Sequence[int]) -> "ScriptedEncoding":
        return ScriptedEncoding([self.windows[row] for row in rows])


class ScriptedWhisper:
    """Tokens are words; each word of an answer takes a tenth of a second."""

    device = "cpu"
    compute_type = "int8"

    def __init__(self, lines: Mapping[int, Line], languages: Sequence[str] = ("en",)) -> None:
        self.languages = frozenset(languages)
        self.multilingual = len(languages) > 1
        self.decoded: list[dict[str, object]] = []
        """What was asked of the decoder, batch by batch."""
        self.failure: Exception | None = None
        self._lines = dict(lines)
        self._words: list[str] = []

    @staticmethod
    def audio(line: int, seconds: float = 2.0) -> NDArray[np.float32]:
        """Audio in which a line of the script is heard."""
        return np.full(int(seconds * SAMPLE_RATE), (line + 1) / 1000, np.float32)

    def _line(self, window: NDArray[np.float32]) -> Line:
        return self._lines[round(float(window[0, 0]) * 1000) - 1]

    def prompt_tokens(self, prompt: str | None, keywords: Sequence[str]) -> tuple[int, ...]:
        return tuple(self._token(word) for word in (*keywords, *(prompt or "").split()))

    def features(self, samples: NDArray[np.float32], frames: int) -> tuple[NDArray[np.float32], int]:
        window = np.zeros((1, frames), np.float32)
        window[0, 0] = samples[0]
        return window, min(len(samples) // 160, frames)

    def encode(self, mels: Sequence[NDArray[np.float32]]) -> ScriptedEncoding:
        if self.failure is not None:
            raise self.failure
        return ScriptedEncoding(list(np.stack(mels)))

    def detect_languages(self, encoded: ScriptedEncoding) -> list[str]:
        return [self._line(window).language for window in encoded.windows]

    def start(self, prompt: Sequence[int], language: str, task: str) -> list[object]:
        return [*prompt, language, task]

    def decode(
        self, encoded: ScriptedEncoding, prompts: Sequence[Sequence[object]], *, beam_size: int, max_tokens: int
    ) -> list[Decoding]:
        self.decoded.append({"prompts": list(prompts), "beam_size": beam_size, "max_tokens": max_tokens})
        return [self._decoding(window, beam_size, max_tokens) for window in encoded.windows]

    def _decoding(self, window: NDArray[np.float32], beam_size: int, max_tokens: int) -> Decoding:
        line = self._line(window)
        text = line.text
        if window.shape[1] == FULL_FRAMES and line.full_text is not None:
            text = line.full_text
        elif beam_size == 1 and line.greedy_text is not None:
            text = line.greedy_text
        tokens = tuple(self._token(word) for word in text.split())
        return Decoding(tokens[:max_tokens], line.log_probability, line.no_speech_probability)

    def _token(self, word: str) -> int:
        if word not in self._words:
            self._words.append(word)
        return self._words.index(word)

    def pieces(self, tokens: Sequence[int]) -> list[Piece]:
        return [Piece(f" {self._words[token]}", (token,)) for token in tokens]

    def text(self, tokens: Sequence[int]) -> str:
        return " ".join(self._words[token] for token in tokens)

    def align(
        self, encoded: ScriptedEncoding, tokens: Sequence[Sequence[int]], filled: Sequence[int], **_: str
    ) -> list[Alignment]:
        assert len(encoded.windows) == len(tokens) == len(filled)
        return [Alignment([(index, 5 * index) for index in range(len(text) + 1)], [0.5] * len(text)) for text in tokens]
