"""The store on the local disk: a file per key, whole or not there at all."""

import asyncio
import errno
import hashlib
import os
import shutil
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

from transcriber.storage.files import TempFolder, link_or_move, sync_folder, write_durably
from transcriber.storage.keys import RESERVED, parts_of
from transcriber.storage.store import Conflict, Item, NotFound, Part, StoreError, Upload

_T = TypeVar("_T")

TEMP = RESERVED
"""The folder of unfinished files, in the root: a rename out of it stays within the file system."""

_RETRYABLE = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EAGAIN, errno.EBUSY, errno.EMFILE, errno.ENFILE, errno.EINTR, errno.ETIMEDOUT)
)

_HASHED_BYTES = 64 * 1024
"""Up to here an etag is a hash of the content. Conditions are put on small things; to list large ones must not read
them."""

_LISTED_AT_ONCE = 256
_MAX_PARTS = 10_000
_PLACE_ATTEMPTS = 20


class DiskStore:
    """Files below `root`; safe to use by several stores and processes at once.

    `if_none_match` holds among all of them; `if_match` among the tasks of one store.
    """

    def __init__(self, root: Path) -> None:
        """Makes `root`, for its own user alone, if it is not there; removes what processes that died left unfinished.

        Raises:
            StoreError: the folder can't be used.
        """
        self._root = root.absolute()
        self._commit = threading.Lock()
        with store_errors(f"The folder {self._root} of the store can't be used"):
            if not self._root.exists():
                self._root.mkdir(0o700, parents=True, exist_ok=True)
            self._temp = TempFolder(self._root / TEMP)

    @property
    def lasting(self) -> None:
        """What a session has received lies on a disk already: sending it on meanwhile would write it twice."""

    def location(self, key: str) -> str:
        return str(self._path(key))

    async def put(self, key: str, data: bytes, *, if_none_match: bool = False, if_match: str | None = None) -> Item:
        path = self._path(key)

        def write() -> Item:
            with self._temp.file() as temp:
                write_durably(temp, lambda file: file.write(data))
                return self._move(temp, key, path, if_none_match=if_none_match, if_match=if_match)

        return await _in_thread(f"{key} was not stored", write)

    async def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        path = self._path(key)

        def read() -> bytes:
            try:
                with path.open("rb") as file:
                    file.seek(start)
                    return file.read(-1 if length is None else length)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
                raise NotFound(f"{key} is not there") from error

        return await _in_thread(f"{key} was not read", read)

    async def list(self, prefix: str = "") -> AsyncIterator[Item]:
        folder = prefix.rpartition("/")[0]
        top = self._path(folder) if folder else self._root
        keys = await _in_thread("The store was not listed", lambda: self._keys(top, prefix))
        for first in range(0, len(keys), _LISTED_AT_ONCE):
            batch = keys[first : first + _LISTED_AT_ONCE]
            for item in await self._listed(batch):
                yield item

    async def delete(self, keys: Iterable[str]) -> None:
        paths = [self._path(key) for key in keys]

        def remove() -> None:
            for path in paths:
                with self._commit:
                    self._remove(path)

        await _in_thread("Not all was deleted", remove)

    async def erase(self, prefix: str) -> int:
        keys = [item.key async for item in self.list(prefix)]
        await self.delete(keys)
        return len(keys)

    async def upload(self, key: str) -> Upload:
        path = self._path(key)
        folder = await _in_thread(f"{key} was not begun", self._temp.make_folder)

        def move(temp: Path) -> Item:
            return self._move(temp, key, path)

        return _DiskUpload(key, folder, move)

    async def close(self) -> None:
        await _in_thread("The store was not closed", self._temp.remove)

    def _path(self, key: str) -> Path:
        return self._root.joinpath(*parts_of(key))

    def _move(
        self, temp: Path, key: str, path: Path, *, if_none_match: bool = False, if_match: str | None = None
    ) -> Item:
        """Makes `temp` what is stored under `key`."""
        item = _item(key, temp)
        with self._commit:
            if if_match is not None and (not path.is_file() or _item(key, path).etag != if_match):
                raise Conflict(f"{key} has changed")
            _place(temp, path, only_if_free=if_none_match)
        sync_folder(path.parent)
        return item

    def _remove(self, path: Path) -> None:
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return
        except (IsADirectoryError, PermissionError):
            if path.is_dir():
                return
            raise
        for folder in path.parents:
            if folder == self._root:
                return
            try:
                folder.rmdir()
            except OSError:
                return

    def _keys(self, top: Path, prefix: str) -> Sequence[str]:
        found: set[str] = set()
        for folder, folders, files in os.walk(top):
            path = Path(folder)
            if path == self._root and TEMP in folders:
                folders.remove(TEMP)
            relative = path.relative_to(self._root)
            found.update((relative / name).as_posix() for name in files)
        return sorted(key for key in found if key.startswith(prefix))

    async def _listed(self, keys: Sequence[str]) -> Sequence[Item]:
        """What of `keys` is still there."""

        def look() -> Iterator[Item]:
            for key in keys:
                with suppress(FileNotFoundError):
                    yield _item(key, self._root / key)

        return await _in_thread("The store was not listed", lambda: tuple(look()))


