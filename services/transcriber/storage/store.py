"""What a store is: bytes under keys, as S3 has them."""

from collections.abc import AsyncIterator, Iterable
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


class Upload(Protocol):
    """A thing that becomes visible, whole, when it is completed. Parts may come in any order and again."""

    async def put_part(self, number: int, data: bytes) -> None:
        """Part `number`, counted from 1; every part but the last at least 5 MiB."""
        ...

    async def complete(self) -> Item: ...

    async def abort(self) -> None: ...


class Store(Protocol):
    """Keys are `/`-separated paths without `.` and `..`. Every call raises StoreError when it fails."""

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

    async def upload(self, key: str) -> Upload:
        """Begin a multipart upload."""
        ...

    async def close(self) -> None: ...
