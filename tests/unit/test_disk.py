"""What the disk store does beyond what every store does."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.full_disk import files_limited
from transcriber.storage.disk import DiskStore, store_errors
from transcriber.storage.store import Conflict, StoreError

LARGE = bytes(200_000)


OpenStore = Callable[[Path], DiskStore]


@pytest.fixture
async def open_store() -> AsyncIterator[OpenStore]:
    async with AsyncExitStack() as opened:

        def open_store(root: Path) -> DiskStore:
            store = DiskStore(root)
            opened.push_async_callback(store.close)
            return store

        yield open_store


def unfinished(root: Path) -> list[Path]:
    return [path for path in (root / ".tmp").rglob("*") if path.is_file() and path.name != "lock"]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_a_key_is_a_path(tmp_path: Path, open_store: OpenStore) -> None:
    store = open_store(tmp_path / "made" / "here")
    await store.put("2026/01/02/a b.txt", b"text")
    assert store.location("2026/01/02/a b.txt") == str(tmp_path / "made/here/2026/01/02/a b.txt")
    assert (tmp_path / "made/here/2026/01/02/a b.txt").read_bytes() == b"text"
    assert unfinished(tmp_path / "made" / "here") == []


async def test_folders_go_with_their_last_file(tmp_path: Path, open_store: OpenStore) -> None:
    store = open_store(tmp_path)
    await store.put("a/b/c/one", b"1")
    await store.put("a/two", b"2")
    await store.delete(["a/b/c/one", "a/b"])
    assert not (tmp_path / "a" / "b").exists()
    await store.delete(["a"])
    assert (tmp_path / "a" / "two").exists()
    await store.delete(["a/two", "a/two/below"])
    assert names(tmp_path) == {".tmp"}


async def test_what_failed_leaves_nothing_behind(tmp_path: Path, open_store: OpenStore) -> None:
    store = open_store(tmp_path)
    await store.put("file", b"1")
    for key in ("file/below", "x" * 300):
        with pytest.raises(StoreError) as caught:
            await store.put(key, LARGE)
        assert not isinstance(caught.value, Conflict)
        assert not caught.value.retryable
    with pytest.raises(Conflict):
        await store.put("file", LARGE, if_none_match=True)
    assert unfinished(tmp_path) == []
    assert (tmp_path / "file").read_bytes() == b"1"


async def test_writes_that_stop_half_way_leave_nothing(tmp_path: Path, open_store: OpenStore) -> None:
    store = open_store(tmp_path)
    upload = await store.upload("joined")
    await upload.put_part(1, LARGE)
    await upload.put_part(2, LARGE)
    with files_limited(len(LARGE) + 10):
        with pytest.raises(StoreError, match="key was not stored: File too large"):
            await store.put("key", LARGE * 2)
        with pytest.raises(StoreError, match="Part 3 of joined was not stored"):
            await upload.put_part(3, LARGE * 2)
        with pytest.raises(StoreError, match="joined was not completed"):
            await upload.complete()
    assert sorted(path.name for path in unfinished(tmp_path)) == ["00001.part", "00002.part"]
    await upload.complete()
    assert await store.get("joined") == LARGE * 2


@pytest.mark.parametrize(("number", "retryable"), [(errno.ENOSPC, True), (errno.EMFILE, True), (errno.EACCES, False)])
def test_what_may_pass_can_be_tried_again(number: int, retryable: bool) -> None:
    with pytest.raises(StoreError, match="It failed: ") as caught, store_errors("It failed"):
        raise OSError(number, os.strerror(number))
    assert caught.value.retryable is retryable


async def test_a_new_store_removes_what_a_dead_one_left_and_only_that(tmp_path: Path, open_store: OpenStore) -> None:
    left = tmp_path / ".tmp" / "0123" / "upload"
    left.mkdir(parents=True)
    (left / "00001.part").write_bytes(LARGE)
    store = open_store(tmp_path)
    assert unfinished(tmp_path) == []
    upload = await store.upload("key")
    await upload.put_part(1, b"part")
    other = open_store(tmp_path)
    await other.close()
    await upload.complete()
    assert await store.get("key") == b"part"


async def test_closing_forgets_uploads(tmp_path: Path, open_store: OpenStore) -> None:
    store = open_store(tmp_path)
    upload = await store.upload("key")
    await upload.put_part(1, LARGE)
    await store.close()
    assert unfinished(tmp_path) == []
    with pytest.raises(StoreError):
        await upload.put_part(2, LARGE)
    with pytest.raises(StoreError):
        await store.put("key", LARGE)


async def test_a_root_that_it_makes_is_for_its_user_alone_and_another_stays_as_it_is(
    tmp_path: Path, open_store: OpenStore
) -> None:
    open_store(tmp_path / "made")
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o700
    (tmp_path / "given").mkdir()
    (tmp_path / "given").chmod(0o750)
    open_store(tmp_path / "given")
    assert (tmp_path / "given").stat().st_mode & 0o777 == 0o750


async def test_a_root_that_can_not_be_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="can't be used"):
        DiskStore(tmp_path / "file")


async def test_files_that_vanish_while_listed_are_left_out(tmp_path: Path, open_store: OpenStore) -> None:
    store = open_store(tmp_path)
    for number in range(600):
        (tmp_path / f"{number:04}").write_bytes(b"")
    listed: list[str] = []
    async for item in store.list():
        if not listed:
            await store.delete(f"{number:04}" for number in range(300, 500))
        listed.append(item.key)
    assert listed == [f"{number:04}" for number in (*range(300), *range(500, 600))]


async def test_large_files_are_told_apart_without_reading_them(tmp_path: Path, open_store: OpenStore) -> None:
    store = open_store(tmp_path)
    etags = {(await store.put("key", LARGE)).etag for _ in range(5)}
    assert len(etags) == 5


async def test_puts_and_deletes_in_one_folder_do_not_trip_each_other(tmp_path: Path, open_store: OpenStore) -> None:
    store, other = open_store(tmp_path), open_store(tmp_path)

    async def churn(which: DiskStore, name: str) -> None:
        for _ in range(30):
            await which.put(f"day/{name}", b"x")
            await which.delete([f"day/{name}"])

    await asyncio.gather(churn(store, "a"), churn(store, "b"), churn(other, "c"))
    assert names(tmp_path) == {".tmp"}
