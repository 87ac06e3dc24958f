"""What every store promises."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.s3_server import S3Server, s3_server
from transcriber.storage.disk import DiskStore
from transcriber.storage.s3 import S3Store
from transcriber.storage.store import Conflict, Item, NotFound, Store, StoreError

PART = 5 * 1024 * 1024
"""The least that every part but the last must have."""


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture(params=["disk", "s3", "s3 with versions"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, s3: S3Server) -> AsyncIterator[Store]:
    stores = {
        "disk": lambda: DiskStore(tmp_path / "store"),
        "s3": lambda: S3Store(s3.client, s3.make_bucket(), prefix="/some/where/"),
        "s3 with versions": lambda: S3Store(s3.client, s3.make_bucket(versions=True)),
    }
    store: Store = stores[request.param]()
    yield store
    await store.close()


async def listed(store: Store, prefix: str = "") -> list[Item]:
    return [item async for item in store.list(prefix)]


async def test_what_is_put_is_got(store: Store) -> None:
    item = await store.put("2026/01/one.txt", b"hello")
    assert (item.key, item.size) == ("2026/01/one.txt", 5)
    assert await store.get("2026/01/one.txt") == b"hello"
    assert "2026/01/one.txt" in store.location("2026/01/one.txt").replace("\\", "/")


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [(0, None, b"0123456789"), (3, None, b"3456789"), (3, 4, b"3456"), (8, 100, b"89"), (0, 1, b"0"), (9, 1, b"9")],
)
async def test_a_range_is_got(store: Store, start: int, length: int | None, expected: bytes) -> None:
    await store.put("key", b"0123456789")
    assert await store.get("key", start, length) == expected


@pytest.mark.parametrize(("start", "length"), [(10, None), (99, 5), (0, 0), (3, 0)])
async def test_an_empty_range_is_no_bytes(store: Store, start: int, length: int | None) -> None:
    await store.put("key", b"0123456789")
    assert await store.get("key", start, length) == b""


async def test_empty_things_can_be_stored(store: Store) -> None:
    assert (await store.put("empty", b"")).size == 0
    assert await store.get("empty") == b""


async def test_what_is_not_there_is_not_found(store: Store) -> None:
    await store.put("folder/key", b"")
    for key in ("nothing", "folder", "folder/key/below"):
        with pytest.raises(NotFound):
            await store.get(key)


async def test_a_later_put_wins(store: Store) -> None:
    first = await store.put("key", b"one")
    second = await store.put("key", b"two")
    assert await store.get("key") == b"two"
    assert first.etag != second.etag
    assert await listed(store) == [second]


async def test_a_key_is_taken_once(store: Store) -> None:
    await store.put("a/key", b"first", if_none_match=True)
    with pytest.raises(Conflict):
        await store.put("a/key", b"second", if_none_match=True)
    assert await store.get("a/key") == b"first"


async def test_of_many_who_take_a_key_one_gets_it(store: Store) -> None:
    outcomes = await asyncio.gather(
        *(store.put("key", f"{number}".encode(), if_none_match=True) for number in range(8)), return_exceptions=True
    )
    winners = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, Item)]
    assert len(winners) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 7
    assert await store.get("key") == f"{winners[0]}".encode()


async def test_a_put_over_something_else_fails(store: Store) -> None:
    first = await store.put("key", b"first")
    second = await store.put("key", b"second", if_match=first.etag)
    with pytest.raises(Conflict):
        await store.put("key", b"third", if_match=first.etag)
    assert await store.get("key") == b"second"
    await store.put("key", b"third", if_match=second.etag)
    await store.delete(["key"])
    with pytest.raises(Conflict):
        await store.put("key", b"fourth", if_match=second.etag)


async def test_of_many_who_replace_a_thing_one_does(store: Store) -> None:
    base = await store.put("key", b"base")
    outcomes = await asyncio.gather(
        *(store.put("key", f"{number}".encode(), if_match=base.etag) for number in range(8)), return_exceptions=True
    )
    assert sum(isinstance(outcome, Item) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 7


async def test_items_are_listed_by_key(store: Store) -> None:
    keys = ["b", "a/2", "a/1/x", "a-", "a/10", "ab", "ä", "B"]
    for key in keys:
        await store.put(key, key.encode())
    found = await listed(store)
    assert [item.key for item in found] == sorted(keys)
    assert [item.size for item in found] == [len(key.encode()) for key in sorted(keys)]


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("a", ["a/1", "a/2/x", "ab/1"]),
        ("a/", ["a/1", "a/2/x"]),
        ("a/2", ["a/2/x"]),
        ("a/2/x", ["a/2/x"]),
        ("a/2/x/", []),
        ("none/", []),
    ],
)
async def test_a_prefix_is_of_the_key_not_of_its_parts(store: Store, prefix: str, expected: list[str]) -> None:
    for key in ("a/1", "a/2/x", "ab/1", "b"):
        await store.put(key, b"")
    assert [item.key for item in await listed(store, prefix)] == expected


async def test_etags_are_the_same_wherever_they_are_seen(store: Store) -> None:
    upload = await store.upload("large")
    await upload.put_part(1, bytes(PART))
    put = [await store.put("a", b"content"), await upload.complete()]
    assert await listed(store) == put
    await store.put("large", b"x", if_match=put[1].etag)


async def test_deleting_twice_is_no_error(store: Store) -> None:
    await store.put("a/one", b"1")
    await store.put("a/two", b"2")
    await store.delete(["a/one", "never/was"])
    await store.delete(["a/one"])
    await store.delete([])
    assert [item.key for item in await listed(store)] == ["a/two"]
    await store.put("a/one", b"again", if_none_match=True)


async def test_what_is_erased_is_gone_and_what_is_not_stays(store: Store) -> None:
    for key in ("2026/01/a/audio.wav", "2026/01/a/transcript.json", "2026/01/ab/audio.wav"):
        await store.put(key, b"before")
    await store.put("2026/01/a/audio.wav", b"after")
    assert await store.erase("2026/01/a/") >= 2
    assert [item.key for item in await listed(store)] == ["2026/01/ab/audio.wav"]
    assert await store.erase("2026/01/a/") == 0
    assert await store.erase("2026/01/ab/audio.wav") == 1
    assert await listed(store) == []
    with pytest.raises(StoreError):
        await store.erase("../")


async def test_an_upload_is_seen_when_it_is_complete(store: Store) -> None:
    upload = await store.upload("a/large")
    await upload.put_part(1, b"a" * PART)
    await upload.put_part(2, b"b" * 10)
    assert await listed(store) == []
    item = await upload.complete()
    assert (item.key, item.size) == ("a/large", PART + 10)
    assert await store.get("a/large", PART - 2) == b"aa" + b"b" * 10


async def test_parts_come_in_any_order_and_again(store: Store) -> None:
    upload = await store.upload("key")
    await asyncio.gather(upload.put_part(3, b"end"), upload.put_part(2, b"b" * PART), upload.put_part(1, b"x" * PART))
    await upload.put_part(1, b"a" * PART)
    item = await upload.complete()
    assert item.size == 2 * PART + 3
    assert await store.get("key") == b"a" * PART + b"b" * PART + b"end"


async def test_an_aborted_upload_leaves_nothing(store: Store) -> None:
    upload = await store.upload("key")
    await upload.put_part(1, b"part")
    await upload.abort()
    await upload.abort()
    assert await listed(store) == []
    with pytest.raises(StoreError):
        await upload.put_part(2, b"part")
    with pytest.raises(StoreError):
        await upload.complete()


async def test_an_upload_is_completed_once_and_with_parts(store: Store) -> None:
    upload = await store.upload("key")
    with pytest.raises(StoreError):
        await upload.complete()
    with pytest.raises(StoreError):
        await upload.put_part(0, b"part")
    upload = await store.upload("key")
    await upload.put_part(1, b"part")
    await upload.complete()
    with pytest.raises(StoreError):
        await upload.complete()
    assert await store.get("key") == b"part"


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a/..", "a\0b", ".tmp/a"])
async def test_keys_that_are_no_keys_are_refused(store: Store, key: str) -> None:
    with pytest.raises(StoreError):
        await store.put(key, b"")
    with pytest.raises(StoreError):
        await store.get(key)
    with pytest.raises(StoreError):
        await store.upload(key)
    with pytest.raises(StoreError):
        await store.delete([key])
    assert await listed(store) == []


@pytest.mark.parametrize("prefix", ["../", "a/../../", "/etc/"])
async def test_a_listing_stays_inside(store: Store, prefix: str) -> None:
    with pytest.raises(StoreError):
        await listed(store, prefix)
