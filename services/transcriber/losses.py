"""What is missing of a stream: how much silence stands for it, and when it is told. Without I/O."""

from transcriber.audio.decoder import MOST_MISSING_SECONDS
from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.events import Damaged

_LEAST_TOLD = SAMPLE_RATE // 10
"""Samples; shorter stretches are told once a second at most."""


class Losses:
    """Of one session; positions in samples. Stretches with no audio between are one."""

    def __init__(self) -> None:
        self._pending: Damaged | None = None
        self._told_to: int | None = None
        """Where the last one that was told ends."""
        self._filled = 0

    def lose(self, at: int, seconds: float | None) -> int:
        """Something is missing at `at`, so many seconds by what the stream says. How much silence is to stand for it:
        in all at most ten minutes more than there is audio, whatever a stream says."""
        missing = 0 if seconds is None else round(seconds * SAMPLE_RATE)
        most = MOST_MISSING_SECONDS * SAMPLE_RATE
        believed = at > 0 and missing <= most and self._filled + missing <= most + at - self._filled
        fill = missing if believed else 0
        before = self._pending
        start = at if before is None else before.at
        disbelieved = before.disbelieved_seconds if before else None
        if seconds is not None and not believed:
            disbelieved = seconds
        self._pending = Damaged(start, at + fill if at + fill > start else None, disbelieved)
        self._filled += fill
        return fill

    def over(self) -> Damaged | None:
        """Audio goes on, or ends: what is to be told of the stretch before, if there is one."""
        pending, self._pending = self._pending, None
        if pending is None:
            return None
        end = pending.at if pending.end is None else pending.end
        rare = self._told_to is None or pending.at >= self._told_to + SAMPLE_RATE
        if not rare and end - pending.at < _LEAST_TOLD:
            return None
        self._told_to = end
        return pending
