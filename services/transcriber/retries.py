"""Another attempt, and another, at what fails for now."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from transcriber.storage.store import StoreError

_T = TypeVar("_T")
_LONGEST_AGAIN_SECONDS = 3600


def again_after(first_seconds: float, attempts: int) -> float:
    """Seconds until what has failed so often for good is tried from the beginning: somebody may have mended it."""
    longest = min(first_seconds * 2 ** min(attempts, 30), _LONGEST_AGAIN_SECONDS)
    return longest * random.uniform(0.75, 1)  # noqa: S311 - so that they don't all come at once


class Retries:
    """Waits between attempts, twice as long each time, until it is stopped: then what fails, fails."""

    def __init__(self, first_seconds: float = 0.5, longest_seconds: float = 30) -> None:
        self._first_seconds = first_seconds
        self._longest_seconds = longest_seconds
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        self._stopped.set()

    async def insist(self, attempt: Callable[[], Awaitable[_T]], failed: Callable[[StoreError], None]) -> _T:
        """What an attempt gives in the end. `failed` is told the first failure.

        Raises:
            StoreError: it would fail again, or no more attempts are made.
        """
        wait_seconds, told = self._first_seconds, False
        while True:
            try:
                return await attempt()
            except StoreError as problem:
                if not problem.retryable or self._stopped.is_set():
                    raise
                if not told:
                    told = True
                    failed(problem)
            # At random, so that sessions don't all come back at once.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), wait_seconds * random.uniform(0.5, 1))  # noqa: S311
            wait_seconds = min(2 * wait_seconds, self._longest_seconds)
