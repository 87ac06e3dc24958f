"""Jobs that have ended, as the store has them: `job.json` beside transcript and recording, found by the job's id."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import date, timedelta

from transcriber.job import Record, RecordDamaged
from transcriber.recorder import prefix
from transcriber.session_ids import made_at
from transcriber.storage.store import NotFound, Store, StoreError

log = logging.getLogger(__name__)

_NAME = "job.json"
_READ_AT_ONCE = 16


class JobArchive:
    """Every call but the listing raises StoreError when the store can't do it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, record: Record) -> None:
        await self._store.put(prefix(record.id, record.created_at) + _NAME, record.to_json().encode())

    async def record(self, job_id: str) -> Record | None:
        """None where there is no such job, or its record can't be read."""
        created_at = made_at(job_id)
        return await self._read(prefix(job_id, created_at) + _NAME) if created_at else None

    async def file(self, job_id: str, name: str) -> bytes:
        """What is kept under that name. Raises NotFound."""
        created_at = made_at(job_id)
        if created_at is None:
            raise NotFound("There is no such job.")
        return await self._store.get(prefix(job_id, created_at) + name)

    async def delete(self, job_id: str) -> None:
        """All that is kept of it; its record goes last."""
        if created_at := made_at(job_id):
            place = prefix(job_id, created_at)
            keys = [item.key async for item in self._store.list(place)]
            await self._store.delete([key for key in keys if not key.endswith(_NAME)])
            await self._store.delete([place + _NAME])

    async def records(self, since: date, until: date) -> AsyncIterator[Record]:
        """Those created on these days, newest first."""
        day = until
        while day >= since:
            keys = [item.key async for item in self._store.list(f"{day:%Y/%m/%d}/") if item.key.endswith("/" + _NAME)]
            keys.reverse()
            for first in range(0, len(keys), _READ_AT_ONCE):
                for record in await asyncio.gather(*map(self._read, keys[first : first + _READ_AT_ONCE])):
                    if record:
                        yield record
            day -= timedelta(days=1)

    async def _read(self, key: str) -> Record | None:
        try:
            return Record.from_json(await self._store.get(key))
        except NotFound:
            return None
        except RecordDamaged:
            log.error("job record damaged: left as it is", extra={"key": key})
            return None


__all__ = ["JobArchive", "NotFound", "StoreError"]
