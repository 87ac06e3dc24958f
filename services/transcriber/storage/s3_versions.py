"""Erasing in a bucket that keeps versions, where a deleted object is still there for whoever asks for its version."""

from collections.abc import Iterator
from typing import Any

from transcriber.storage.s3_client import Answer, Client
from transcriber.storage.store import StoreError

_DELETED_AT_ONCE = 1000


def erase(client: Client, bucket: str, name_prefix: str) -> int:
    """Delete every version and every delete marker of all names that begin so; how many there were.

    Raises:
        StoreError: some can't be deleted, for instance because the bucket locks them; ClientError, too.
    """
    erased = 0
    # A bucket without versions has one of each object, called `null`.
    for page in _pages(client, bucket, name_prefix):
        found = [
            {"Key": version["Key"], "VersionId": version["VersionId"]}
            for kind in ("Versions", "DeleteMarkers")
            for version in page.get(kind, ())
        ]
        for first in range(0, len(found), _DELETED_AT_ONCE):
            batch = {"Objects": found[first : first + _DELETED_AT_ONCE], "Quiet": True}
            answer = client.delete_objects(Bucket=bucket, Delete=batch)
            if answer.get("Errors"):
                raise StoreError("Not all was erased")
        erased += len(found)
    return erased


def _pages(client: Client, bucket: str, name_prefix: str) -> Iterator[Answer]:
    request: dict[str, Any] = {"Bucket": bucket, "Prefix": name_prefix}
    while True:
        page = client.list_object_versions(**request)
        yield page
        if not page.get("IsTruncated"):
            return
        # What was listed is gone, but markers say where the listing goes on, whether or not their object is there.
        request["KeyMarker"] = page["NextKeyMarker"]
        if following := page.get("NextVersionIdMarker"):
            request["VersionIdMarker"] = following
