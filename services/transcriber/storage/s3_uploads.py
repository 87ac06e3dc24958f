"""Multipart uploads of S3: they outlive the process that began them, and are ended by whoever knows their id."""

from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from typing import Any

from botocore.exceptions import ClientError

from transcriber.storage.s3_client import Answer, Client, code_of, status_of
from transcriber.storage.store import Item, Part, StoreError

CHECKSUM = "CRC32"
"""What S3 verifies of every object and part on arrival, and keeps with it."""
_MAX_PARTS = 10_000

_CallIn = Callable[[str, Callable[[], Answer]], Any]


class S3Upload:
    """A multipart upload; its parts are counted here, so that completing it needs no listing."""

    def __init__(self, key: str, client: Client, target: Answer, call: _CallIn, parts: Iterable[Part] = ()) -> None:
        self._key = key
        self._client = client
        self._target = target
        self._call = call
        self._parts = {part.number: part for part in parts}

    @property
    def upload_id(self) -> str:
        return self._target["UploadId"]

    async def put_part(self, number: int, data: bytes) -> Part:
        request = {"Body": data, "ChecksumAlgorithm": CHECKSUM}
        return await self._part(self._client.upload_part, request, number, len(data))

    async def copy_part(self, number: int, key: str, start: int, length: int) -> Part:
        name = self._target["Key"].removesuffix(self._key) + key
        source = {"Bucket": self._target["Bucket"], "Key": name}
        request = {"CopySource": source, "CopySourceRange": f"bytes={start}-{start + length - 1}"}
        return await self._part(self._client.upload_part_copy, request, number, length)

    async def _part(self, send: Callable[..., Answer], request: Answer, number: int, size: int) -> Part:
        if not 1 <= number <= _MAX_PARTS:
            raise StoreError(f"{number} can't be the number of a part")
        whole = {**self._target, "PartNumber": number, **request}
        answer: Answer = await self._call(f"Part {number} of {self._key} was not stored", partial(send, **whole))
        answer = answer.get("CopyPartResult", answer)
        part = self._parts[number] = Part(number, size, answer["ETag"], answer.get(f"Checksum{CHECKSUM}"))
        return part

    async def complete(self) -> Item:
        if not self._parts:
            raise StoreError(f"{self._key} has no parts, or its upload is over")
        size = sum(part.size for part in self._parts.values())
        parts = [_listed(self._parts[number]) for number in sorted(self._parts)]
        finish = partial(_complete, self._client, self._target, parts, size)
        etag = (await self._call(f"{self._key} was not completed", finish))["ETag"]
        self._parts.clear()
        return Item(self._key, size, etag)

    async def abort(self) -> None:
        self._parts.clear()
        await self._call(f"{self._key} was not aborted", partial(_abort, self._client, self._target))


def _listed(part: Part) -> Answer:
    known = {"PartNumber": part.number, "ETag": part.etag}
    return known | ({f"Checksum{CHECKSUM}": part.checksum} if part.checksum else {})


def _complete(client: Client, target: Answer, parts: list[Answer], size: int) -> Answer:
    """When the answer to a first attempt was lost, the upload is gone, and the object of its size is there."""
    try:
        return client.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
    except ClientError as error:
        if code_of(error) != "NoSuchUpload":
            raise
        found = _head(client, target)
        if found is None or found["ContentLength"] != size:
            raise
        return found


def _head(client: Client, target: Answer) -> Answer | None:
    try:
        return client.head_object(Bucket=target["Bucket"], Key=target["Key"])
    except ClientError as error:
        if status_of(error) == HTTPStatus.NOT_FOUND:
            return None
        raise


def _abort(client: Client, target: Answer) -> Answer:
    try:
        return client.abort_multipart_upload(**target)
    except ClientError as error:
        if code_of(error) == "NoSuchUpload":
            return {}
        raise


def unfinished(client: Client, bucket: str, prefix: str) -> list[tuple[str, str]]:
    """Name and id of the uploads below a prefix."""
    found: list[tuple[str, str]] = []
    request: Answer = {"Bucket": bucket, "Prefix": prefix}
    while True:
        page = client.list_multipart_uploads(**request)
        found += [(upload["Key"], upload["UploadId"]) for upload in page.get("Uploads", ())]
        if not page.get("IsTruncated"):
            return found
        request |= {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}


def end_abandoned(client: Client, target: Answer) -> Answer:
    """Make an object of the parts that an upload has, unless a later one has made it already or there are none."""
    parts, request = list[Answer](), dict(target)
    try:
        while True:
            page = client.list_parts(**request)
            parts += page.get("Parts", ())
            if not page.get("IsTruncated"):
                break
            request["PartNumberMarker"] = page["NextPartNumberMarker"]
    except ClientError as error:
        if code_of(error) == "NoSuchUpload":
            return {}
        raise
    if not parts or parts[0]["PartNumber"] != 1 or _head(client, target) is not None:
        return _abort(client, target)
    known = ("PartNumber", "ETag", f"Checksum{CHECKSUM}")
    listed = [{name: part[name] for name in known if part.get(name)} for part in parts]
    return _complete(client, target, listed, sum(part["Size"] for part in parts))