class _DiskUpload:
    """Parts lie in a folder of their own until they are joined."""

    def __init__(self, key: str, folder: Path, move: Callable[[Path], Item]) -> None:
        self._key = key
        self._folder = folder
        self._move = move

    async def put_part(self, number: int, data: bytes) -> Part:
        if not 1 <= number <= _MAX_PARTS:
            raise StoreError(f"{number} can't be the number of a part")

        def write() -> None:
            temp = self._folder / uuid.uuid4().hex
            try:
                temp.write_bytes(data)
                temp.replace(self._folder / f"{number:05}.part")
            finally:
                temp.unlink(missing_ok=True)

        await _in_thread(f"Part {number} of {self._key} was not stored", write)
        return Part(number, len(data))

    async def complete(self) -> Item:
        def join() -> Item:
            parts = sorted(self._folder.glob("*.part"))
            if not parts:
                raise StoreError(f"{self._key} has no parts, or its upload is over")
            whole = self._folder / "whole"
            try:
                write_durably(whole, lambda file: _append(file, parts))
                item = self._move(whole)
            finally:
                whole.unlink(missing_ok=True)
            shutil.rmtree(self._folder, ignore_errors=True)
            return item

        return await _in_thread(f"{self._key} was not completed", join)

    async def abort(self) -> None:
        await _in_thread(f"{self._key} was not aborted", lambda: shutil.rmtree(self._folder, ignore_errors=True))


def _place(temp: Path, path: Path, *, only_if_free: bool) -> None:
    for attempt in range(_PLACE_ATTEMPTS):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _give_name(temp, path, only_if_free=only_if_free)
        except (FileNotFoundError, FileExistsError):
            # Another process has removed the folder in that moment, since it was empty.
            if attempt == _PLACE_ATTEMPTS - 1:
                raise
        else:
            return


def _give_name(temp: Path, path: Path, *, only_if_free: bool) -> None:
    if not only_if_free:
        temp.replace(path)
        return
    try:
        link_or_move(temp, path)
    except FileExistsError as error:
        raise Conflict(f"{path.name} is already there") from error


def _append(file: BinaryIO, parts: Iterable[Path]) -> None:
    for part in parts:
        with part.open("rb") as source:
            shutil.copyfileobj(source, file, 1024 * 1024)


def _item(key: str, path: Path) -> Item:
    status = path.stat()
    if status.st_size <= _HASHED_BYTES:
        content = path.read_bytes()
        return Item(key, len(content), hashlib.sha256(content).hexdigest())
    return Item(key, status.st_size, f"{status.st_size:x}-{status.st_mtime_ns:x}")


async def _in_thread(failure: str, work: Callable[[], _T]) -> _T:
    def guarded() -> _T:
        with store_errors(failure):
            return work()

    return await asyncio.to_thread(guarded)


@contextmanager
def store_errors(failure: str) -> Generator[None]:
    """Makes what the system says of a failure a StoreError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StoreError(f"{failure}: {reason}", retryable=error.errno in _RETRYABLE) from error
