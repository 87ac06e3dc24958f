"""What is too old is deleted, in any store; what is not, is not. Uploads that nobody goes on with are ended."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import date
from pathlib import Path

import pytest

from tests.s3_server import S3Server, s3_server
from tests.stage import until
from transcriber.recorder import prefix
from transcriber.retention import Retention, day_of
from transcriber.storage.disk import DiskStore
from transcriber.storage.s3 import S3Store
from transcriber.storage.store import Store, StoreError

TODAY = date(2026, 3, 2)


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture(params=["disk", "s3"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, s3: S3Server) -> AsyncIterator[Store]:
    on_disk = request.param == "disk"
    made: Store = DiskStore(tmp_path) if on_disk else S3Store(s3.client, s3.make_bucket(), prefix="some/where")
    yield made
    await made.close()


async def keys(store: Store) -> list[str]:
    return [item.key async for item in store.list("")]


def key(day: str, name: str = "audio.wav") -> str:
    return prefix("id", f"{day}T23:59:59+00:00") + name


async def test_what_began_before_so_many_days_is_deleted(store: Store) -> None:
    old = [key("2025-12-31"), key("2026-02-22"), key("2026-02-22", "transcript.json")]
    kept = [key("2026-02-23"), key("2026-03-02"), "0000/what/is/this", "2026/13/40/never", "sessions/2020/01/01/index"]
    for name in (*old, *kept):
        await store.put(name, b"x")
    assert await Retention(store, 7).sweep(TODAY)
    assert await keys(store) == sorted(kept)
    await asyncio.gather(*(Retention(store, 1).sweep(TODAY) for _ in range(3)))
    assert await keys(store) == sorted(set(kept) - {key("2026-02-23")})


async def test_entries_go_with_their_recordings_and_usage_stays(store: Store) -> None:
    old = ["index/-/2026-02-22/a.json", "index/ann/2025-12-31/b.json", "index/zoe/2026-02-22/c.json"]
    kept = ["index/-/2026-02-23/d.json", "index/ann/2026-03-02/e.json", "usage/ann/2025-12-31/b.json", "index/ann/x"]
    for name in (*old, *kept):
        await store.put(name, b"x")
    assert await Retention(store, 7).sweep(TODAY)
    assert await keys(store) == sorted(kept)


async def test_nothing_is_deleted_where_all_is_kept(store: Store) -> None:
    await store.put(key("1999-01-01"), b"x")
    assert await Retention(store, 0).sweep(TODAY)
    assert await keys(store) == [key("1999-01-01")]


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("2026/03/02/20260302T030405Z-id/audio.wav", TODAY),
        ("2026/03/02", None),
        ("2026/02/30/x", None),
        ("a2026/03/02/x", None),
        ("20260302/x", None),
    ],
)
def test_only_keys_of_recordings_have_a_day(name: str, day: date | None) -> None:
    assert day_of(name) == day


async def test_an_upload_that_nobody_goes_on_with_becomes_what_it_has(s3: S3Server) -> None:
    bucket = s3.make_bucket()
    store = S3Store(s3.client, bucket, prefix="some/where")
    upload = await store.upload(key("2026-02-22", "a.wav"))
    await upload.put_part(1, bytes(5 << 20))
    await upload.put_part(2, b"end")
    for name in (key("2026-02-22", "b.wav"), key("2026-02-23"), "who/knows"):
        await store.upload(name)
    await S3Store(s3.client, bucket, prefix="else").upload(key("2026-02-22"))
    assert await Retention(store, 1).end_abandoned(TODAY) == 2
    assert await Retention(store, 1).end_abandoned(TODAY) == 0
    assert sorted(found for found, _ in await store.unfinished()) == [key("2026-02-23"), "who/knows"]
    assert await keys(store) == [key("2026-02-22", "a.wav")]
    assert await store.get(key("2026-02-22", "a.wav"), 5 << 20) == b"end"


async def test_an_upload_whose_recording_is_there_is_aborted(s3: S3Server) -> None:
    store = S3Store(s3.client, s3.make_bucket())
    upload = await store.upload(key("2026-02-22"))
    await upload.put_part(1, b"old")
    await store.put(key("2026-02-22"), b"new")
    assert await Retention(store, 0).end_abandoned(TODAY) == 1
    assert await store.get(key("2026-02-22")) == b"new"


class Unlistable(DiskStore):
    async def list(self, prefix: str = "") -> AsyncIterator[None]:  # type: ignore[override]
        raise StoreError(f"not {prefix}")
        yield None


async def test_a_store_that_fails_is_swept_later(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    store = Unlistable(tmp_path)
    sweeping = asyncio.create_task(Retention(store, 1).run())
    await until(lambda: "sweep failed" in caplog.text)
    assert not sweeping.done()
    sweeping.cancel()
    await store.close()
