"""A shell in which Pulumi deploys to the stand-in for AWS: `python -m tests.stacks.rehearsal [COMMAND ...]`.

In a copy of the working copy, whose image is a small one that nobody could run; all of it is gone with the shell. There
is no load balancer either: the smoke test can't succeed, and is left out without a key."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .builder import builder
from .builder import missing_tools as missing_builders
from .deployed import Deployed
from .engine import ROOT, missing_tools

WELCOME = """\
Pulumi deploys to a stand-in for AWS from here, until `exit`. Begin with: pulumi stack init dev
"""


def main(command: Sequence[str]) -> int:
    if missing := [*missing_tools(), *missing_builders()]:
        sys.stderr.write(f"rehearsal: needs {', '.join(missing)}\n")
        return 1
    with tempfile.TemporaryDirectory(prefix="transcriber-rehearsal-") as name:
        folder = Path(name)
        (folder / "builder").mkdir()
        with builder(folder / "builder") as building:
            deployed = Deployed.at(folder / "all", building)
            for environment in ("dev", "prod"):
                settings = f"Pulumi.{environment}.yaml"
                (deployed.root / settings).write_text((ROOT / settings).read_text())
            with deployed.ecs():
                return _enter(deployed, command)


def _enter(deployed: Deployed, command: Sequence[str]) -> int:
    """The command's exit code."""
    told = {"PS1": "rehearsal$ ", "TERM": os.environ.get("TERM", "dumb")}
    if not command:
        sys.stdout.write(WELCOME)
    return subprocess.run(
        command or ["bash", "--norc"], cwd=deployed.root, env={**deployed.engine.environment, **told}, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
