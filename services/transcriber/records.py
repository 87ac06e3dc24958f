"""The files that a spool is made of: append-only, of bytes or of JSON lines, and read while they grow."""

import errno
import json
import os
from collections import deque
from pathlib import Path
from typing import Any, cast

_READ_BYTES = 1 << 16


class SpoolDamaged(Exception):
    """What a process before this one left can't be read."""


class Log:
    """An append-only file."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.size = os.fstat(self._file).st_size

    def append(self, data: bytes) -> None:
        """Raises OSError, also when only a part could be written; what was written of it is taken back."""
        written = os.write(self._file, data)
        if written != len(data):
            os.ftruncate(self._file, self.size)
            raise no_space()
        self.size += written

    def read(self, offset: int, length: int) -> bytes:
        """What is there; shorter than `length` only at the end."""
        return os.pread(self._file, min(length, max(0, self.size - offset)), offset)

    def cut(self, size: int) -> None:
        os.ftruncate(self._file, size)
        self.size = size

    def close(self) -> None:
        os.close(self._file)


class Records:
    """An append-only file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self.log = Log(path)
        self.count = 0
        self.unwritten: list[bytes] = []
        """Lines that the disk did not take: they are few, since a session whose audio it does not take ends."""
        self._mend()

    def append(self, values: dict[str, Any]) -> int:
        """The record's number, counted from 1. Never fails: a session must be able to end on a full disk."""
        line = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        if not self._written(line):
            self.unwritten.append(line)
        self.count += 1
        return self.count

    def _written(self, line: bytes) -> bool:
        if self.unwritten:
            return False
        try:
            self.log.append(line)
        except OSError:
            return False
        return True

    def _mend(self) -> None:
        """Count the lines; cut off a last one that was not wholly written."""
        whole = 0
        for offset in range(0, self.log.size, _READ_BYTES):
            piece = self.log.read(offset, _READ_BYTES)
            self.count += piece.count(b"\n")
            if (newline := piece.rfind(b"\n")) >= 0:
                whole = offset + newline + 1
        if whole != self.log.size:
            self.log.cut(whole)


class RecordCursor:
    """Reads records in order, as they are appended."""

    def __init__(self, records: Records) -> None:
        self._log = records.log
        self._unwritten = records.unwritten
        self._offset = 0
        self._beyond = 0
        """Lines read that are not in the file."""
        self._lines: deque[bytes] = deque()
        self._torn = b""

    def next(self) -> dict[str, Any] | None:
        """The next record, or None when there is none yet.

        Raises:
            SpoolDamaged: there is one that is none.
        """
        while not self._lines:
            if piece := self._log.read(self._offset, _READ_BYTES):
                self._offset += len(piece)
                *lines, self._torn = (self._torn + piece).split(b"\n")
                self._lines.extend(lines)
            elif self._beyond < len(self._unwritten):
                self._lines.append(self._unwritten[self._beyond])
                self._beyond += 1
            else:
                return None
        return _record(self._lines.popleft())


def _record(line: bytes) -> dict[str, Any]:
    try:
        values: object = json.loads(line)
    except (ValueError, RecursionError):
        raise SpoolDamaged from None
    if not isinstance(values, dict):
        raise SpoolDamaged
    return cast("dict[str, Any]", values)


def no_space() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
