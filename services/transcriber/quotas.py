"""How much each key's owner uses, against what the key allows: in this process, and in those that share its store."""

import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from transcriber.api_keys import KeyLimits
from transcriber.events import Error

BUSY_RETRY_SECONDS = 5
"""For a session to end; nobody knows when one does."""
_WINDOW_SECONDS = 60.0
AUDIO_EXCEEDED = Error("key_audio_exceeded", "The key has used up its audio of the day (UTC).")


@dataclass(frozen=True, slots=True)
class Tally:
    """What an owner has used today, and what goes on."""

    ended_seconds: float = 0.0
    """Audio of sessions that are over, but for those in `audio_seconds`."""
    audio_seconds: Mapping[str, float] = field(default_factory=dict[str, float])
    """By session: those that go on, and those over that another process began. Two processes can know one of them."""
    running: frozenset[str] = frozenset()
    """The sessions that count as at once."""
    begun: tuple[float, ...] = ()
    """When sessions began within the last minute, as Unix times."""

    @property
    def seconds(self) -> float:
        """Audio of all."""
        return self.ended_seconds + sum(self.audio_seconds.values())

    @classmethod
    def total(cls, parts: Iterable["Tally"]) -> "Tally":
        """Of several processes: of a session that two know, what the one says that heard more."""
        found = list(parts)
        audio: dict[str, float] = {}
        for part in found:
            for session, seconds in part.audio_seconds.items():
                audio[session] = max(seconds, audio.get(session, 0.0))
        return cls(
            sum(part.ended_seconds for part in found),
            audio,
            frozenset[str]().union(*(part.running for part in found)),
            tuple(sorted(moment for part in found for moment in part.begun)),
        )


class Elsewhere(Protocol):
    """What other processes count."""

    def of(self, owner: str) -> Tally:
        """As far as it is known."""
        ...

    async def look(self) -> None:
        """Learn what they count now."""
        ...


class Quotas:
    """Counts by owner. What is going on now is asked of whoever knows it."""

    def __init__(
        self,
        audio_seconds: Callable[[str], Mapping[str, float]],
        running: Callable[[str], frozenset[str]],
        elsewhere: Elsewhere,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`audio_seconds` is how much audio each session and job of an owner has had so far, of those that go on;
        `running` which of them count as at once."""
        self._audio_seconds = audio_seconds
        self._running = running
        self._elsewhere = elsewhere
        self._now = now
        self._begun = defaultdict[str, deque[float]](deque)
        self._day = now().date()
        self._ended_seconds = defaultdict[str, float](float)
        """Of the sessions of `_day` that are over."""
        self._adopted = defaultdict[str, dict[str, float]](dict)
        """Of those that another process began, and counted as far as it came."""
        self.changes = 0
        """How often something has begun or ended: a session, or a day."""

    async def look_around(self, limits: KeyLimits) -> None:
        """Learn what other processes count, if that can matter for these limits."""
        if limits.shared:
            await self._elsewhere.look()

    def refusal(self, owner: str, limits: KeyLimits, *, waits: bool = False) -> tuple[Error, int] | None:
        """Why an owner can begin no session now, and in how many seconds they may ask again. One that `waits` for its
        turn is no session at once with others."""
        if not limits.shared:
            return None
        tally = self._everywhere(owner)
        if limits.sessions is not None and (0 if waits else len(tally.running)) >= limits.sessions:
            return Error(
                "key_sessions_exceeded", "The key has as many sessions as it may have at once."
            ), BUSY_RETRY_SECONDS
        if limits.sessions_per_minute is not None and (wait := self._wait(tally.begun, limits.sessions_per_minute)):
            return Error("key_rate_exceeded", "The key has begun as many sessions as it may within a minute."), wait
        if limits.audio_seconds_per_day is not None and tally.seconds >= limits.audio_seconds_per_day:
            return AUDIO_EXCEEDED, self._to_midnight()
        return None

    def seconds_left(self, owner: str, limits: KeyLimits) -> float | None:
        """Audio that an owner may still send today; None without a limit."""
        if limits.audio_seconds_per_day is None:
            return None
        return limits.audio_seconds_per_day - self._everywhere(owner).seconds

    def began(self, owner: str) -> None:
        """A session of theirs has begun."""
        self._begun[owner].append(self._now().timestamp())
        self.changes += 1

    def used(self, owner: str, seconds: float, *, adopted: str | None = None) -> None:
        """A session of theirs is over, and had so much audio; `adopted` is its id if another process began it."""
        self._turn_day()
        if adopted is None:
            self._ended_seconds[owner] += seconds
        else:
            self._adopted[owner][adopted] = seconds
        self.changes += 1

    def tallies(self, going_on: Iterable[str]) -> dict[str, Tally]:
        """What is counted in this process, of the owners of sessions that go on and of all others."""
        self._turn_day()
        owners = {*going_on, *self._ended_seconds, *self._adopted, *self._begun}
        found = {owner: self._here(owner) for owner in owners}
        return {owner: tally for owner, tally in found.items() if tally != Tally()}

    def _everywhere(self, owner: str) -> Tally:
        here, elsewhere = self._here(owner), self._elsewhere.of(owner)
        total = Tally.total([here, elsewhere])
        over = total.running - here.running & self._adopted[owner].keys()
        return Tally(total.ended_seconds, total.audio_seconds, total.running - over, total.begun)

    def _here(self, owner: str) -> Tally:
        self._turn_day()
        begun, now = self._begun[owner], self._now().timestamp()
        while begun and not _recent(begun[0], now):
            begun.popleft()
        audio = {**self._adopted[owner], **self._audio_seconds(owner)}
        return Tally(self._ended_seconds[owner], audio, self._running(owner), tuple(begun))

    def _wait(self, begun: tuple[float, ...], allowed: int) -> int:
        """Seconds until another session may begin; 0 when it may now."""
        if not allowed:
            return int(_WINDOW_SECONDS)
        now = self._now().timestamp()
        recent = [moment for moment in begun if _recent(moment, now)]
        if len(recent) < allowed:
            return 0
        return max(1, math.ceil(recent[-allowed] + _WINDOW_SECONDS - now))

    def _turn_day(self) -> None:
        if (today := self._now().date()) != self._day:
            self._day = today
            self._ended_seconds.clear()
            self._adopted.clear()
            self.changes += 1

    def _to_midnight(self) -> int:
        now = self._now()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return math.ceil((midnight - now).total_seconds())


def _recent(moment: float, now: float) -> bool:
    """Within the last minute. One that is further ahead is of a clock that was put back."""
    return abs(now - moment) < _WINDOW_SECONDS
