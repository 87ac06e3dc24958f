"""Deletes what is older than it may be, and ends uploads that nobody goes on with."""

import asyncio
import logging
import random
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from transcriber.catalogue import INDEX
from transcriber.storage.store import Store, StoreError

log = logging.getLogger(__name__)

ABANDONED_DAYS = 7
"""Whole days after the one on which a session began, when nobody goes on with its upload any more."""
_SWEEP_SECONDS = 24 * 3600
_AGAIN_SECONDS = 60
"""Until the rest of a sweep, or after one that failed."""
_DELETED_AT_ONCE = 1000
_DELETED_IN_A_SWEEP = 20_000
_DAY = re.compile(r"(\d{4})/(\d{2})/(\d{2})/.")
_INDEXED = re.compile(re.escape(INDEX) + r"[^/]+/(\d{4})-(\d{2})-(\d{2})/.")


def day_of(key: str) -> date | None:
    """The day that a recording began, by its key; None for keys of anything else."""
    match = _DAY.match(key)
    try:
        return date(*map(int, match.groups())) if match else None
    except ValueError:
        return None


def indexed_day_of(key: str) -> date | None:
    """The day that a session began, by the key of its entry in the index; None for keys of anything else."""
    match = _INDEXED.match(key)
    try:
        return date(*map(int, match.groups())) if match else None
    except ValueError:
        return None


class Retention:
    """Sweeps a store now and then. Several tasks may do so at once: deleting what is gone is no error."""

    def __init__(self, store: Store, days: int) -> None:
        """`days` is how long recordings are kept at least; 0 is for ever."""
        self._store = store
        self._days = days

    async def run(self) -> None:
        """Until it is cancelled: at once, then daily."""
        while True:
            today = datetime.now(UTC).date()
            whole = True
            for work in (self.sweep, self.end_abandoned):
                try:
                    whole &= await work(today) is not False
                except StoreError as problem:
                    log.error("sweep failed", extra={"reason": str(problem)})
                    whole = whole and not problem.retryable
            # At random, so that tasks that began together don't sweep together.
            await asyncio.sleep((_SWEEP_SECONDS if whole else _AGAIN_SECONDS) * random.uniform(0.9, 1.1))  # noqa: S311

    async def sweep(self, today: date) -> bool:
        """Delete what began more than `days` whole days before today, the oldest first, then what says so in the index;
        whether that was all. Recordings are listed in order, so their listing ends with the first one that is kept; the
        index is in order of its owners, and read as a whole."""
        if not self._days:
            return True
        kept_from = today - timedelta(days=self._days)
        return await self._delete_old("", day_of, kept_from) and await self._delete_old(
            INDEX, indexed_day_of, kept_from
        )

    async def _delete_old(self, prefix: str, day: Callable[[str], date | None], kept_from: date) -> bool:
        """Whether that was all."""
        deleted, old = 0, list[str]()
        async for item in self._store.list(prefix):
            began = day(item.key)
            if not prefix and (item.key > "9" * 5 or (began is not None and began >= kept_from)):
                break
            if began is not None and began < kept_from:
                old.append(item.key)
            if len(old) == _DELETED_AT_ONCE:
                await self._store.delete(old)
                deleted += len(old)
                old.clear()
            if deleted >= _DELETED_IN_A_SWEEP:
                break
        if old:
            await self._store.delete(old)
        if deleted + len(old):
            log.info("old recordings deleted", extra={"files": deleted + len(old)})
        return deleted < _DELETED_IN_A_SWEEP

    async def end_abandoned(self, today: date) -> int:
        """Complete, with what they have, the uploads of sessions whose spool is lost; how many. A session that began so
        long ago is over, and a restart takes less."""
        lasting = self._store.lasting
        before = today - timedelta(days=ABANDONED_DAYS)
        ended = 0
        for key, upload_id in await lasting.unfinished() if lasting else ():
            if lasting and (day := day_of(key)) and day < before:
                await lasting.end(key, upload_id)
                ended += 1
        if ended:
            log.warning("abandoned uploads ended", extra={"uploads": ended})
        return ended
