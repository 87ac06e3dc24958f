"""Who looks at a file or calls at a port, seen without tracing anybody: Linux tells of files that are opened."""

import ctypes
import os
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_IN_OPEN = 0x20


@dataclass(frozen=True)
class Canary:
    """A file and an address that nobody should touch. Where files that are opened are not told of, `path` still is
    one, and only the address counts."""

    path: Path
    port: int
    _inotify: int | None
    _listener: socket.socket

    def touched(self) -> list[str]:
        """What was touched since this was last asked."""
        found: list[str] = []
        if self._inotify is not None:
            try:
                if os.read(self._inotify, 4096):
                    found.append("file")
            except BlockingIOError:
                pass
        try:
            self._listener.accept()[0].close()
            found.append("address")
        except BlockingIOError:
            pass
        return found


@contextmanager
def canary(path: Path, content: bytes) -> Generator[Canary]:
    path.write_bytes(content)
    inotify = None
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        inotify = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert libc.inotify_add_watch(inotify, os.fsencode(path), _IN_OPEN) >= 0
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        try:
            yield Canary(path, listener.getsockname()[1], inotify, listener)
        finally:
            if inotify is not None:
                os.close(inotify)
