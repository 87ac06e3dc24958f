"""Which environments are protected: as the settings say that lie beside the pack."""

from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml

ROOT = Path(__file__).resolve().parents[1]
KEY = "transcriber:protected"


@cache
def protected(environment: str, root: Path = ROOT) -> bool:
    """What does not say that it is not protected is: no rule is let off by a file that is missing or wrong."""
    file = root / f"Pulumi.{environment}.yaml"
    if not file.is_file():
        return True
    settings = cast("dict[str, dict[str, Any]]", yaml.safe_load(file.read_text()) or {})
    return str(settings.get("config", {}).get(KEY)).lower() != "false"
