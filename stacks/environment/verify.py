"""After an `up`: whether what was built is what runs, and transcribes. `python -m stacks.environment.verify dev`."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import boto3
from botocore.config import Config as BotoConfig
from botocore.exceptions import BotoCoreError, ClientError

from stacks.contract import Stack
from stacks.environment import command, ecs, smoke
from stacks.environment.files import settings_of
from stacks.environment.nested import Nested

NAME = "verify"
ROOT = Path(__file__).resolve().parents[2]
WAIT_SECONDS, AGAIN_SECONDS = 120, 5
"""For ECS to end a deployment whose tasks are well."""


def client(root: Path, environment: str) -> ecs.Client:
    """For ECS in the environment's region. Answers or fails within seconds."""
    region = settings_of(root, environment)["config"]["aws:region"]
    limits = BotoConfig(connect_timeout=5, read_timeout=15, retries={"total_max_attempts": 2})
    connect = cast("Callable[..., ecs.Client]", boto3.client)
    return connect("ecs", region_name=region, config=limits)


def stopped_reasons(root: Path, environment: str) -> list[str]:
    """Why tasks of the environment stopped, or why that can't be told."""
    cluster = Nested(root, Stack.CLUSTER, environment).outputs().get("cluster_name", "")
    service = ecs.Service(cluster, _service_name(Nested(root, Stack.SERVICE, environment)))
    return reasons_of(root, environment, service) if service.name else []


def reasons_of(root: Path, environment: str, service: ecs.Service) -> list[str]:
    try:
        return ecs.stopped_reasons(client(root, environment), service)
    except (BotoCoreError, ClientError) as problem:
        return [f"(ECS does not tell why tasks stopped: {problem})"]


def _service_name(stack: Nested) -> str:
    """Also of one that was made and did not get well: it has no outputs yet."""
    made = [each["outputs"] for each in stack.resources() if each["type"] == "aws:ecs/service:Service"]
    return str(made[0].get("name", "")) if made else ""


def deployment(ask: Callable[[], list[str]], *, wait_seconds: float, again_seconds: float) -> list[str]:
    """What is wrong, asked until nothing is or the time is over."""
    until = time.monotonic() + wait_seconds
    while (problems := ask()) and time.monotonic() < until:
        time.sleep(again_seconds)
    return problems


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=NAME, description=__doc__)
    parser.add_argument("environment")
    parser.add_argument(
        "--wait", type=float, default=WAIT_SECONDS, metavar="SECONDS", help="for ECS to end a deployment (%(default)s)"
    )
    given = parser.parse_args(arguments)
    return command.ended(NAME, lambda: _verify(given.environment, given.wait))


def _verify(environment: str, wait_seconds: float) -> int:
    outputs = Nested(ROOT, Stack.SERVICE, environment).outputs()
    if not outputs:
        return command.say(NAME, f"{environment} is not deployed")
    problems = _wrong(environment, outputs, wait_seconds)
    if problems:
        reasons = stopped_reasons(ROOT, environment)
        return command.say(NAME, "\n".join([*problems, *(f"  stopped: {reason}" for reason in reasons)]))
    sys.stdout.write(f"{outputs['service_name']} runs {outputs['image_digest']}\n")
    return _smoke(outputs["websocket_url"])


def _wrong(environment: str, outputs: dict[str, Any], wait_seconds: float) -> list[str]:
    asked = client(ROOT, environment)
    service = ecs.Service(outputs["cluster_name"], outputs["service_name"])

    def ask() -> list[str]:
        return ecs.problems(
            asked, service, task_definition=outputs["task_definition_arn"], digest=outputs["image_digest"]
        )

    return deployment(ask, wait_seconds=wait_seconds, again_seconds=AGAIN_SECONDS)


def _smoke(url: str) -> int:
    if "TRANSCRIBER_API_KEY" not in os.environ:
        sys.stdout.write("TRANSCRIBER_API_KEY is not set: the service will refuse a client without a key\n")
    try:
        share = smoke.heard(url)
    except smoke.Unheard as problem:
        return command.say(NAME, str(problem))
    sys.stdout.write(f"{url} heard {share:.0%} of the demo's words\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
