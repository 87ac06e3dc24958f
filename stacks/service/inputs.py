"""What an image is built from, and the tag that follows from it: the same inputs have the same tag whoever builds them,
whatever else is in the commit, and other inputs never have it."""

import hashlib
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from docker.utils.build import exclude_paths

from stacks.ecr.lifecycle import BUILT

DIGITS = 16


def tag(root: Path, options: Mapping[str, str]) -> str:
    """The tag of an image built in `root` with the given build arguments, target and platform."""
    digest = hashlib.sha256()
    for name in sorted(options):
        digest.update(f"option {name}={options[name]}\n".encode())
    for path in context(root):
        digest.update(_entry(root, path))
    return f"{BUILT}{digest.hexdigest()[:DIGITS]}"


def context(root: Path) -> list[str]:
    """The files that the builder is sent, as .dockerignore says, by path."""
    ignored = _patterns((root / ".dockerignore").read_text().splitlines())
    paths = exclude_paths(str(root), [*ignored, "!.dockerignore"], dockerfile="Dockerfile")
    return sorted(path for path in paths if (root / path).is_symlink() or (root / path).is_file())


def _patterns(lines: Iterable[str]) -> list[str]:
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _entry(root: Path, path: str) -> bytes:
    """Of a mode, only what git keeps: whether it can be executed."""
    file = root / path
    if file.is_symlink():
        return f"link {path} {file.readlink()}\n".encode()
    executable = bool(file.stat().st_mode & stat.S_IXUSR)
    content = hashlib.sha256(file.read_bytes()).hexdigest()
    return f"file {path} {executable} {content}\n".encode()
