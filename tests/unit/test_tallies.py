"""Several processes that share a store, and what they know of each other."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from transcriber.quotas import Quotas, Tally
from transcriber.storage.disk import DiskStore
from transcriber.storage.store import Item, Store, StoreError
from transcriber.tallies import TALLIES, TELL_SECONDS, Tallies, share

NOON = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)
ALICE = Tally(12.5, {"one": 3.25}, frozenset({"one"}), (NOON.timestamp() - 5,))


HUGE = b'{"owners": {}, "told_at": 1' + b"0" * 400 + b"}"


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[DiskStore]:
    made = DiskStore(tmp_path)
    yield made
    await made.close()


@pytest.fixture
def here(store: DiskStore, clock: Clock) -> Tallies:
    return Tallies(store, now=clock)


@pytest.fixture
def there(store: DiskStore, clock: Clock) -> Tallies:
    return Tallies(store, now=clock)


async def keys(store: Store) -> list[str]:
    return [item.key async for item in store.list()]


async def test_what_one_tells_the_others_know(here: Tallies, there: Tallies, store: DiskStore, clock: Clock) -> None:
    third = Tallies(store, now=clock)
    await here.tell({"alice": ALICE})
    await third.tell({"alice": Tally(1), "bob": Tally(2)})
    await there.look()
    assert there.of("alice") == Tally(13.5, ALICE.audio_seconds, ALICE.running, ALICE.begun)
    assert there.of("bob") == Tally(2)
    assert there.of("carol") == Tally()
    await here.look()
    assert here.of("alice") == Tally(1)
    assert len(await keys(store)) == 2
    assert all(key.startswith(f"{TALLIES}2026-11-25/") for key in await keys(store))


async def test_it_is_looked_at_once_a_second_at_most(here: Tallies, there: Tallies, clock: Clock) -> None:
    await there.look()
    await here.tell({"alice": Tally(1)})
    await there.look()
    assert there.of("alice") == Tally()
    clock.now += timedelta(seconds=1)
    await there.look()
    assert there.of("alice") == Tally(1)
    await here.tell({"alice": Tally(2)})
    clock.now -= timedelta(hours=1)  # the clock was put right
    await there.look()
    assert there.of("alice") == Tally(2)


async def test_of_a_process_that_is_gone_the_sum_stays(here: Tallies, there: Tallies, clock: Clock) -> None:
    await here.tell({"alice": ALICE})
    await there.look()
    clock.now += timedelta(seconds=3 * TELL_SECONDS)
    assert there.of("alice").running == {"one"}
    clock.now += timedelta(seconds=1)
    assert there.of("alice") == Tally(12.5, {"one": 3.25}, frozenset(), ALICE.begun)


async def test_a_day_begins_with_nothing_and_former_days_are_forgotten(
    here: Tallies, there: Tallies, store: DiskStore, clock: Clock
) -> None:
    await store.put("other/thing", b"")
    await here.tell({"alice": ALICE})
    await there.look()
    clock.now += timedelta(hours=12)
    await there.look()
    assert there.of("alice") == Tally()
    await there.forget()
    assert len(await keys(store)) == 2
    clock.now += timedelta(days=1)
    await there.forget()
    assert await keys(store) == ["other/thing"]


async def test_what_others_had_used_yesterday_does_not_count_before_they_tell_anew(
    here: Tallies, there: Tallies, clock: Clock
) -> None:
    clock.now += timedelta(hours=12, seconds=-2)
    await here.tell({"alice": Tally(12.5, {"one": 3.25, "two": 7}, frozenset({"one"}), (clock.now.timestamp(),))})
    await there.look()
    begun = (clock.now.timestamp(),)
    clock.now += timedelta(seconds=3)
    assert there.of("alice") == Tally(0, {"one": 3.25}, frozenset({"one"}), begun)


@pytest.mark.parametrize(
    "content", [b"[", b"[]", b"{}", b'{"owners": {"alice": {}}}', b'{"owners": []}', b"\xff", b"[" * 100_000, HUGE]
)
async def test_what_nobody_can_read_counts_nothing(there: Tallies, store: DiskStore, content: bytes) -> None:
    await store.put(f"{TALLIES}2026-11-25/0.json", content)
    await there.look()
    assert there.of("alice") == Tally()


class Broken:
    """A store that fails, or takes its time."""

    def __init__(self, *, slow: bool = False) -> None:
        self.slow = slow
        self.asked: list[str] = []

    async def put(self, key: str, data: bytes) -> Item:
        self.asked.append("put")
        if self.slow:
            await asyncio.Event().wait()
        raise StoreError("down")

    async def list(self, prefix: str) -> AsyncIterator[Item]:
        self.asked.append("list")
        if self.slow:
            await asyncio.Event().wait()
        raise StoreError("down")
        yield Item("", 0, "")


@pytest.mark.parametrize("slow", [False, True])
async def test_without_the_store_what_is_known_holds(here: Tallies, there: Tallies, clock: Clock, slow: bool) -> None:
    await here.tell({"alice": Tally(1)})
    await there.look()
    there._store, there._patience_seconds = cast("Store", Broken(slow=slow)), 0.01
    clock.now += timedelta(seconds=5)
    await there.look()
    assert there.of("alice") == Tally(1)


async def test_all_who_come_while_the_store_hangs_wait_once_and_together(there: Tallies) -> None:
    broken = Broken(slow=True)
    there._store, there._patience_seconds = cast("Store", broken), 0.2
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(there.look() for _ in range(20)))
    assert asyncio.get_running_loop().time() - began < 2
    await there.look()
    assert broken.asked == ["list"]


async def test_a_store_that_hangs_is_told_nothing_more_meanwhile(there: Tallies) -> None:
    broken = Broken(slow=True)
    there._store, there._patience_seconds = cast("Store", broken), 0.01
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await there.tell({"alice": ALICE})
    assert broken.asked == ["put"]


async def test_an_outage_is_logged_once(here: Tallies, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    working, here._store = here._store, cast("Store", Broken())
    for _ in range(3):
        clock.now += timedelta(seconds=2)
        await here.look()
    assert len(caplog.records) == 1
    here._store = working
    clock.now += timedelta(seconds=2)
    await here.look()
    here._store = cast("Store", Broken())
    clock.now += timedelta(seconds=2)
    await here.look()
    assert len(caplog.records) == 2


class Counting:
    """One process: what goes on in it, and the task that shares it."""

    def __init__(self, store: Store) -> None:
        self.audio: dict[str, dict[str, float]] = {}
        self.tallies = Tallies(store)
        self.quotas = Quotas(
            lambda owner: self.audio.get(owner, {}), lambda owner: frozenset(self.audio.get(owner, {})), self.tallies
        )
        self.task = asyncio.create_task(share(self.tallies, self.quotas, lambda: self.audio, seconds=0.01))

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def told(store: Store, owner: str) -> dict[str, object]:
    """What the one process has told."""
    for _ in range(500):
        for key in await keys(store):
            if found := json.loads(await store.get(key))["owners"].get(owner):
                return found
        await asyncio.sleep(0.01)
    raise AssertionError("nothing was told")


async def test_beginnings_and_ends_are_told_at_once_and_the_last_word_when_it_stops(store: DiskStore) -> None:
    process = Counting(store)
    process.audio["alice"] = {"one": 1.5}
    process.quotas.began("alice")
    begun = await told(store, "alice")
    assert (begun["running"], begun["audio_seconds"]) == (["one"], {"one": 1.5})
    process.audio["alice"] = {}
    process.quotas.used("alice", 2)
    await process.stop()
    over = await told(store, "alice")
    assert (over["running"], over["audio_seconds"], over["ended_seconds"]) == ([], {}, 2)


async def test_a_store_that_fails_is_tried_again(store: DiskStore, caplog: pytest.LogCaptureFixture) -> None:
    process = Counting(store)
    process.tallies._store = cast("Store", Broken())
    process.quotas.used("alice", 2)
    await asyncio.sleep(0.05)
    assert not process.task.done()
    assert sorted(record.getMessage() for record in caplog.records) == [
        "limits of keys hold for this process alone",
        "others can't be told what keys use",
    ]
    process.tallies._store = store
    assert (await told(store, "alice"))["ended_seconds"] == 2
    await process.stop()
