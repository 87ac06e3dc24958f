"""What a store is: bytes under keys, as S3 has them."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


class StoreError(Exception):
    """The store could not do it. `retryable`: the same call may succeed later."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class NotFound(StoreError):
    """Nothing is stored under the key."""


class Conflict(StoreError):
    """A condition of `put` did not hold: somebody else was quicker."""


@dataclass(frozen=True, slots=True)
class Item:
    """What is stored under a key; `etag` changes with the content."""

    key: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Part:
    """What is stored of an upload under a number; the rest is the store's own."""

    number: int
    size: int
    etag: str = ""
    checksum: str | None = None


class Upload(Protocol):
    """A thing that becomes visible, whole, when it is completed. Parts may come in any order and again."""

    async def put_part(self, number: int, data: bytes) -> Part:
        """Part `number`, counted from 1; every part but the last at least 5 MiB."""
        ...

    async def complete(self) -> Item: ...

    async def abort(self) -> None: ...


class LastingUpload(Upload, Protocol):
    """One that outlives the process that began it."""

    @property
    def upload_id(self) -> str: ...

    async def copy_part(self, number: int, key: str, start: int, length: int) -> Part:
        """Part `number` from what is stored under `key`, within the store; at least 5 MiB."""
        ...


class Lasting(Protocol):
    """What a store can do whose uploads outlive the process that began them."""

    async def upload(self, key: str) -> LastingUpload: ...

    async def resume(self, key: str, upload_id: str, parts: Iterable[Part]) -> LastingUpload:
        """The upload that was begun so, and has these parts."""
        ...

    async def unfinished(self, prefix: str = "") -> Sequence[tuple[str, str]]:
        """Key and id of every upload that goes on, of keys that begin with `prefix`."""
        ...

    async def end(self, key: str, upload_id: str) -> None:
        """Complete an upload with the parts it has; abort it if it has none, or something is under its key already."""
        ...


class Store(Protocol):
    """Keys are `/`-separated paths without `.` and `..`. Every call raises StoreError when it fails."""

    @property
    def lasting(self) -> Lasting | None:
        """Itself, if recordings may be sent while they grow; None where a copy at the end is all there is."""
        ...

    def location(self, key: str) -> str:
        """Where people find what is stored under `key`: a path or a URL."""
        ...

    async def put(self, key: str, data: bytes, *, if_none_match: bool = False, if_match: str | None = None) -> Item:
        """Store `data` whole. `if_none_match`: only if nothing is there; `if_match`: only over that etag.

        Raises:
            Conflict: a condition did not hold.
        """
        ...

    async def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Raises NotFound."""
        ...

    def list(self, prefix: str = "") -> AsyncIterator[Item]:
        """Items whose keys begin with `prefix`, by key."""
        ...

    async def delete(self, keys: Iterable[str]) -> None:
        """Deleting what is not there is no error."""
        ...

    async def erase(self, prefix: str) -> int:
        """Delete all whose keys begin with `prefix` for good, with what the store keeps of what was there before; how
        many things that were."""
        ...

    async def upload(self, key: str) -> Upload:
        """Begin a multipart upload."""
        ...

    async def close(self) -> None: ...
