"""Whether what was built is what runs, and transcribes: what an `up` of the service at the root ends with, and at any
time `python -m stacks.environment.verify dev`."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from stacks.contract import Stack
from stacks.environment import aws, command, ecs, smoke
from stacks.environment.files import config_of
from stacks.environment.nested import Failed, Nested, Tell

NAME = "verify"
ROOT = Path(__file__).resolve().parents[2]
WAIT_SECONDS, AGAIN_SECONDS = 120, 5
"""For ECS to end a deployment whose tasks are well, and for a name that is new to be known."""
KEY = "TRANSCRIBER_API_KEY"
RUNS_ON = "It is deployed and runs on. transcriber:image_digest goes back to an image that was well."
NOT_HEARD = f"NOTHING WAS TRANSCRIBED, FOR {KEY} IS NOT SET: with it, `make verify` sends the demo now."


def client(root: Path, environment: str) -> ecs.Client:
    return cast("ecs.Client", aws.client(root, environment, "ecs"))


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


def check(
    root: Path, environment: str, outputs: Mapping[str, Any], tell: Tell, *, wait_seconds: float = WAIT_SECONDS
) -> None:
    """What an `up` of the service ends with. The key is in the environment alone.

    Raises:
        Failed: with what is not as it should be.
    """
    runs(root, environment, outputs, tell, wait_seconds=wait_seconds)
    if not config_of(root, environment).smoke_test:
        tell("transcriber:smoke_test is false: nothing was sent through the public URL")
    elif KEY not in os.environ:
        tell(NOT_HEARD)
    else:
        transcribes(outputs["websocket_url"], tell, wait_seconds=wait_seconds)


def runs(root: Path, environment: str, outputs: Mapping[str, Any], tell: Tell, *, wait_seconds: float) -> None:
    """Raises Failed unless every task runs the image that was deployed."""
    service = ecs.Service(outputs["cluster_name"], outputs["service_name"])
    definition, digest = outputs["task_definition_arn"], outputs["image_digest"]

    def ask() -> list[str]:
        return ecs.problems(asked, service, task_definition=definition, digest=digest)

    try:
        asked = client(root, environment)
        problems = deployment(ask, wait_seconds=wait_seconds, again_seconds=AGAIN_SECONDS)
    except (BotoCoreError, ClientError) as problem:
        raise Failed(f"ECS does not say what {service.name} runs: {problem}\n{RUNS_ON}") from None
    if problems:
        raise Failed("\n".join([f"{service.name} does not run what was deployed:", *problems]))
    tell(f"{service.name} runs {digest}")


def transcribes(url: str, tell: Tell, *, wait_seconds: float) -> None:
    """Raises Failed unless the demo's clip comes back as text."""
    try:
        share = smoke.heard(url, wait_seconds=wait_seconds)
    except smoke.Unheard as problem:
        raise Failed(f"{problem}\n{RUNS_ON}") from None
    tell(f"{url} heard {share:.0%} of the demo's words")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=NAME, description=__doc__)
    parser.add_argument("environment")
    parser.add_argument(
        "--wait", type=float, default=WAIT_SECONDS, metavar="SECONDS", help="for ECS and the URL (%(default)s)"
    )
    given = parser.parse_args(arguments)
    return command.ended(NAME, lambda: _verify(given.environment, given.wait))


def _verify(environment: str, wait_seconds: float) -> int:
    outputs = Nested(ROOT, Stack.SERVICE, environment).outputs()
    if not outputs:
        return command.say(NAME, f"{environment} is not deployed")
    try:
        runs(ROOT, environment, outputs, _print, wait_seconds=wait_seconds)
    except Failed as failed:
        reasons = stopped_reasons(ROOT, environment)
        return command.say(NAME, "\n".join([str(failed), *(f"  a task stopped: {reason}" for reason in reasons)]))
    if KEY not in os.environ:
        _print(f"{KEY} is not set: the service will refuse a client without a key")
    transcribes(outputs["websocket_url"], _print, wait_seconds=wait_seconds)
    return 0


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
