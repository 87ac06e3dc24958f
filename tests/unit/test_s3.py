"""What the S3 store has beside the contract of every store: its prefix, encryption, checksums and pages."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.s3_server import S3Server, s3_server
from transcriber.storage.s3 import S3Store
from transcriber.storage.store import StoreError


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


def head(s3: S3Server, bucket: str, name: str) -> dict[str, Any]:
    return s3.client.head_object(Bucket=bucket, Key=name, ChecksumMode="ENABLED")


async def test_keys_lie_below_the_prefix_and_are_located_there(s3: S3Server) -> None:
    bucket = s3.make_bucket()
    store = S3Store(s3.client, bucket, prefix="/some/where/")
    await store.put("a/b.txt", b"text")
    assert head(s3, bucket, "some/where/a/b.txt")["ContentLength"] == 4
    assert store.location("a/b.txt") == f"s3://{bucket}/some/where/a/b.txt"
    assert [item.key async for item in store.list("a/")] == ["a/b.txt"]


async def test_objects_carry_their_checksum_and_are_encrypted_as_asked(s3: S3Server) -> None:
    bucket = s3.make_bucket()
    store = S3Store(s3.client, bucket, sse="AES256")
    await store.put("a", b"text")
    upload = await store.upload("b")
    await upload.put_part(1, b"text")
    await upload.complete()
    for name in ("a", "b"):
        assert head(s3, bucket, name)["ServerSideEncryption"] == "AES256"
    assert head(s3, bucket, "a")["ChecksumCRC32"]


async def test_objects_say_what_they_are(s3: S3Server) -> None:
    bucket = s3.make_bucket()
    store = S3Store(s3.client, bucket)
    await store.put("transcript.txt", b"text")
    upload = await store.upload("audio.webm")
    await upload.put_part(1, b"sound")
    await upload.complete()
    kinds = [head(s3, bucket, name)["ContentType"] for name in ("transcript.txt", "audio.webm")]
    assert kinds == ["text/plain; charset=utf-8", "audio/webm"]


async def test_a_listing_goes_on_behind_a_thousand(s3: S3Server) -> None:
    bucket = s3.make_bucket()
    store = S3Store(s3.client, bucket)
    names = [f"n{number:04d}" for number in range(1005)]
    for name in names:
        s3.client.put_object(Bucket=bucket, Key=name, Body=b"")
    assert [item.key async for item in store.list("")] == names
    await store.delete(names)
    assert [item.key async for item in store.list("")] == []


async def test_a_store_is_checked_before_it_is_used(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.put_in(monkeypatch)
    bucket = s3.make_bucket()
    assert S3Store.open(bucket).location("a") == f"s3://{bucket}/a"
    with pytest.raises(StoreError, match="nobody-has-this"):
        S3Store.open("nobody-has-this")


@pytest.mark.parametrize("prefix", ["../up", "a//b"])
def test_a_prefix_that_is_none_is_refused(s3: S3Server, prefix: str) -> None:
    with pytest.raises(StoreError):
        S3Store(s3.client, "bucket", prefix=prefix)
