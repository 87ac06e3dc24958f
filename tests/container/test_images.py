"""What is in the images, and that the same inputs give the same."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.container.docker import ROOT, Docker

pytestmark = pytest.mark.timeout(600)


def contents(engine: Docker, image: str, script: str) -> list[str]:
    """What a Python script prints that runs in an image."""
    options = ("--rm", "--network", "none", "--user", "0", "--entrypoint", "/usr/local/bin/python3")
    return engine.run("run", *options, image, "-c", script).splitlines()


def copy_of_the_tree(folder: Path) -> Path:
    """What is committed or about to be, as another user checks it out: other times, other rights."""
    names = subprocess.run(
        ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, names.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copyfile(ROOT / name, target)
            target.chmod(0o775 if (ROOT / name).stat().st_mode & 0o100 else 0o664)
    return folder


def test_the_same_inputs_give_the_same_image(
    engine: Docker, api: str, tmp_path: Path, printed: Callable[[str], None]
) -> None:
    first = engine.inspect(api)
    engine.build("api", "--no-cache", context=copy_of_the_tree(tmp_path))
    second = engine.inspect(api)
    printed(f"layers of two builds: {'the same' if first['RootFS'] == second['RootFS'] else 'differ'}")
    assert first["Id"] != second["Id"], "the second must be no copy of the first: only their times of building differ"
    assert first["RootFS"]["Layers"] == second["RootFS"]["Layers"]
    assert first["Config"] == second["Config"]


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
def test_every_wheel_that_is_locked_exists(architecture: str, tmp_path: Path) -> None:
    """For Debian 12, on which the base is. Asks the package registry; nothing is downloaded."""
    uv = (str(Path(sys.executable).parent / "uv"), "pip", "install", "--dry-run", "--quiet", "--target", str(tmp_path))
    exactly = ("--no-deps", "--require-hashes", "--only-binary", ":all:", "--requirement", "requirements/local.txt")
    chosen = ("--python-platform", f"{architecture}-manylinux_2_36", "--python-version", "3.12")
    done = subprocess.run((*uv, *exactly, *chosen), cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("target", ["api", "local"])
def test_how_an_image_is_run(engine: Docker, request: pytest.FixtureRequest, target: str) -> None:
    check_config(engine.inspect(request.getfixturevalue(target))["Config"])


def check_config(config: dict[str, Any]) -> None:
    environment = dict(line.split("=", 1) for line in config["Env"])
    assert config["User"] == "10001:10001"
    assert list(config["Volumes"]) == ["/data"] == [environment["DATA_DIR"]]
    assert list(config["ExposedPorts"]) == [f"{environment['PORT']}/tcp"]
    assert (config["Entrypoint"], config["Cmd"]) == (["transcriber"], ["serve"])
    assert config["Healthcheck"]["Test"] == ["CMD", "/venv/bin/python", "-S", "-P", "/app/transcriber/probe.py"]
    assert {name.rpartition(".")[2] for name in config["Labels"]} == {"title", "description", "licenses"}


@pytest.mark.parametrize("target", ["api", "local"])
def test_only_what_runs_is_in_it(engine: Docker, request: pytest.FixtureRequest, target: str) -> None:
    script = """
import pathlib, sys
places = [pathlib.Path(p) for p in (f"/usr/local/lib/python3.{sys.version_info.minor}", "/venv", "/app")]
files = [file for place in places for file in place.rglob("*")]
for file in files:
    of_base = file.is_relative_to("/usr")
    compiled = list((file.parent / "__pycache__").glob(f"{file.stem}.cpython-*.pyc"))
    unused = of_base and {"site-packages", "ensurepip", "idlelib"} & set(file.parts)
    if file.suffix == ".py" and not unused and not compiled:
        print("not compiled", file)
    if file.name in ("tests", "pip") and file.is_dir() and not of_base:
        print("needless", file)
    if not file.is_symlink() and file.stat().st_mode & 0o022:
        print("can be written to by others", file)
"""
    assert contents(engine, request.getfixturevalue(target), script) == []


def test_the_api_image_has_no_local_engine(engine: Docker, api: str) -> None:
    script = "import importlib.util as u; print(u.find_spec('ctranslate2'), u.find_spec('faster_whisper'))"
    options = ("--rm", "--network", "none", "--entrypoint", "python")
    assert engine.run("run", *options, api, "-c", script) == "None None"


def test_sizes(engine: Docker, api: str, local: str, printed: Callable[[str], None]) -> None:
    sizes = {name: engine.inspect(name)["Size"] for name in ("python:3.12-slim-bookworm", api, local)}
    base, small, large = sizes.values()
    printed(f"MB: base {base / 1e6:.0f}, api + {(small - base) / 1e6:.0f}, local + {(large - base) / 1e6:.0f}")
    assert small - base < 350e6
    assert large - base < 700e6


def test_a_bill_of_materials_names_every_package(engine: Docker, api: str, tmp_path: Path) -> None:
    syft = Path(sys.executable).parent / "syft"
    archive, bill = tmp_path / "image.tar", tmp_path / "bill.json"
    engine.run("save", "--output", str(archive), api)
    command = (str(syft), "--quiet", f"docker-archive:{archive}", "--output", f"cyclonedx-json={bill}")
    subprocess.run(command, env=engine.environment | {"SYFT_CHECK_FOR_APP_UPDATE": "false"}, check=True, timeout=120)
    found = {(part["name"].lower(), part.get("version")) for part in json.loads(bill.read_text())["components"]}
    lines = (ROOT / "requirements/server.txt").read_text().splitlines()
    locked = {tuple(line.split(" ")[0].split("==")) for line in lines if "==" in line and ";" not in line}
    assert {(name, version) for name, version in locked} - found == set()
