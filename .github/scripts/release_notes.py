"""The changelog's section of a release: `release_notes.py v1.2.3`. Refuses a tag that is not the version of the code,
and a section without a date."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def section(changelog: str, version: str) -> str:
    """Without its heading.

    Raises:
        ValueError: there is none, or it is not dated.
    """
    parts = re.split(r"^## \[(.+?)\] - (.+)$", changelog, flags=re.MULTILINE)
    for found, date, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        if found == version:
            if not re.fullmatch(r"\d{4}-\d\d-\d\d", date.strip()):
                raise ValueError(f"CHANGELOG.md has {version} as {date.strip()}: date it before it is tagged")
            return text.strip() + "\n"
    raise ValueError(f"CHANGELOG.md has no section {version}")


def code_version(source: str) -> str:
    found = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    if not found:
        raise ValueError("the code has no version")
    return found[1]


def notes(tag: str) -> str:
    """Raises ValueError with what keeps this from being a release."""
    version = code_version((ROOT / "services/transcriber/__init__.py").read_text())
    if tag != f"v{version}":
        raise ValueError(f"the tag is {tag} and the code is {version}")
    return section((ROOT / "CHANGELOG.md").read_text(), version)


def main(arguments: Sequence[str]) -> int:
    (tag,) = arguments
    try:
        sys.stdout.write(notes(tag))
    except ValueError as problem:
        sys.stderr.write(f"release_notes: {problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
