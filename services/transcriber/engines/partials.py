"""When an open utterance is worth another partial: pure, one object per utterance."""

from transcriber.audio.pcm import samples_of_ms

FIRST_AFTER_MS = 500
"""Of speech, before the first partial."""
EVERY_MS = 1000
"""Of audio, between partials."""
PAID_BUDGET = 2.0
"""Audio sent for one utterance, partials and final together, as a multiple of the utterance."""


class PartialPolicy:
    """Counts what was sent of one utterance. Lengths are samples."""

    def __init__(self, *, paid: bool) -> None:
        self._paid = paid
        self._sent = 0
        self._last_end = 0

    def due(self, *, voiced: int, start: int, end: int) -> bool:
        """Whether audio from `start` to `end`, with so much speech in it, should be sent now."""
        if voiced < samples_of_ms(FIRST_AFTER_MS):
            return False
        if self._last_end and end - self._last_end < samples_of_ms(EVERY_MS):
            return False
        length = end - start
        return not self._paid or self._sent + 2 * length <= PAID_BUDGET * length

    def sent(self, *, start: int, end: int) -> None:
        """Audio from `start` to `end` was sent."""
        self._sent += end - start
        self._last_end = end
