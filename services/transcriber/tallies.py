"""What processes that share a store tell each other of what owners use, so that a key's limits hold for all together.

Each writes one object, `quotas/<day>/<process>.json`, and reads those of the others. What one that is gone has counted
holds to the end of the day; what went on in it does not.
"""

import asyncio
import json
import logging
import math
import secrets
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from transcriber.quotas import Quotas, Tally
from transcriber.storage.store import Item, NotFound, Store, StoreError

log = logging.getLogger(__name__)

_T = TypeVar("_T")

TALLIES = "quotas/"
TELL_SECONDS = 15.0
"""How often what goes on is told and asked for; what begins and ends is told within a second."""
_FRESH_SECONDS = 1.0
"""So old what is known of others may be where somebody wants to come in."""
_GONE_SECONDS = 3 * TELL_SECONDS
"""A process that has told nothing for so long has no sessions any more."""
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Seen:
    """What another process told."""

    etag: str
    told_at: float
    """Unix time."""
    tallies: Mapping[str, Tally]


class _Outage:
    """Logs a store that fails once, until it works again."""

    def __init__(self, message: str) -> None:
        self._message = message
        self._logged = False

    def met(self, problem: Exception) -> None:
        if not self._logged:
            log.warning(self._message, extra={"reason": type(problem).__name__})
        self._logged = True

    def over(self) -> None:
        self._logged = False


class Tallies:
    """Those of the others, and where this process tells its own. Of a store that hangs one thing is asked at a time."""

    def __init__(
        self,
        store: Store,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        patience_seconds: float = 2.0,
    ) -> None:
        """So long somebody waits for the store who wants to come in, or to end."""
        self._store = store
        self._now = now
        self._patience_seconds = patience_seconds
        self._name = f"{secrets.token_hex(8)}.json"
        self._seen: dict[str, _Seen] = {}
        self._day = now().date()
        """Of which `_seen` is."""
        self._looked_at: float | None = None
        self._looking: asyncio.Task[None] | None = None
        self._telling: asyncio.Task[Item] | None = None
        self._outage = _Outage("limits of keys hold for this process alone")

    def of(self, owner: str) -> Tally:
        """What an owner uses in the other processes, as far as they have told."""
        now = self._now()
        since = now.timestamp() - _GONE_SECONDS
        of_today = self._day == now.date()
        return Tally.total(
            _lasting(seen.tallies.get(owner, Tally()), of_today=of_today, alive=seen.told_at >= since)
            for seen in self._seen.values()
        )

    async def tell(self, tallies: Mapping[str, Tally]) -> None:
        """Write down what is counted here. Raises StoreError or TimeoutError."""
        async with asyncio.timeout(self._patience_seconds):
            if self._telling is not None:  # which could come behind this, and undo it
                await asyncio.wait((self._telling,))
            now = self._now()
            values = {
                "version": 1,
                "told_at": round(now.timestamp(), 3),
                "owners": {owner: _written(tally) for owner, tally in tallies.items()},
            }
            putting = self._store.put(f"{_place(now.date())}{self._name}", json.dumps(values).encode())
            self._telling = _in_background(putting)
            await asyncio.shield(self._telling)

    async def look(self, *, age_seconds: float = _FRESH_SECONDS) -> None:
        """Read what others told, unless that was done within `age_seconds`, or is being done. Where the store can't,
        nothing changes."""
        now = self._now().timestamp()
        if self._looked_at is not None and 0 <= now - self._looked_at < age_seconds:
            return
        if self._looking is None or self._looking.done():
            self._looking = _in_background(self._look())
        try:
            async with asyncio.timeout(self._patience_seconds):
                await asyncio.shield(self._looking)
        except (StoreError, TimeoutError) as problem:
            self._outage.met(problem)
        else:
            self._outage.over()

    async def _look(self) -> None:
        now = self._now()
        self._seen = await self._read(_place(now.date()))
        self._day, self._looked_at = now.date(), now.timestamp()

    async def forget(self) -> None:
        """Delete what was told on days that are over. Raises StoreError."""
        kept = {_place(self._now().date() - timedelta(days=days)) for days in (-1, 0, 1)}
        keys = [item.key async for item in self._store.list(TALLIES)]
        await self._store.delete(key for key in keys if not key.startswith(tuple(kept)))

    async def _read(self, place: str) -> dict[str, _Seen]:
        items = [item async for item in self._store.list(place) if not item.key.endswith(self._name)]
        known = {item.key: self._seen[item.key] for item in items if item.key in self._seen}
        changed = [item for item in items if item.key not in known or known[item.key].etag != item.etag]
        for item, seen in zip(changed, await asyncio.gather(*map(self._seen_in, changed)), strict=True):
            if seen is not None:
                known[item.key] = seen
        return known

    async def _seen_in(self, item: Item) -> _Seen | None:
        try:
            values = json.loads(await self._store.get(item.key))
            tallies = {owner: _read(tally) for owner, tally in values["owners"].items()}
            return _Seen(item.etag, float(values["told_at"]), tallies)
        except NotFound:
            return None
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
            log.warning("what another process told is unreadable", extra={"key": item.key})
            return None


async def share(
    tallies: Tallies, quotas: Quotas, owners: Callable[[], Iterable[str]], *, seconds: float = _LOOK_SECONDS
) -> None:
    """Tell and look, until cancelled, and tell once more then; `owners` are those of sessions that go on."""
    told, told_at, clock = 0, -math.inf, asyncio.get_running_loop().time
    outage = _Outage("others can't be told what keys use")
    try:
        while True:
            counted, due = quotas.tallies(owners()), clock() - told_at >= TELL_SECONDS
            if quotas.changes != told or (due and counted):
                changes, told_at = quotas.changes, clock()
                if await _told(tallies, counted, outage):
                    told = changes
            if due and counted:
                await tallies.look(age_seconds=TELL_SECONDS)
            await asyncio.sleep(seconds)
    finally:
        # What went on here has ended, or waits for the next process.
        await _told(tallies, quotas.tallies(owners()), outage)


async def _told(tallies: Tallies, counted: Mapping[str, Tally], outage: _Outage) -> bool:
    try:
        await tallies.tell(counted)
    except (StoreError, TimeoutError) as problem:
        outage.met(problem)
        return False
    outage.over()
    return True


def _in_background(work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
    """A task that goes on when nobody waits for it any more, and whose failure is then of no interest."""
    task = asyncio.create_task(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


def _lasting(tally: Tally, *, of_today: bool, alive: bool) -> Tally:
    """What still holds of what was told."""
    audio = tally.audio_seconds
    if not of_today:  # what is over was yesterday's
        audio = {session: seconds for session, seconds in audio.items() if session in tally.running}
    return Tally(tally.ended_seconds if of_today else 0.0, audio, tally.running if alive else frozenset(), tally.begun)


def _place(day: date) -> str:
    return f"{TALLIES}{day.isoformat()}/"


def _written(tally: Tally) -> dict[str, Any]:
    return {
        "ended_seconds": round(tally.ended_seconds, 3),
        "audio_seconds": {session: round(seconds, 3) for session, seconds in tally.audio_seconds.items()},
        "running": sorted(tally.running),
        "begun": [round(moment, 3) for moment in tally.begun],
    }


def _read(values: dict[str, Any]) -> Tally:
    return Tally(
        float(values["ended_seconds"]),
        {session: float(seconds) for session, seconds in values["audio_seconds"].items()},
        frozenset(values["running"]),
        tuple(map(float, values["begun"])),
    )
