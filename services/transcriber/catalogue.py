"""Which sessions there were, and what they used, by owner and day: small objects beside the recordings, so that
nobody's list needs a look at anybody else's.

`index/<owner>/<day>/<session>.json` goes with the session's recording; `usage/<owner>/<day>/<session>.json` stays, and
has numbers alone. Both are of the day, UTC, on which the session began, so that noting it twice is noting it once. The
sum of a day of which nothing more will come is in `usage/<owner>/<day>.json`.
"""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from transcriber.events import Record
from transcriber.recorder import prefix
from transcriber.session_ids import made_at
from transcriber.storage.store import Item, NotFound, Store

INDEX = "index/"
"""Where the entries of sessions are."""
NOBODY = "-"
"""The owner in keys where there are no API keys; no key has this name."""
_READ_AT_ONCE = 16
_LONGEST = timedelta(days=1)
"""Behind a day, so long its sessions may go on."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A session that is over, as its owner sees it."""

    session_id: str
    started_at: str
    """UTC, ISO 8601."""
    ended_at: str
    duration_seconds: float
    speech_seconds: float
    upstream_seconds: float
    """Audio that the engine has answered for."""
    utterances: int
    engine: str
    model: str
    record: Record
    dollars: float | None
    """What the engine's price list comes to; None where it has no price."""
    job: bool = False
    """Whether it was a file."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What an owner's sessions and jobs used on a day, or together."""

    sessions: int = 0
    audio_seconds: float = 0.0
    upstream_seconds: float = 0.0
    dollars: float = 0.0
    unpriced_seconds: float = 0.0
    """Upstream seconds of models that have no known price."""

    @classmethod
    def of(cls, entry: Entry) -> "Usage":
        unpriced = entry.upstream_seconds if entry.dollars is None else 0.0
        return cls(1, entry.duration_seconds, entry.upstream_seconds, entry.dollars or 0.0, unpriced)

    @classmethod
    def total(cls, parts: Iterable["Usage"]) -> "Usage":
        found = list(parts)
        return cls(
            sum(part.sessions for part in found),
            round(sum(part.audio_seconds for part in found), 3),
            round(sum(part.upstream_seconds for part in found), 3),
            round(sum(part.dollars for part in found), 6),
            round(sum(part.unpriced_seconds for part in found), 3),
        )


class Catalogue:
    """Every call raises StoreError when the store can't do it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, owner: str, entry: Entry) -> None:
        """A session that has ended. A job counts as usage alone: it is listed elsewhere."""
        usage = json.dumps(asdict(Usage.of(entry))).encode()
        place = _usage(owner, day_of(entry.started_at))
        await self._store.put(f"{place}/{entry.session_id}.json", usage)
        if _over(day_of(entry.started_at)):  # its sum, if it is made already, is without this one
            await self._store.delete([f"{place}.json"])
        if not entry.job:
            values = json.dumps({"version": 1, **asdict(entry)}).encode()
            await self._store.put(_key(owner, entry.session_id), values)

    async def day(self, owner: str, day: date, *, after: str = "", limit: int) -> tuple[list[Entry], str | None]:
        """Sessions that began on a day, in order, from behind one of them on; and, if there are more, the last."""
        place = f"{INDEX}{owner or NOBODY}/{day.isoformat()}/"
        keys = [item.key async for item in self._store.list(place)]
        wanted = [key for key in keys if key > f"{place}{after}.json"] if after else keys
        found = [entry for entry in await self._read_all(wanted[:limit]) if entry]
        more = len(wanted) > limit
        return found, wanted[limit - 1].removeprefix(place).removesuffix(".json") if more else None

    async def find(self, owner: str, session_id: str) -> Entry | None:
        """A session of theirs."""
        return await self._read(_key(owner, session_id)) if made_at(session_id) else None

    async def forget(self, owner: str, session_id: str) -> None:
        """A session is to be found no more; what it used stays."""
        await self._store.erase(_key(owner, session_id))

    async def usage(self, owner: str, day: date) -> Usage:
        """What began on a day."""
        if (over := _over(day)) and (total := await self._usage(f"{_usage(owner, day)}.json")):
            return total
        keys = [item.key async for item in self._store.list(f"{_usage(owner, day)}/")]
        total = Usage.total(part for part in await self._usages(keys) if part)
        if over and keys:
            await self._store.put(f"{_usage(owner, day)}.json", json.dumps(asdict(total)).encode())
        return total

    async def _read_all(self, keys: Sequence[str]) -> list[Entry | None]:
        found: list[Entry | None] = []
        for first in range(0, len(keys), _READ_AT_ONCE):
            found += await asyncio.gather(*map(self._read, keys[first : first + _READ_AT_ONCE]))
        return found

    async def _usages(self, keys: Sequence[str]) -> list[Usage | None]:
        found: list[Usage | None] = []
        for first in range(0, len(keys), _READ_AT_ONCE):
            found += await asyncio.gather(*map(self._usage, keys[first : first + _READ_AT_ONCE]))
        return found

    async def _read(self, key: str) -> Entry | None:
        values = await self._values(key)
        if values is None:
            return None
        del values["version"]
        return Entry(**values)

    async def _usage(self, key: str) -> Usage | None:
        values = await self._values(key)
        return None if values is None else Usage(**values)

    async def _values(self, key: str) -> dict[str, Any] | None:
        try:
            return json.loads(await self._store.get(key))
        except NotFound:
            return None


class Kept:
    """What the store has of a session's recording."""

    def __init__(self, store: Store, session_id: str) -> None:
        """Of a session id that is one."""
        self._store = store
        self.place = prefix(session_id, made_at(session_id) or "")

    async def files(self) -> dict[str, Item]:
        """By name."""
        return {item.key.removeprefix(self.place): item async for item in self._store.list(self.place)}

    async def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Raises NotFound."""
        return await self._store.get(self.place + name, start, length)

    async def erase(self) -> None:
        """All of it, for good."""
        await self._store.erase(self.place)


def _over(day: date) -> bool:
    """Whether no session of a day goes on any more, but for those that a process left behind."""
    return day < datetime.now(UTC).date() - _LONGEST


def day_of(moment: str) -> date:
    """The day, UTC, of a time in ISO 8601."""
    return datetime.fromisoformat(moment).astimezone(UTC).date()


def _key(owner: str, session_id: str) -> str:
    return f"{INDEX}{owner or NOBODY}/{day_of(made_at(session_id) or '').isoformat()}/{session_id}.json"


def _usage(owner: str, day: date) -> str:
    return f"usage/{owner or NOBODY}/{day.isoformat()}"
