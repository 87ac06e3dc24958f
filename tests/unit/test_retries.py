"""Attempts until it works, or nobody waits any more."""

import asyncio

import pytest

from tests.stage import until
from transcriber.retries import Retries, again_after
from transcriber.storage.store import StoreError


class Attempts:
    def __init__(self, *failures: StoreError) -> None:
        self.left = list(failures)
        self.made = 0
        self.told: list[StoreError] = []

    async def __call__(self) -> int:
        self.made += 1
        if self.left:
            raise self.left.pop(0)
        return self.made


BUSY = StoreError("busy", retryable=True)


async def test_what_fails_for_now_is_tried_again_and_told_once() -> None:
    attempts = Attempts(BUSY, BUSY)
    assert await Retries(first_seconds=0.001).insist(attempts, attempts.told.append) == 3
    assert attempts.told == [BUSY]


async def test_what_would_fail_again_fails() -> None:
    attempts = Attempts(StoreError("never"))
    with pytest.raises(StoreError, match="never"):
        await Retries().insist(attempts, attempts.told.append)
    assert (attempts.made, attempts.told) == (1, [])


async def test_stopped_it_makes_one_more_attempt() -> None:
    attempts, retries = Attempts(*[BUSY] * 9), Retries(first_seconds=100)
    insisting = asyncio.create_task(retries.insist(attempts, attempts.told.append))
    await until(lambda: attempts.told)
    retries.stop()
    with pytest.raises(StoreError):
        await insisting
    assert attempts.made == 2


def test_later_attempts_are_further_apart_up_to_an_hour() -> None:
    for attempts, seconds in ((0, 60), (1, 120), (3, 480), (6, 3600), (1000, 3600)):
        assert 0.75 * seconds <= again_after(60, attempts) <= seconds
