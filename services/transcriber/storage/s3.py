"""The store in S3, or in what speaks its protocol: an object per key, below a prefix of the bucket."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from transcriber.storage.keys import RESERVED, check_prefix, parts_of
from transcriber.storage.media_types import media_type
from transcriber.storage.s3_client import (
    THREADS,
    Answer,
    Client,
    code_of,
    make_client,
    s3_errors,
    status_of,
    was_retried,
)
from transcriber.storage.s3_uploads import CHECKSUM, S3Upload, end_abandoned, unfinished
from transcriber.storage.s3_versions import erase
from transcriber.storage.store import Conflict, Item, Part, StoreError

_T = TypeVar("_T")

_DELETED_AT_ONCE = 1000
_CONDITION_FAILED = (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED)
_TOKEN = "put"  # noqa: S105 - the name of a metadata field


class S3Store:
    """Objects of one bucket. Calls run in threads of its own, so many at once, and never on the event loop."""

    def __init__(
        self, client: Client, bucket: str, *, prefix: str = "", sse: str = "none", kms_key_id: str = ""
    ) -> None:
        """
        Args:
            sse: encryption at rest: `AES256`, `aws:kms`, or `none` to leave it to the bucket.
            kms_key_id: the key of `aws:kms`; empty is the account's own for S3.
        """
        self._client = client
        self._bucket = bucket
        folder = prefix.strip("/")
        self._prefix = "/".join(parts_of(folder)) + "/" if folder else ""
        self._encryption = {} if sse == "none" else {"ServerSideEncryption": sse}
        if kms_key_id:
            self._encryption["SSEKMSKeyId"] = kms_key_id
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="s3")

    @classmethod
    def open(cls, bucket: str, *, prefix: str = "", sse: str = "none", kms_key_id: str = "") -> "S3Store":
        """The store of a bucket that is there and can be written to. Takes seconds, so call it in a thread.

        Raises:
            StoreError: it is not, or not with the credentials and the region of this process.
        """
        store = cls(make_client(), bucket, prefix=prefix, sse=sse, kms_key_id=kms_key_id)
        store.check()
        return store

    def check(self) -> None:
        """Asks for the bucket, and begins an upload that is never seen; raises StoreError."""
        with s3_errors(f"The bucket {self._bucket} can't be used"):
            self._client.head_bucket(Bucket=self._bucket)
        with s3_errors(f"The bucket {self._bucket} can't be written to"):
            target = self._target(f"{RESERVED}/check")
            answer = self._client.create_multipart_upload(**target, **self._encryption)
            self._client.abort_multipart_upload(**target, UploadId=answer["UploadId"])

    def location(self, key: str) -> str:
        return f"s3://{self._bucket}/{self._name(key)}"

    async def put(self, key: str, data: bytes, *, if_none_match: bool = False, if_match: str | None = None) -> Item:
        request = {**self._new(key), "Body": data}
        if if_none_match:
            request["IfNoneMatch"] = "*"
        if if_match is not None:
            request["IfMatch"] = if_match
        put = self._put_if if if_none_match or if_match is not None else self._put
        return Item(key, len(data), await self._call(f"{key} was not stored", partial(put, key, request)))

    async def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        target = self._target(self._name(key))

        def read() -> bytes:
            if length == 0:
                self._client.head_object(**target)
                return b""
            if start or length is not None:
                target["Range"] = f"bytes={start}-{'' if length is None else start + length - 1}"
            try:
                return self._client.get_object(**target)["Body"].read()
            except ClientError as error:
                if status_of(error) == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:  # it begins behind the end
                    return b""
                raise

        return await self._call(f"{key} was not read", read)

    async def list(self, prefix: str = "") -> AsyncIterator[Item]:
        check_prefix(prefix)
        request: dict[str, Any] = {"Bucket": self._bucket, "Prefix": self._prefix + prefix}
        while True:
            page = await self._call("The store was not listed", partial(self._client.list_objects_v2, **request))
            for found in page.get("Contents", ()):
                yield Item(found["Key"].removeprefix(self._prefix), found["Size"], found["ETag"])
            if not page.get("IsTruncated"):
                return
            request["ContinuationToken"] = page["NextContinuationToken"]

    async def delete(self, keys: Iterable[str]) -> None:
        names = [{"Key": self._name(key)} for key in keys]
        for first in range(0, len(names), _DELETED_AT_ONCE):
            batch = {"Objects": names[first : first + _DELETED_AT_ONCE], "Quiet": True}
            await self._call("Not all was deleted", partial(self._delete, batch))

    async def erase(self, prefix: str) -> int:
        check_prefix(prefix)
        call = partial(erase, self._client, self._bucket, self._prefix + prefix)
        return await self._call("Not all was erased", call)

    @property
    def lasting(self) -> "S3Store":
        return self

    async def upload(self, key: str) -> S3Upload:
        begin = partial(self._client.create_multipart_upload, **self._new(key))
        answer = await self._call(f"{key} was not begun", begin)
        target = self._target(self._name(key))
        return S3Upload(key, self._client, {**target, "UploadId": answer["UploadId"]}, self._call)

    async def resume(self, key: str, upload_id: str, parts: Iterable[Part]) -> S3Upload:
        target = self._target(self._name(key)) | {"UploadId": upload_id}
        return S3Upload(key, self._client, target, self._call, parts)

    async def unfinished(self, prefix: str = "") -> Sequence[tuple[str, str]]:
        check_prefix(prefix)
        find = partial(unfinished, self._client, self._bucket, self._prefix + prefix)
        found = await self._call("Uploads were not listed", find)
        return [(name.removeprefix(self._prefix), upload_id) for name, upload_id in found]

    async def end(self, key: str, upload_id: str) -> None:
        target = self._target(self._name(key)) | {"UploadId": upload_id}
        await self._call(f"The upload of {key} was not ended", partial(end_abandoned, self._client, target))

    async def close(self) -> None:
        """Waits for calls that are being made."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        await asyncio.to_thread(self._client.close)

    def _name(self, key: str) -> str:
        return self._prefix + "/".join(parts_of(key))

    def _target(self, name: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": name}

    def _new(self, key: str) -> dict[str, Any]:
        """What every object is begun with."""
        described = {"ContentType": media_type(key), "ChecksumAlgorithm": CHECKSUM}
        return {**self._target(self._name(key)), **self._encryption, **described}

    async def _call(self, failure: str, work: Callable[[], _T]) -> _T:
        def guarded() -> _T:
            with s3_errors(failure):
                return work()

        return await asyncio.get_running_loop().run_in_executor(self._threads, guarded)

    def _put(self, key: str, request: dict[str, Any]) -> str:
        return self._client.put_object(**request)["ETag"]

    def _put_if(self, key: str, request: dict[str, Any]) -> str:
        """Put under a condition. When the answer to a first attempt was lost, the next one meets the object that the
        first has made: its token tells it from somebody else's."""
        token = uuid.uuid4().hex
        try:
            return self._put(key, request | {"Metadata": {_TOKEN: token}})
        except ClientError as error:
            changed = status_of(error) in _CONDITION_FAILED or ("IfMatch" in request and code_of(error) == "NoSuchKey")
            if not changed:
                raise
            if was_retried(error) and (etag := self._etag_of(request["Key"], token)):
                return etag
        raise Conflict(f"{key} has changed")

    def _etag_of(self, name: str, token: str) -> str | None:
        try:
            answer = self._client.head_object(**self._target(name))
        except ClientError as error:
            if status_of(error) == HTTPStatus.NOT_FOUND:  # deleted meanwhile
                return None
            raise
        return answer["ETag"] if answer.get("Metadata", {}).get(_TOKEN) == token else None

    def _delete(self, batch: Answer) -> None:
        answer = self._client.delete_objects(Bucket=self._bucket, Delete=batch)
        # Some that speak S3's protocol find a missing key an error.
        codes = {str(problem.get("Code")) for problem in answer.get("Errors", ())} - {"NoSuchKey"}
        if codes:
            raise StoreError("Not all was deleted", retryable=bool(codes & {"InternalError", "SlowDown"}))
