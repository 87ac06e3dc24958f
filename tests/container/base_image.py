"""A stand-in for the official Python image, of what this Debian machine has: its packages as they are installed, and a
Python of its own in /usr/local. For tests alone: it holds the machine's certificates."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

_ROOTS = (
    *("apt", "ca-certificates", "debian-archive-keyring", "netbase", "tzdata"),
    *("libbz2-1.0", "libdb5.3", "libffi8", "libgdbm6", "liblzma5", "libncursesw6", "libreadline8", "libsqlite3-0"),
    *("libssl3", "libuuid1", "zlib1g"),
)
"""Beside what is essential: what official images have, and what Python's own modules link to."""

_FIELDS = ("Package", "Essential", "Priority", "Pre-Depends", "Depends", "Provides")
_UNWANTED = re.compile(r"/usr/share/(man|locale|info|lintian|bug|doc)/|/etc/(hosts|hostname|resolv\.conf)$|/\.$")
_MERGED = re.compile(r"^/(bin|sbin|lib|lib64)(?=/|$)")
_FOLDERS = (
    *("dev", "proc", "sys", "run", "root", "home", "srv", "mnt", "media", "opt", "boot", "tmp", "var/tmp", "var/log"),
    *("var/cache/apt/archives/partial", "var/lib/apt/lists/partial", "var/lib/dpkg/updates", "var/lib/dpkg/triggers"),
    *("etc/alternatives", "etc/apt/apt.conf.d", "etc/apt/preferences.d", "usr/local/bin", "usr/local/lib"),
)
_COPIED = (
    *("etc/ca-certificates.conf", "usr/local/share/ca-certificates"),
    *("etc/apt/sources.list", "etc/apt/sources.list.d", "etc/ssl/certs/ca-certificates.crt", "etc/ld.so.conf.d"),
    *("usr/bin/awk", "usr/bin/which", "etc/alternatives/awk", "etc/alternatives/which", "var/lib/dpkg/info/format"),
)
_NOT_IN_SLIM = (
    "__pycache__",
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "turtledemo",
    "config-*",
    "site-packages/[!p]*",
    "*.a",
)
"""Official images ship no compiled code either."""


class CantBeMade(Exception):
    """The message says what is missing."""


def find_python() -> Path:
    """The prefix of a CPython that is not the system's, 3.12 if there is one.

    Raises:
        CantBeMade: there is none.
    """
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for prefix in (*sorted(versions.glob("3.12.*"), reverse=True), Path(sys.base_prefix)):
        if prefix != Path("/usr") and any(prefix.glob("lib/python3.*/site-packages/pip")):
            return prefix
    raise CantBeMade("no Python with pip outside of the system's packages")


def make_root(root: Path) -> None:
    """Fills a folder with a Debian that has no Python."""
    packages = sorted(_closure(_installed()))
    for folder in _FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "var/tmp"):
        (root / name).chmod(0o1777)
    _copy(root, _files_of(packages))
    for name in ("bin", "sbin", "lib", "lib64"):
        if not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    for name in _COPIED:
        _copy_one(Path("/") / name, root / name)
    for name in ("passwd", "group"):
        shutil.copy(root / f"usr/share/base-passwd/{name}.master", root / f"etc/{name}")
    _write_dpkg_database(root, set(packages))
    (root / "etc/pip.conf").write_text("[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n")


def add_python(root: Path, prefix: Path) -> None:
    """Puts CPython where official images have it."""
    version = next(prefix.glob("lib/python3.*")).name
    parts = [f"lib/{version}", f"bin/{version}", *(f"lib/{path.name}" for path in prefix.glob("lib/libpython*.so*"))]
    excluded = [f"--exclude={pattern}" for pattern in _NOT_IN_SLIM]
    _piped(("tar", "-C", str(prefix), "-c", *excluded, *parts), ("tar", "-C", str(root / "usr/local"), "-x"))
    for name in ("python", "python3"):
        (root / "usr/local/bin" / name).symlink_to(version)
    subprocess.run(("ldconfig", "-r", str(root)), check=True)


def _installed() -> dict[str, dict[str, str]]:
    """Fields of every installed package by its name."""
    form = "\x1f".join(f"${{{field}}}" for field in ("db:Status-Status", *_FIELDS)) + "\n"
    try:
        listed = subprocess.run(("dpkg-query", "-W", "-f", form), capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        raise CantBeMade("no Debian: there is no dpkg-query") from None
    rows = [line.split("\x1f") for line in listed.splitlines()]
    return {row[1]: dict(zip(_FIELDS, row[1:], strict=True)) for row in rows if row[0] == "installed"}


def _names(field: str) -> list[list[str]]:
    """What a field of dependencies names: of each, its alternatives."""
    groups = field.split(",") if field else []
    return [[re.split(r"[\s:(]", choice.strip())[0] for choice in group.split("|")] for group in groups]


def _closure(installed: dict[str, dict[str, str]]) -> set[str]:
    providers = {name: package for package in installed for (name,) in _names(installed[package]["Provides"])}
    wanted = [
        name for name, fields in installed.items() if fields["Essential"] == "yes" or fields["Priority"] == "required"
    ]
    wanted += _ROOTS
    found: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name not in installed or name in found:
            continue
        found.add(name)
        for group in _names(installed[name]["Pre-Depends"]) + _names(installed[name]["Depends"]):
            there = (choice if choice in installed else providers.get(choice) for choice in group)
            wanted += [next(filter(None, there), name)]
    return found


def _files_of(packages: Iterable[str]) -> list[str]:
    """Paths without the leading slash, folders before what is in them."""
    listed = subprocess.run(("dpkg-query", "-L", *packages), capture_output=True, text=True, check=True).stdout
    database = [path for name in packages for path in _database_files(name)]
    paths = {
        _MERGED.sub(r"/usr/\1", line)
        for line in (*listed.splitlines(), *database)
        if line.startswith("/") and not _UNWANTED.search(line)
    }
    return sorted(path.lstrip("/") for path in paths if os.path.lexists(path))


def _database_files(package: str) -> Iterator[str]:
    for pattern in (f"{package}.*", f"{package}:*.*"):
        yield from map(str, Path("/var/lib/dpkg/info").glob(pattern))


def _copy(root: Path, paths: list[str]) -> None:
    """Only what is named, not what is in it."""
    unpack = ("tar", "-C", str(root), "-x")
    _piped(("tar", "-C", "/", "--no-recursion", "-c", "--null", "-T", "-"), unpack, "\0".join(paths))


def _copy_one(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError, FileExistsError):
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target, follow_symlinks=False)


def _write_dpkg_database(root: Path, packages: set[str]) -> None:
    folder = root / "var/lib/dpkg"
    records = Path("/var/lib/dpkg/status").read_text().split("\n\n")
    kept = [record for record in records if (name := re.match(r"Package: (\S+)", record)) and name[1] in packages]
    (folder / "status").write_text("\n\n".join(kept) + "\n\n")
    shutil.copytree("/var/lib/dpkg/triggers", folder / "triggers", dirs_exist_ok=True)
    for name in ("available", "diversions", "statoverride", "lock"):
        (folder / name).touch()


def _piped(packing: tuple[str, ...], unpacking: tuple[str, ...], text: str = "") -> None:
    packed = subprocess.Popen(packing, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert packed.stdin is not None
    unpacked = subprocess.Popen(unpacking, stdin=packed.stdout)
    packed.stdin.write(text.encode())
    packed.stdin.close()
    assert packed.stdout is not None
    packed.stdout.close()
    assert (packed.wait(), unpacked.wait()) == (0, 0), packing
