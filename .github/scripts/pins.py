"""Settings for one run, in the working copy alone: `pins.py ENVIRONMENT KEY=VALUE...`. An empty value takes a key out.
`pins.py ENVIRONMENT KEY` prints what the file has.

`pulumi config set` would ask the backend, and write the file anew."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

NAMESPACE = "transcriber"
_KEY = re.compile(r"[a-z_]+")
_VALUE = re.compile(r"[A-Za-z0-9._:-]*")


def pinned(text: str, values: Mapping[str, str]) -> str:
    """The file with these settings, and otherwise as it is.

    Raises:
        ValueError: a key or value that no setting of this kind has, or a file without settings.
    """
    for key, value in values.items():
        if not _KEY.fullmatch(key) or not _VALUE.fullmatch(value):
            raise ValueError(f"{key}={value}: not a setting that can be pinned")
    names = {f"{NAMESPACE}:{key}" for key in values}
    lines = [line for line in text.splitlines() if _parts(line)[0] not in names]
    if "config:" not in lines:
        raise ValueError("has no settings")
    place = lines.index("config:") + 1
    new = [f'  {NAMESPACE}:{key}: "{value}"' for key, value in values.items() if value]
    return "\n".join([*lines[:place], *new, *lines[place:]]) + "\n"


def _parts(line: str) -> tuple[str, str]:
    """Key, and value without quotes and comment."""
    key, _, value = f"{line.strip()} ".partition(": ")
    return key, value.partition(" #")[0].strip().strip("\"'")


def setting(text: str, key: str) -> str:
    """Empty if the file has none."""
    return dict(map(_parts, text.splitlines())).get(f"{NAMESPACE}:{key}", "")


def main(arguments: Sequence[str]) -> int:
    environment, *settings = arguments
    file = Path(f"Pulumi.{environment}.yaml")
    try:
        if len(settings) == 1 and "=" not in settings[0]:
            sys.stdout.write(f"{setting(file.read_text(), settings[0])}\n")
            return 0
        file.write_text(pinned(file.read_text(), dict(each.split("=", 1) for each in settings)))
    except (OSError, ValueError) as problem:
        sys.stderr.write(f"pins: {file}: {problem}\n")
        return 1
    sys.stdout.write("".join(f"{environment}: {each}\n" for each in settings))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
