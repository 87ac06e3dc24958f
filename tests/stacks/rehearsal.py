"""A shell in which Pulumi deploys to the stand-in for AWS: `python -m tests.stacks.rehearsal [COMMAND ...]`.

In a copy of the working copy, whose image is a small one that nobody could run; all of it is gone with the shell. There
is no load balancer either: the last step of `make up`, the smoke test, can't succeed."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .builder import builder
from .builder import missing_tools as missing_builders
from .deployed import Deployed
from .ecs_api import ecs_api
from .engine import ROOT, missing_tools
from .standin.account import Account, Ledger

WELCOME = """\
Pulumi deploys to a stand-in for AWS from here, until `exit`. Begin with: pulumi stack init dev
"""


class Running(Mapping[str, Mapping[str, Any]]):
    """What ECS says of the services in the account, asked anew each time: their tasks run what was deployed last."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def __getitem__(self, operation: str) -> Mapping[str, Any]:
        with self._ledger.open() as account:
            return _answers(account)[operation]

    def __iter__(self) -> Iterator[str]:
        return iter(("DescribeServices", "ListTasks", "DescribeTasks"))

    def __len__(self) -> int:
        return len(list(iter(self)))


def _answers(account: Account) -> dict[str, dict[str, Any]]:
    services = account.of("aws:ecs/service:Service")
    if not services:
        return {"DescribeServices": {"services": []}, "ListTasks": {"taskArns": []}, "DescribeTasks": {"tasks": []}}
    definition = str(services[-1]["taskDefinition"])
    made = account.find("aws:ecs/taskDefinition:TaskDefinition", definition)
    (container,) = json.loads(made["containerDefinitions"]) if made else ({},)
    digest = str(container.get("image", "")).rpartition("@")[2]
    primary = {"status": "PRIMARY", "taskDefinition": definition, "rolloutState": "COMPLETED"}
    return {
        "DescribeServices": {"services": [{"status": "ACTIVE", "deployments": [primary]}]},
        "ListTasks": {"taskArns": [account.arn("ecs", "task/one")]},
        "DescribeTasks": {"tasks": [{"containers": [{"name": "transcriber", "imageDigest": digest}]}]},
    }


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
            shutil.copytree(ROOT / "demo", deployed.root / "demo")
            with ecs_api(Running(deployed.engine.ledger)) as (address, _):
                return _enter(deployed, address, command)


def _enter(deployed: Deployed, ecs: str, command: Sequence[str]) -> int:
    """The command's exit code."""
    credentials = {"AWS_ACCESS_KEY_ID": "rehearsal", "AWS_SECRET_ACCESS_KEY": "rehearsal"}
    told = {"AWS_ENDPOINT_URL_ECS": ecs, **credentials, "PS1": "rehearsal$ ", "TERM": os.environ.get("TERM", "dumb")}
    if not command:
        sys.stdout.write(WELCOME)
    return subprocess.run(
        command or ["bash", "--norc"], cwd=deployed.root, env={**deployed.engine.environment, **told}, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
