"""A container's own times against what was decoded of it: where they are ahead, audio is missing."""

from transcriber.audio.decoder import MOST_MISSING_SECONDS


class Timeline:
    """Of one track, in seconds; times of a container begin anywhere.

    A gap must show twice: against what came just before, so that a clock that is a little fast never adds up to one,
    and against the beginning, so that times that jump forward and back leave one and not many.
    """

    def __init__(self) -> None:
        self._passed = 0.0
        self._zero: float | None = None
        self._last = (0.0, 0.0)
        """A time, and what had passed then."""

    def passed(self, seconds: float) -> None:
        """So much is decoded."""
        self._passed += seconds

    def gap(self, time: float, least: float) -> float:
        """How much is missing before what begins at `time`; 0 if that is less than `least`. From then on it has passed,
        unless it is too long to be believed."""
        if self._zero is None:
            self._zero = time - self._passed
            self._last = (time, self._passed)
        since = self._passed - self._last[1]
        missing = min(time - self._last[0] - since, time - self._zero - self._passed)
        missing = missing if missing >= least else 0.0
        if missing <= MOST_MISSING_SECONDS:
            self._passed += missing
        self._last = (time, self._passed)
        return missing
