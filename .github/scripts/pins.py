"""Settings for one run, in the working copy alone: `pins.py ENVIRONMENT KEY=VALUE...`. An empty value takes a key out.

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
    lines = [line for line in text.splitlines() if line.strip().rpartition(": ")[0] not in names]
    if "config:" not in lines:
        raise ValueError("has no settings")
    place = lines.index("config:") + 1
    new = [f'  {NAMESPACE}:{key}: "{value}"' for key, value in values.items() if value]
    return "\n".join([*lines[:place], *new, *lines[place:]]) + "\n"


def main(arguments: Sequence[str]) -> int:
    environment, *settings = arguments
    file = Path(f"Pulumi.{environment}.yaml")
    try:
        file.write_text(pinned(file.read_text(), dict(setting.split("=", 1) for setting in settings)))
    except (OSError, ValueError) as problem:
        sys.stderr.write(f"pins: {file}: {problem}\n")
        return 1
    sys.stdout.write("".join(f"{environment}: {setting}\n" for setting in settings))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
