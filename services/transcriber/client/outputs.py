"""The files of a command, and what their results are called, so that no two are the same."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


def distinct(files: Iterable[Path]) -> list[Path]:
    """Each file once, as it was named first."""
    found: dict[Path, Path] = {}
    for path in files:
        found.setdefault(_absolute(path), path)
    return list(found.values())


def outputs(files: Sequence[Path], folder: Path, kind: str) -> Mapping[Path, Path]:
    """Where each result goes: named after its file, with the extension left off where that is no other's name, and in
    folders as the files are where their names are the same."""
    top = Path(os.path.commonpath([_absolute(path).parent for path in files]))
    longer = {path: _names(path, top) for path in files}
    taken = {path: names.pop(0) for path, names in longer.items()}
    while clashing := [path for path in _clashing(taken) if longer[path]]:
        for path in clashing:
            taken[path] = longer[path].pop(0)
    return {path: folder / f"{name}.{kind}" for path, name in taken.items()}


def _names(path: Path, top: Path) -> list[str]:
    """From the shortest to one that no other file has."""
    below = _absolute(path).relative_to(top)
    return [path.stem, path.name, str(below.with_suffix("")), str(below)]


def _clashing(names: Mapping[Path, str]) -> list[Path]:
    # Some file systems take upper and lower case for the same.
    counted = Counter(name.casefold() for name in names.values())
    return [path for path, name in names.items() if counted[name.casefold()] > 1]


def _absolute(path: Path) -> Path:
    """Without the way there."""
    return Path(os.path.normpath(path.absolute()))
