"""A Docker engine and the images for the heavy suite, and why there are none where there can't be."""

import shutil
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.container.base_image import CantBeMade, add_python, find_python, make_root
from tests.container.docker import Docker, docker, missing
from tests.stubbed_engine import knowing_stub, openai_settings, stub

__all__ = ["knowing_stub", "openai_settings", "stub"]


def _reason() -> str:
    try:
        find_python()
    except CantBeMade as problem:
        return str(problem)
    return missing()


REASON = _reason()
collect_ignore_glob = ["test_*.py"] if REASON else []


def pytest_report_header() -> str:
    return f"containers: not tried: {REASON}" if REASON else ""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Nothing to be tried is no failure."""
    if REASON and session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK


@pytest.fixture(scope="session")
def engine() -> Generator[Docker]:
    with docker() as running:
        root = running.folder / "root"
        make_root(root)
        running.load(root, "without-python")
        add_python(root, find_python())
        running.load(root, "python:3.12-slim-bookworm")
        shutil.rmtree(root)
        yield running


@pytest.fixture(scope="session")
def api(engine: Docker) -> str:
    return engine.build("api")


@pytest.fixture(scope="session")
def local(engine: Docker) -> str:
    return engine.build("local")


@pytest.fixture(scope="session")
def cuda(engine: Docker) -> str:
    """On a base without NVIDIA's libraries, where it computes as `local` does."""
    return engine.build("cuda", "--build-arg", "CUDA_BASE=without-python")


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Says something that was measured, whatever becomes of the test."""

    def say(line: str) -> None:
        with capsys.disabled():
            print(f"\n  {line}", end="", flush=True)  # noqa: T201 - a report

    return say


@pytest.fixture
def root_owned(tmp_path: Path) -> Path:
    """What a volume is on Fargate where the image declares none."""
    folder = tmp_path / "volume"
    folder.mkdir(mode=0o755)
    return folder
