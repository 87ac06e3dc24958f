"""The fuzz targets, by module: a worker imports no more than it needs."""

import importlib
from collections.abc import Mapping

from tests.fuzz.target import Target

MODULES = ("messages", "streams", "answers", "client")


def targets_of(module: str) -> Mapping[str, Target]:
    """Its targets by name."""
    return {target.name: target for target in importlib.import_module(f"tests.fuzz.{module}").TARGETS}
