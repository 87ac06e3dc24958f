"""The machine of one job in a dry run: what is on it, what actions bring along, and what its steps call."""

import fnmatch
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.workflows import answers
from tests.workflows.standin import Call, Runner

NEEDED = {"aws": ("AWS_REGION",), "gh": ("GH_TOKEN",)}
"""Without these the real programs do nothing."""
_PYTHON = """#!/bin/sh
# Python as it is, but for virtual environments: they would be filled from a registry.
if [ "$1/$2" = -m/venv ]; then
  mkdir -p "$3/bin" && echo '#!/bin/sh' >"$3/bin/python" && chmod 755 "$3/bin/python"
  exit
fi
exec {python} "$@"
"""


class Failed(Exception):
    """A step did, or GitHub would not have got so far."""


class Machine:
    """`copy` is the working copy, `artifacts` what all jobs of a run share."""

    def __init__(self, folder: Path, copy: Path, artifacts: Path) -> None:
        self.copy, self._artifacts = copy, artifacts
        self.runner = Runner(folder, copy, needed=NEEDED)
        self.assumed = ""
        """The role whose credentials it has."""
        self._checked_out = False
        self._variables = {
            "GITHUB_ACTOR": "somebody",
            "GITHUB_ENV": str(folder / "env"),
            "GITHUB_PATH": str(folder / "path"),
            "RUNNER_TEMP": str(folder / "temp"),
        }
        (folder / "temp").mkdir()
        self.runner.program("python3", _PYTHON.format(python=sys.executable))
        answers.installed(self.runner)
        stacks = copy / ".venv-stacks/bin/python"
        stacks.parent.mkdir(parents=True)
        stacks.write_text('#!/bin/sh\nexec stacks-python "$@"\n')
        stacks.chmod(0o755)

    def variables(self, **more: str) -> None:
        """Those that GitHub sets for every step."""
        self._variables |= more

    def run(self, command: str, given: Mapping[str, Any]) -> dict[str, str]:
        """A step's outputs.

        Raises:
            Failed: with what it said.
        """
        if not self._checked_out:
            raise Failed(f"{command}: nothing is checked out yet")
        self.runner.output.unlink(missing_ok=True)
        told = self._variables | {name: str(value) for name, value in given.items()}
        done = self.runner.execute(("bash", "-e", "-c", command), **told)
        if done.returncode:
            raise Failed(f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        if (file := Path(self._variables["GITHUB_ENV"])).exists():
            self._variables |= _pairs(file)
        return _pairs(self.runner.output)

    def act(self, action: str, given: Mapping[str, Any]) -> None:
        """What an action of others does, as far as later steps see it.

        Raises:
            Failed: it would, or nothing is known of it.
        """
        if action not in _ACTIONS:
            raise Failed(f"{action}: what does it bring?")
        _ACTIONS[action](self, given)

    @property
    def calls(self) -> list[Call]:
        return self.runner.calls

    def check_out(self, _: Mapping[str, Any]) -> None:
        self._checked_out = True

    def assume(self, given: Mapping[str, Any]) -> None:
        role = str(given["role-to-assume"])
        if role.split(":")[4] != given["allowed-account-ids"]:
            raise Failed(f"{role} is not of {given['allowed-account-ids']}")
        self.assumed = role
        self._variables["AWS_REGION"] = given["aws-region"]
        answers.aws(self.runner)

    def upload(self, given: Mapping[str, Any]) -> None:
        shutil.copytree(self.copy / given["path"], self._artifacts / given["name"])

    def download(self, given: Mapping[str, Any]) -> None:
        if "pattern" in given and given.get("merge-multiple") is not True:
            raise Failed("artifacts that are not merged lie in folders of their names")
        wanted = given.get("pattern") or given["name"]
        for found in sorted(self._artifacts.iterdir()):
            if fnmatch.fnmatch(found.name, wanted):
                shutil.copytree(found, self.copy / given["path"], dirs_exist_ok=True)


def _nothing(_: Machine, __: Mapping[str, Any]) -> None:
    """What later steps call is on the machine already."""


_ACTIONS: Mapping[str, Callable[[Machine, Mapping[str, Any]], None]] = {
    "actions/checkout": Machine.check_out,
    "actions/download-artifact": Machine.download,
    "actions/setup-python": _nothing,
    "actions/upload-artifact": Machine.upload,
    "aws-actions/configure-aws-credentials": Machine.assume,
    "docker/setup-buildx-action": _nothing,
    "docker/setup-qemu-action": _nothing,
    "pulumi/actions": lambda machine, _: answers.pulumi(machine.runner),
    "sigstore/cosign-installer": lambda machine, _: answers.cosign(machine.runner),
}


def _pairs(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text().splitlines()) if file.exists() else {}
