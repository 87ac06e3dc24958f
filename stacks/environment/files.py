"""An environment's file, read without Pulumi."""

from pathlib import Path
from typing import Any, cast

import yaml

from stacks.config import Config, own, parse


class NoSuchEnvironment(FileNotFoundError):
    """The message has those that there are."""


def settings_of(root: Path, environment: str) -> dict[str, Any]:
    """All of the file.

    Raises:
        NoSuchEnvironment: it has no file.
    """
    file = root / f"Pulumi.{environment}.yaml"
    if not file.is_file():
        there = sorted(path.name.split(".")[1] for path in root.glob("Pulumi.?*.yaml"))
        raise NoSuchEnvironment(f"there is no {file.name}; environments are {', '.join(there)}")
    return cast("dict[str, Any]", yaml.safe_load(file.read_text()))


def config_of(root: Path, environment: str) -> Config:
    """Raises ConfigError with every mistake there is."""
    return parse(environment, own(settings_of(root, environment)["config"]))
