"""The tag of an image: it follows from what the image is built from, and from nothing else."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from stacks.service.inputs import context, tag
from tests.stacks.recording import ROOT

OPTIONS = {"target": "api", "platform": "arm64"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A working copy with what is built, and with what is not."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("Dockerfile", ".dockerignore", "LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, copy / name)
    shutil.copytree(ROOT / "requirements", copy / "requirements")
    (copy / "services/transcriber").mkdir(parents=True)
    shutil.copy(ROOT / "services/transcriber/settings.py", copy / "services/transcriber/settings.py")
    return copy


def _append(name: str) -> Callable[[Path], None]:
    def change(tree: Path) -> None:
        with (tree / name).open("a") as file:
            file.write("\n# changed\n")

    return change


@pytest.mark.parametrize(
    "change",
    [
        _append("services/transcriber/settings.py"),
        _append("Dockerfile"),
        _append("requirements/server.txt"),
        _append(".dockerignore"),
        lambda tree: (tree / "services/transcriber/new.py").write_text(""),
        lambda tree: (tree / "services/transcriber/settings.py").unlink(),
        lambda tree: (tree / "services/transcriber/settings.py").rename(tree / "services/transcriber/other.py"),
        lambda tree: (tree / "services/transcriber/settings.py").chmod(0o755),
    ],
)
def test_tag_changes_with_what_is_built(tree: Path, change: Callable[[Path], None]) -> None:
    before = tag(tree, OPTIONS)
    change(tree)
    assert tag(tree, OPTIONS) != before


@pytest.mark.parametrize(
    "change",
    [
        _append("README.md"),
        _append("requirements/stacks.txt"),
        lambda tree: (tree / "services/transcriber/__pycache__").mkdir(),
        lambda tree: (tree / "services/transcriber/settings.py").touch(),
        lambda tree: (tree / "services/transcriber/settings.py").chmod(0o600),
        lambda tree: (tree / ".git").mkdir(),
    ],
)
def test_tag_stays_whatever_else_changes(tree: Path, change: Callable[[Path], None]) -> None:
    before = tag(tree, OPTIONS)
    change(tree)
    assert tag(tree, OPTIONS) == before


@pytest.mark.parametrize("changed", [{"target": "local"}, {"platform": "x86_64"}, {"BASE": "another"}])
def test_tag_changes_with_how_it_is_built(tree: Path, changed: dict[str, str]) -> None:
    assert tag(tree, {**OPTIONS, **changed}) != tag(tree, OPTIONS)


def test_tag_is_one_that_the_registry_keeps(tree: Path) -> None:
    name = tag(tree, OPTIONS)
    assert name.startswith("build-")
    assert len(name) == len("build-") + 16


def test_everything_that_the_dockerfile_copies_is_in_the_context() -> None:
    files = context(ROOT)
    assert "services/transcriber/settings.py" in files
    assert not [name for name in files if name.startswith((".git", ".venv", "stacks", "tests", "data"))]
