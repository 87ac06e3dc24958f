"""What it takes to have files on a disk whole or not at all: temporary ones that end with their process, writes that
are durable before they get a name."""

import errno
import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_NO_HARD_LINKS = frozenset((errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS))


class TempFolder:
    """This store's own folder of unfinished files, held by a lock for as long as its process lives."""

    def __init__(self, shared: Path) -> None:
        shared.mkdir(parents=True, exist_ok=True)
        with (shared / "lock").open("ab") as opening:
            fcntl.flock(opening, fcntl.LOCK_EX)
            _remove_abandoned(shared)
            self._folder = shared / uuid.uuid4().hex
            self._folder.mkdir()
            self._lock = (self._folder / "lock").open("ab")
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    @contextmanager
    def file(self) -> Generator[Path]:
        """A name for a file, which is gone afterwards if it was not moved."""
        path = self._folder / uuid.uuid4().hex
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def make_folder(self) -> Path:
        path = self._folder / uuid.uuid4().hex
        path.mkdir()
        return path

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._lock.close()


def _remove_abandoned(shared: Path) -> None:
    """Folders whose lock nobody holds: their process is dead."""
    for folder in shared.iterdir():
        if not folder.is_dir():
            continue
        try:
            with (folder / "lock").open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except (BlockingIOError, FileNotFoundError):  # held, or just closed
            continue


def write_durably(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Writes a file that is on the disk, not just in memory, before it gets its name."""
    with path.open("xb") as file:
        fill(file)
        file.flush()
        # The clock's own nanoseconds: those that file systems take themselves are as coarse as 4 ms.
        now = time.time_ns()
        os.utime(path, ns=(now, now))
        os.fsync(file.fileno())


def link_or_move(temp: Path, path: Path, link: Callable[[Path, Path], None] = os.link) -> None:
    """Gives `temp` the name `path` if that is free, which a rename can't ask; not atomic without hard links.

    Raises:
        FileExistsError: it is not free.
    """
    try:
        link(temp, path)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
        temp.replace(path)


def sync_folder(folder: Path) -> None:
    """Makes a new name as durable as its file."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:  # all in it was deleted meanwhile
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
