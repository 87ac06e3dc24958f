"""For the tests of the infrastructure, in the virtual environment `.venv-stacks`: those under the real engine say why
they are not tried where its tools are missing."""

import asyncio
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ..container.base_image import CantBeMade, find_python
from ..container.docker import missing as missing_docker
from .builder import Builder, builder
from .builder import missing_tools as missing_builders
from .deployed import Deployed
from .engine import Ran, missing_tools

MEASURED = "measured"
MISSING = [*missing_tools(), *missing_builders()]


def _no_tasks() -> str:
    """Why no task is run; empty if one can be."""
    try:
        find_python()
    except CantBeMade as problem:
        return str(problem)
    return missing_docker()


NO_TASKS = _no_tasks()
collect_ignore_glob = ["test_engine_*.py"] if MISSING else ["test_engine_task.py"] if NO_TASKS else []


def pytest_configure(config: pytest.Config) -> None:
    # As Pulumi's own host gives programs one: from 3.12 on Python does not make it unasked. It lasts as long as the
    # process, since threads that it starts make loops of their own and leave them open.
    asyncio.set_event_loop(asyncio.new_event_loop())
    # Pulumi's packages warn of what is deprecated in them when they are imported.
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:pulumi_aws")
    # So does parliament, which leaves files open besides.
    config.addinivalue_line("filterwarnings", "ignore:pkg_resources:UserWarning")
    config.addinivalue_line("filterwarnings", "ignore:pkg_resources:DeprecationWarning")
    config.addinivalue_line("filterwarnings", "ignore:Deprecated call to:DeprecationWarning")
    config.addinivalue_line("filterwarnings", "ignore:.*parliament:pytest.PytestUnraisableExceptionWarning")


def pytest_report_header() -> str:
    if MISSING:
        return f"real engine: not tried: needs {', '.join(MISSING)}"
    return f"tasks of the real engine: not tried: {NO_TASKS}" if NO_TASKS else ""


@pytest.fixture(scope="session")
def building(tmp_path_factory: pytest.TempPathFactory) -> Generator[Builder]:
    with builder(tmp_path_factory.mktemp("builder")) as running:
        yield running


@dataclass(frozen=True)
class BroughtUp:
    """`runs` is what each stack's first `up` did."""

    deployed: Deployed
    runs: dict[str, Ran]


@pytest.fixture(scope="session")
def brought_up(building: Builder, tmp_path_factory: pytest.TempPathFactory) -> BroughtUp:
    """The environment `dev`, from nothing. Tests that change it take `deployed`."""
    deployed = Deployed.at(tmp_path_factory.mktemp("up"), building)
    deployed.initialise("dev")
    return BroughtUp(deployed, deployed.up("dev"))


@pytest.fixture
def deployed(brought_up: BroughtUp, building: Builder, tmp_path: Path) -> Deployed:
    """A copy of `dev` after its first `up`, with account, backend and working copy."""
    return brought_up.deployed.copy(tmp_path / "deployed", building)


@pytest.fixture
def untouched(building: Builder, tmp_path: Path) -> Deployed:
    """Nothing is brought up yet; the stacks are initialised."""
    made = Deployed.at(tmp_path / "untouched", building)
    made.initialise("dev")
    return made


@pytest.fixture
def printed(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Has something that was measured said at the end."""
    return lambda line: record_property(MEASURED, line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    lines = [value for report in reports for name, value in report.user_properties if name == MEASURED]
    if lines:
        terminalreporter.section("measured")
        terminalreporter.write("\n".join([*map(str, lines), ""]))
