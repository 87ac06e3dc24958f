"""What CI asks before anything is deployed: the list of suites, and whether the image comes up."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

import job_graph
from tests.workflows.standin import ROOT, Runner


def test_the_suites_are_those_of_make(copied_runner: Runner) -> None:
    copied_runner.answer("make --silent list-heavy", "test-browser test-stacks\n")
    assert copied_runner.run("suites").returncode == 0
    name, _, value = copied_runner.output.read_text().partition("=")
    assert (name, json.loads(value)) == ("suites", ["browser", "stacks"])


def _docker(runner: Runner) -> None:
    runner.answer("docker buildx build")
    runner.answer("docker run", "container-1\n")
    runner.answer("docker port", "127.0.0.1:49153\n")
    runner.answer("docker logs", "what it said\n")
    runner.answer("docker rm")


def test_an_image_that_comes_up(runner: Runner) -> None:
    _docker(runner)
    runner.answer("curl http://127.0.0.1:49153/health", '{"status":"ok"}')
    assert runner.run("try-image", TARGET="local").returncode == 0
    assert runner.called("docker", "build")[0].option("--target") == "local"
    assert runner.called("docker", "rm")[0].arguments == ["rm", "--force", "container-1"]


def test_an_image_that_does_not_is_told_with_its_log(runner: Runner) -> None:
    _docker(runner)
    runner.answer("curl", code=22)
    done = runner.run("try-image", WAIT_SECONDS="1")
    assert done.returncode == 1
    assert "what it said" in done.stdout
    assert runner.called("docker", "rm")


def test_the_engine_gets_the_providers_that_are_locked(copied_runner: Runner, copy: Path, tmp_path: Path) -> None:
    copied_runner.answer("pulumi plugin install")
    copied_runner.answer("python3 -m venv")
    copied_runner.answer("go install")
    pip = tmp_path / "temp" / "go" / "bin" / "python"
    pip.parent.mkdir(parents=True)
    pip.write_text("#!/bin/sh\n")
    pip.chmod(0o755)
    path = tmp_path / "path"
    variables = {"RUNNER_TEMP": str(tmp_path / "temp"), "GITHUB_PATH": str(path), "PULUMI_HOME": "/pulumi"}
    done = copied_runner.run("engine-tools", **variables)
    assert done.returncode == 0, done.stderr
    lock = (copy / "requirements" / "stacks.txt").read_text()
    installed = {call.arguments[3]: call.arguments[4] for call in copied_runner.called("plugin")}
    assert set(installed) == {"awsx", "docker-build"}
    assert all(f"\npulumi-{name}=={version} " in lock for name, version in installed.items())
    folder = Path(path.read_text().strip())
    for name, version in installed.items():
        link = (folder / f"pulumi-resource-{name}").readlink()
        assert link == Path(f"/pulumi/plugins/resource-{name}-v{version}/pulumi-resource-{name}")
    (compiled,) = copied_runner.called("go")
    assert compiled.arguments[1].startswith("github.com/moby/buildkit/cmd/buildkitd@v")


def _in_containers() -> dict[str, dict[str, str]]:
    """The environment of each job that runs in a container."""
    found = {
        f"{name}: {key}": job
        for name, workflow in job_graph.load().items()
        for key, job in workflow["jobs"].items()
        if "container" in job
    }
    return {key: {name: str(value) for name, value in job.get("env", {}).items()} for key, job in found.items()}


@pytest.mark.parametrize("told", [{}, *_in_containers().values()], ids=["untold", *_in_containers()])
def test_git_reads_the_checkout_of_another_user(tmp_path: Path, told: dict[str, str]) -> None:
    """As in a container, whose user is root while the runner's user has the folder."""
    subprocess.run(("git", "init", "--quiet", tmp_path), check=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_TEST_ASSUME_DIFFERENT_OWNER": "true", **told}
    done = subprocess.run(
        ("git", "ls-files"), cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert ("dubious ownership" in done.stderr) == (not told)
    assert (done.returncode == 0) == bool(told)


def test_versions_outside_of_locks_are_moved_by_renovate() -> None:
    """Each of its patterns finds what it is for, and each version that is written down has one."""
    found: set[str] = set()
    files = [
        path for folder in ("workflows", "scripts") for path in (ROOT / ".github" / folder).iterdir() if path.is_file()
    ]
    for manager in json.loads((ROOT / "renovate.json").read_text())["customManagers"]:
        (where,), (what,) = manager["managerFilePatterns"], manager["matchStrings"]
        pattern = re.compile(what.replace("(?<", "(?P<"))
        within = [path for path in files if re.search(where.strip("/"), str(path.relative_to(ROOT)))]
        versions = [each["currentValue"] for path in within for each in pattern.finditer(path.read_text())]
        assert versions, manager["description"]
        found |= set(versions)
    written = re.compile(r"(?:_version=|-version: |-release: )v?(\d\S+)$", re.MULTILINE)
    assert {version for path in files for version in written.findall(path.read_text())} == {
        version.removeprefix("v") for version in found
    }
