"""The API keys that hold now: those of `API_KEYS`, and those of `API_KEYS_FILE` as the file is now."""

import contextlib
import fcntl
import logging
import os
import tempfile
from collections.abc import Generator, Iterable
from pathlib import Path

from transcriber.api_keys import ApiKey, KeysError, dump, find, parse

log = logging.getLogger(__name__)

_MAX_FILE_BYTES = 16 << 20
_Stamp = tuple[int, int, int]


class KeyRing:
    """Looks at the file whenever a key is asked for: a change holds from the next client on, without a restart."""

    def __init__(self, inline: str = "", path: Path | None = None) -> None:
        """Raises KeysError: what is given can't be used, with the setting's name."""
        self._inline = _named("API_KEYS", inline)
        self._path = path
        self._stamp: _Stamp | None = None
        self._from_file: tuple[ApiKey, ...] = ()
        if path is not None:
            try:
                self._from_file, self._stamp = read(path)
            except KeysError as wrong:
                raise KeysError(f"API_KEYS_FILE: {wrong}") from None

    @property
    def keys(self) -> tuple[ApiKey, ...]:
        """All that hold now."""
        self._look()
        return (*self._inline, *self._from_file)

    def find(self, text: str) -> ApiKey | None:
        """The key that somebody shows."""
        return find(self.keys, text)

    def with_id(self, key_id: str) -> ApiKey | None:
        """The key that is called so, if it still holds."""
        return next((key for key in self.keys if key.id == key_id), None)

    def _look(self) -> None:
        """Read the file again if it is another one than before. One that can't be used changes nothing: half a file
        must lock nobody out, and let nobody in. An empty one is half a file, too: the list without keys is `[]`."""
        if self._path is None or (stamp := _stamp(self._path)) == self._stamp:
            return
        self._stamp = stamp
        try:
            self._from_file, self._stamp = read(self._path, empty=not self._from_file)
        except KeysError as wrong:
            log.error("API keys are left as they were", extra={"reason": str(wrong)})
        else:
            log.info("API keys read again", extra={"keys": len(self._from_file)})


def _named(setting: str, text: str) -> tuple[ApiKey, ...]:
    try:
        return parse(text)
    except KeysError as wrong:
        raise KeysError(f"{setting}: {wrong}") from None


def _stamp(path: Path) -> _Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def read(path: Path, *, empty: bool = True) -> tuple[tuple[ApiKey, ...], _Stamp]:
    """The keys of a file, and what tells it from the one it is next; `empty`: whether there may be nothing in it.

    Raises:
        KeysError: they can't be read.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(_MAX_FILE_BYTES)
        text = content.decode()
    except OSError as problem:
        raise KeysError(f"{path} can't be read: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise KeysError(f"{path} is not text in UTF-8") from None
    if not empty and not text.strip():
        raise KeysError(f"{path} is empty")
    try:
        return parse(text), (status.st_ino, status.st_mtime_ns, status.st_size)
    except KeysError as wrong:
        raise KeysError(f"{path}: {wrong}") from None


@contextlib.contextmanager
def changing(path: Path) -> Generator[None]:
    """Whoever reads a file of keys to write it anew does both inside: changes at the same time follow each other.
    Makes the file's folder. Raises OSError."""
    folder = path.resolve().parent
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # Some file systems of a network have no such locks.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def write(path: Path, keys: Iterable[ApiKey]) -> None:
    """Put keys into a file, whole or not at all. One that was there stays whose it is and as readable as it is; only
    its owner may read a new one. Raises OSError."""
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".keys-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(dump(keys))
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            before = path.stat()
            # Made by root in its place, it would be closed to the service.
            with contextlib.suppress(PermissionError):
                os.chown(name, before.st_uid, before.st_gid)
            os.chmod(name, before.st_mode & 0o777)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
