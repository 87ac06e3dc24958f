"""What a first `up` of each environment makes, with the settings that are committed: for those who have not deployed
yet. Tests hold it against a real one."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stacks.cost.inventory import Entry, Inventory

FOLDER = Path(__file__).parent / "environments"


def file_of(environment: str) -> Path:
    return FOLDER / f"{environment}.json"


def write(path: Path, settings: Mapping[str, str], inventory: Inventory) -> None:
    entries = [json.dumps({"kind": entry.kind, "name": entry.name, "facts": entry.facts}) for entry in inventory]
    lines = [
        '{"settings": ' + json.dumps(settings) + ",",
        ' "entries": [',
        ",\n".join(f"  {each}" for each in entries),
        "]}",
    ]
    path.write_text("\n".join(lines) + "\n")


def read(path: Path) -> tuple[dict[str, str], Inventory]:
    """The settings that it was recorded with, and what there was.

    Raises:
        FileNotFoundError: nothing is recorded of this environment.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"{path.stem} is not deployed, as far as this machine knows, and nothing is recorded of it"
        )
    content: dict[str, Any] = json.loads(path.read_text())
    return content["settings"], tuple(Entry(**entry) for entry in content["entries"])
