"""How fast something may go on for long, and how far it may run ahead."""


class Pace:
    """A token bucket: `per_second` on average, and a second's worth at once."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._tokens = per_second
        self._at: float | None = None
        """When the tokens were counted."""

    def step(self, now: float) -> float:
        """One more, at the time `now` in seconds: how many seconds to wait before the next."""
        passed = 0.0 if self._at is None else now - self._at
        self._tokens = min(self._per_second, self._tokens + passed * self._per_second) - 1
        self._at = now
        return max(0.0, -self._tokens / self._per_second)
