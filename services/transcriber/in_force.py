"""Which options hold where: an utterance keeps those that it begins with, whenever that is known."""

from collections import deque
from dataclasses import replace
from typing import Any

from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.events import Options

_REACH_SAMPLES = 15 * SAMPLE_RATE
"""How long before the end of the audio an utterance may begin that was not known before: where a long one is split."""


class InForce:
    """The options of one session."""

    def __init__(self, options: Options) -> None:
        self.now = options
        self._past: deque[tuple[int, Options]] = deque()
        """Those before, and the sample up to which they held."""

    def start(self, options: Options) -> None:
        """They hold from the first sample on."""
        self.now = options
        self._past.clear()

    def change(self, changes: dict[str, Any], at: int) -> None:
        """Some differ from the sample `at` on, which is none before a former one."""
        while self._past and self._past[0][0] < at - _REACH_SAMPLES:
            self._past.popleft()
        self._past.append((at, self.now))
        self.now = replace(self.now, **changes)

    def at(self, sample: int) -> Options:
        """Those that hold at a sample, not long before the last change."""
        return next((options for until, options in self._past if sample < until), self.now)
