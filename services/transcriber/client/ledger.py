"""Which file is which job, and which is done: so that a command that was interrupted goes on where it stopped."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import cast


def cache_folder() -> Path:
    """Of this program, for this user (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "transcriber"


class Ledger:
    """A small file for each job, so that commands at the same time don't disturb each other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def job(self, key: str) -> str | None:
        """The job that a file is, if it is known."""
        return self._read(key).get("job")

    def is_done(self, key: str, output: Path) -> bool:
        """Whether the result of a file was written there."""
        return self._read(key).get("output") == str(output.absolute()) and output.exists()

    def begun(self, key: str, job: str) -> None:
        self._write(key, {"job": job})

    def done(self, key: str, output: Path | None) -> None:
        self._write(key, {"output": str(output.absolute())} if output else {})

    def forget(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"

    def _read(self, key: str) -> Mapping[str, str]:
        try:
            entry: object = json.loads(self._path(key).read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return cast("Mapping[str, str]", entry) if isinstance(entry, dict) else {}

    def _write(self, key: str, entry: Mapping[str, str]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        replace_file(self._path(key), json.dumps(entry).encode())


def key_of(path: Path, where: str, options: Mapping[str, str]) -> str:
    """What stays the same while a file, the service and what is asked of it do. Raises OSError."""
    status = path.stat()
    parts = (str(path.absolute()), status.st_size, status.st_mtime_ns, where, sorted(options.items()))
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def replace_file(path: Path, data: bytes) -> None:
    """Written whole, or as it was. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
