"""Erasing for good, in a bucket that keeps versions."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.s3_server import S3Server, s3_server
from transcriber.storage.s3_client import Answer
from transcriber.storage.s3_versions import erase
from transcriber.storage.store import StoreError


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


def left(s3: S3Server, bucket: str) -> list[str]:
    page = s3.client.list_object_versions(Bucket=bucket)
    return sorted(found["Key"] for kind in ("Versions", "DeleteMarkers") for found in page.get(kind, ()))


def test_every_version_and_delete_marker_is_gone(s3: S3Server) -> None:
    bucket = s3.make_bucket(versions=True)
    for content in (b"one", b"two"):
        s3.client.put_object(Bucket=bucket, Key="a/x", Body=content)
        s3.client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a/x"}]})
    s3.client.put_object(Bucket=bucket, Key="a/y", Body=b"three")
    s3.client.put_object(Bucket=bucket, Key="ab", Body=b"four")
    assert len(left(s3, bucket)) == 6
    assert erase(s3.client, bucket, "a/") == 5
    assert left(s3, bucket) == ["ab"]


class Paged:
    """A bucket whose listing has one thing a page, and in which some can't be deleted."""

    def __init__(self, names: list[str], locked: str = "") -> None:
        self.names = names
        self.locked = locked
        self.deleted: list[str] = []

    def list_object_versions(self, **request: Any) -> Answer:
        after = request.get("KeyMarker", "")
        name = next(name for name in self.names if name > after)
        more = name != self.names[-1]
        marker = {"NextKeyMarker": name, "NextVersionIdMarker": "v"} if more else {}
        return {"Versions": [{"Key": name, "VersionId": "v"}], "IsTruncated": more, **marker}

    def delete_objects(self, **request: Any) -> Answer:
        names = [entry["Key"] for entry in request["Delete"]["Objects"]]
        self.deleted += names
        return {"Errors": [{"Code": "AccessDenied"}]} if self.locked in names else {}


def test_a_listing_of_several_pages() -> None:
    bucket = Paged(["a", "b", "c"])
    assert erase(bucket, "bucket", "") == 3  # type: ignore[arg-type]
    assert bucket.deleted == ["a", "b", "c"]


def test_what_is_locked_is_told() -> None:
    with pytest.raises(StoreError):
        erase(Paged(["a", "b"], locked="b"), "bucket", "")  # type: ignore[arg-type]
