"""How much each key's owner uses, against what the key allows; in this process."""

import math
import time
from collections import defaultdict, deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from transcriber.api_keys import KeyLimits
from transcriber.events import Error

BUSY_RETRY_SECONDS = 5
"""For a session to end; nobody knows when one does."""
_WINDOW_SECONDS = 60.0
AUDIO_EXCEEDED = Error("key_audio_exceeded", "The key has used up its audio of the day (UTC).")


class Quotas:
    """Counts by owner. What is going on now is asked of whoever knows it."""

    def __init__(
        self,
        running: Callable[[str], int],
        audio_seconds: Callable[[str], float],
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`running` is how many sessions an owner has, `audio_seconds` how much audio they have had so far."""
        self._running = running
        self._running_seconds = audio_seconds
        self._clock = clock
        self._now = now
        self._begun = defaultdict[str, deque[float]](deque)
        self._day = now().date()
        self._ended_seconds = defaultdict[str, float](float)
        """Of the sessions of `_day` that are over."""

    def refusal(self, owner: str, limits: KeyLimits, *, waits: bool = False) -> tuple[Error, int] | None:
        """Why an owner can begin no session now, and in how many seconds they may ask again. One that `waits` for its
        turn is no session at once with others."""
        running = 0 if waits else self._running(owner)
        if limits.sessions is not None and running >= limits.sessions:
            return Error(
                "key_sessions_exceeded", "The key has as many sessions as it may have at once."
            ), BUSY_RETRY_SECONDS
        if limits.sessions_per_minute is not None and (wait := self._wait(owner, limits.sessions_per_minute)):
            return Error("key_rate_exceeded", "The key has begun as many sessions as it may within a minute."), wait
        left = self.seconds_left(owner, limits)
        if left is not None and left <= 0:
            return AUDIO_EXCEEDED, self._to_midnight()
        return None

    def seconds_left(self, owner: str, limits: KeyLimits) -> float | None:
        """Audio that an owner may still send today; None without a limit."""
        if limits.audio_seconds_per_day is None:
            return None
        self._turn_day()
        return limits.audio_seconds_per_day - self._ended_seconds[owner] - self._running_seconds(owner)

    def began(self, owner: str) -> None:
        """A session of theirs has begun."""
        self._begun[owner].append(self._clock())

    def used(self, owner: str, seconds: float) -> None:
        """A session of theirs is over, and had so much audio."""
        self._turn_day()
        self._ended_seconds[owner] += seconds

    def _wait(self, owner: str, allowed: int) -> int:
        """Seconds until another session may begin; 0 when it may now."""
        begun, now = self._begun[owner], self._clock()
        while begun and begun[0] <= now - _WINDOW_SECONDS:
            begun.popleft()
        if len(begun) < allowed:
            return 0
        if not allowed:
            return int(_WINDOW_SECONDS)
        return max(1, math.ceil(begun[-allowed] + _WINDOW_SECONDS - now))

    def _turn_day(self) -> None:
        if (today := self._now().date()) != self._day:
            self._day = today
            self._ended_seconds.clear()

    def _to_midnight(self) -> int:
        now = self._now()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return math.ceil((midnight - now).total_seconds())
