"""Takes an environment down, also what a failed `up` left: `python -m stacks.environment.teardown dev`."""

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pulumi import automation as auto

from stacks.config import Config
from stacks.contract import Stack
from stacks.environment import command
from stacks.environment.files import config_of
from stacks.environment.nested import Nested
from stacks.environment.resource import tell

NAME = "teardown"
ROOT = Path(__file__).resolve().parents[2]


def kept(config: Config) -> list[str]:
    """What stays in the account."""
    return [
        "the secrets in SSM",
        f"revisions of the task definition {config.named()}",
        f"what Container Insights logged: /aws/ecs/containerinsights/{config.named()}/performance",
        "the state of the stacks, which are empty from then on",
    ]


def confirmed(config: Config, answer: Callable[[str], str]) -> bool:
    """Whether somebody who was asked wants it; asked about is what clients have a name for."""
    if not config.domain:
        return True
    wanted = f"take down {config.environment}"
    question = f"Clients use {config.domain}, and what was recorded goes with it. Type `{wanted}` to go on: "
    try:
        return answer(question).strip() == wanted
    except EOFError:
        return False


def protections(config: Config) -> str:
    return (
        f"{config.environment} is protected: set transcriber:protected to false in Pulumi.{config.environment}.yaml "
        "and bring it up once, so that bucket, registry and load balancer may be deleted. What was recorded goes with "
        "them."
    )


def take_down(root: Path, environment: str) -> None:
    """What the five have, last to first. The root's own order would not do: of a stack that failed it knows nothing,
    and would take away what that one still uses.

    Raises:
        Failed: with what is wrong.
    """
    for stack in reversed(Stack):
        nested = Nested(root, stack, environment)
        left = nested.resources()
        if left:
            tell(f"{stack}: {len(left)} resources")
            nested.destroy(tell)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=NAME, description=__doc__)
    parser.add_argument("environment")
    environment = parser.parse_args(arguments).environment
    return command.ended(NAME, lambda: _teardown(environment))


def _teardown(environment: str) -> int:
    config = config_of(ROOT, environment)
    if config.protected:
        return command.say(NAME, protections(config))
    if not confirmed(config, input):
        return command.say(NAME, "nothing was taken down")
    take_down(ROOT, environment)
    if code := _forget(environment):
        return code
    sys.stdout.write("Kept:\n" + "".join(f"  {what}\n" for what in kept(config)))
    return 0


def _forget(environment: str) -> int:
    """Have the root forget the five, which have nothing any more; the exit code."""
    stacks = auto.LocalWorkspace(work_dir=str(ROOT)).list_stacks()
    if environment not in (stack.name.rpartition("/")[2] for stack in stacks):
        return 0
    forget = ["pulumi", "destroy", "--yes", "--skip-preview", "--stack", environment]
    return subprocess.run(forget, cwd=ROOT, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
