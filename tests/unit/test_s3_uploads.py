"""Uploads that outlive their process: gone on with, copied into, completed when the answer was lost."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.s3_server import S3Server, s3_server
from transcriber.storage.s3 import S3Store
from transcriber.storage.s3_uploads import CHECKSUM
from transcriber.storage.store import NotFound, Part, StoreError

PART = bytes(range(256)) * (5 << 12)
"""The smallest that may stand before another."""


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def store(s3: S3Server) -> S3Store:
    return S3Store(s3.client, s3.make_bucket(), prefix="some/where", sse="AES256")


async def test_an_upload_goes_on_in_another_process(s3: S3Server, store: S3Store) -> None:
    first = await store.upload("a")
    parts = [await first.put_part(1, PART)]
    assert (parts[0].number, parts[0].size) == (1, len(PART))
    second = await store.resume("a", first.upload_id, parts)
    await second.put_part(2, b"end")
    item = await second.complete()
    assert (item.size, await store.get("a")) == (len(PART) + 3, PART + b"end")


async def test_parts_are_copied_from_what_is_stored(store: S3Store) -> None:
    await store.put("old", b"head" + PART + b"tail")
    upload = await store.upload("new")
    part = await upload.copy_part(1, "old", 4, len(PART))
    assert (part.number, part.size) == (1, len(PART))
    await upload.put_part(2, b"end")
    await upload.complete()
    assert await store.get("new") == PART + b"end"


async def test_an_object_is_made_anew_of_itself(store: S3Store) -> None:
    await store.put("a", PART + b"tail")
    upload = await store.upload("a")
    await upload.copy_part(1, "a", 0, len(PART))
    assert await store.get("a") == PART + b"tail", "until the upload is complete"
    await upload.put_part(2, b"end")
    await upload.complete()
    assert await store.get("a") == PART + b"end"


class Gone:
    """S3 behind a lost answer to completing: the upload is gone, and something is there or not."""

    def __init__(self, size: int | None) -> None:
        self._size = size

    def complete_multipart_upload(self, **request: Any) -> dict[str, Any]:
        raise ClientError({"Error": {"Code": "NoSuchUpload"}}, request["UploadId"])

    def head_object(self, **request: Any) -> dict[str, Any]:
        if self._size is None:
            raise ClientError({"Error": {"Code": "404"}, "ResponseMetadata": {"HTTPStatusCode": 404}}, request["Key"])
        return {"ContentLength": self._size, "ETag": "etag"}


@pytest.mark.parametrize(("size", "found"), [(5, True), (6, False), (None, False)])
async def test_a_lost_answer_to_completing_is_no_failure(size: int | None, found: bool) -> None:
    store = S3Store(Gone(size), "bucket")  # type: ignore[arg-type]
    upload = await store.resume("a", "id", [Part(1, 5, "etag")])
    if found:
        assert (await upload.complete()).size == 5
    else:
        with pytest.raises(NotFound):
            await upload.complete()


async def test_every_part_is_sent_with_its_checksum(s3: S3Server, store: S3Store) -> None:
    sent: list[dict[str, Any]] = []

    def note(params: dict[str, Any], **_: object) -> None:
        sent.append(dict(params["headers"]))

    # Of the client that the store has, its own hooks: moto keeps no checksums of parts.
    events = s3.client.meta.events  # type: ignore[attr-defined]
    events.register("before-call.s3.UploadPart", note)
    try:
        await (await store.upload("a")).put_part(1, b"part")
    finally:
        events.unregister("before-call.s3.UploadPart", note)
    assert [headers.get("x-amz-sdk-checksum-algorithm") for headers in sent] == [CHECKSUM]


@pytest.mark.parametrize("number", [0, 10_001])
async def test_numbers_are_those_of_s3(store: S3Store, number: int) -> None:
    upload = await store.upload("a")
    with pytest.raises(StoreError):
        await upload.put_part(number, b"x")
    await upload.abort()


async def test_uploads_that_go_on_are_listed_by_key(store: S3Store) -> None:
    uploads = [await store.upload(key) for key in ("b", "a/c")]
    assert sorted(await store.unfinished()) == sorted([("b", uploads[0].upload_id), ("a/c", uploads[1].upload_id)])
    await store.end("b", uploads[0].upload_id)
    await uploads[1].put_part(1, b"x")
    await store.end("a/c", uploads[1].upload_id)
    assert await store.unfinished() == []
    assert [item.key async for item in store.list("")] == ["a/c"]
    await store.end("a/c", uploads[1].upload_id)
