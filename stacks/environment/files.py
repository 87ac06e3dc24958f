"""An environment's file, read without Pulumi."""

from pathlib import Path
from typing import Any, cast

import yaml

from stacks.config import Config, own, parse


def settings_of(root: Path, environment: str) -> dict[str, Any]:
    """All of the file.

    Raises:
        FileNotFoundError: there is no such environment.
    """
    return cast("dict[str, Any]", yaml.safe_load((root / f"Pulumi.{environment}.yaml").read_text()))


def config_of(root: Path, environment: str) -> Config:
    """Raises ConfigError with every mistake there is."""
    return parse(environment, own(settings_of(root, environment)["config"]))
