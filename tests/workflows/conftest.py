"""A runner with stand-ins, and a copy of the repository for scripts that change it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workflows.dry_run import DryRun, Happening
from tests.workflows.standin import Runner
from tests.workflows.working_copy import cloned

Play = Callable[[Happening], DryRun]


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path / "runner")


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cloned(tmp_path_factory.mktemp("clone"))


@pytest.fixture
def copy(clone: Path, tmp_path: Path) -> Path:
    """A clone to be changed."""
    return Path(shutil.copytree(clone, tmp_path / "copy"))


@pytest.fixture
def copied_runner(copy: Path, tmp_path: Path) -> Runner:
    return Runner(tmp_path / "runner", copy)


@pytest.fixture(scope="session")
def play(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Each once."""
    played: dict[int, DryRun] = {}

    def run(happening: Happening) -> DryRun:
        if id(happening) not in played:
            played[id(happening)] = DryRun(happening, clone, tmp_path_factory.mktemp("run"))
        return played[id(happening)]

    return run
