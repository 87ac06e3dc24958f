"""The files that containers are made of: clean, valid, and of one mind."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from transcriber import probe
from transcriber.settings import Settings

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
TARGETS = ("api", "cuda", "local")


def stage(name: str) -> str:
    found = re.search(rf"^FROM \S+ AS {name}\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert found, name
    return found[1].replace("\\\n", " ")


def instructions(name: str, keyword: str) -> list[str]:
    return re.findall(rf"^{keyword} +(.*)$", stage(name), re.MULTILINE)


def test_the_dockerfile_is_clean() -> None:
    done = subprocess.run((BIN / "hadolint", ROOT / "Dockerfile"), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_builder_takes_the_dockerfile() -> None:
    assert re.findall(r"^# *syntax=|<<|--link|--mount", DOCKERFILE, re.MULTILINE) == []


def test_local_is_what_is_built_where_no_target_is_named() -> None:
    assert re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE)[-1] == "local"


@pytest.mark.parametrize("keyword", ["USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"])
def test_targets_run_alike(keyword: str) -> None:
    first, *others = (instructions(name, keyword) for name in TARGETS)
    assert len(first) == 1
    assert others == [first, first]


@pytest.mark.parametrize("name", ["api", "local"])
def test_what_runs_is_made_of_copies(name: str) -> None:
    """The files that a command leaves have the time of the build."""
    assert instructions(name, "RUN") == []
    assert all(copied.startswith("--from=") for copied in instructions(name, "COPY"))


@pytest.mark.parametrize("name", TARGETS)
def test_targets_set_what_there_is_to_set(name: str) -> None:
    (environment,) = instructions(name, "ENV")
    assert {"HOST", "PORT", "DATA_DIR"} <= set(re.findall(r"([A-Z_]+)=", environment))
    assert f"DATA_DIR={instructions(name, 'VOLUME')[0]}" in environment
    assert f"PORT={instructions(name, 'EXPOSE')[0]}" in environment
    assert Path(probe.__file__).name in instructions(name, "HEALTHCHECK")[0]


def test_the_context_is_an_allow_list_of_what_is_copied() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert patterns[0] == "*"
    allowed = {pattern[1:] for pattern in patterns if pattern.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    assert allowed == {name for names in copied for name in names.split()}
    assert all((ROOT / name).exists() for name in allowed)


def test_compose_is_valid() -> None:
    command = (BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", ROOT / "compose.yaml")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_compose_runs_what_is_built() -> None:
    service = COMPOSE["services"]["transcriber"]
    (volume,) = instructions("local", "VOLUME")
    assert service["build"]["target"] == "${TARGET:-local}"
    assert service["volumes"] == [f"data:{volume}"]
    assert service["environment"]["DATA_DIR"] == volume
    assert [port.rpartition(":")[2] for port in service["ports"]] == [service["environment"]["PORT"]]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"]), "nobody need have a key"
    defaults = dict(re.findall(r"^ARG (\w+)=(\S+)$", DOCKERFILE, re.MULTILINE))
    assert service["build"]["args"] == {name: f"${{{name}:-{defaults[name]}}}" for name in ("BASE",)}


def test_compose_gives_a_service_time_to_end() -> None:
    minutes = int(COMPOSE["services"]["transcriber"]["stop_grace_period"].removesuffix("m"))
    assert 60 * minutes >= Settings().drain_seconds + 30


def test_the_store_of_compose_starts_only_where_it_is_asked_for() -> None:
    services = COMPOSE["services"]
    assert services["store"]["profiles"] == ["s3"]
    assert services["transcriber"]["depends_on"]["store"]["required"] is False
    assert ":" in services["store"]["image"]
    assert not services["store"]["image"].endswith(":latest")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        given, wanted = (services[service]["environment"][name] for service in ("transcriber", "store"))
        assert re.findall(r":\+?-?([\w-]+)\}", given)[-1] == re.findall(r":-([\w-]+)\}", wanted)[-1]
