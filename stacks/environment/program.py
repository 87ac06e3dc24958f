"""The root project's program: previews the five stacks, says what each would do, and makes a resource of each."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pulumi

from stacks import program
from stacks.contract import Stack
from stacks.environment.failure import way_on
from stacks.environment.nested import Elsewhere, Failed, Nested
from stacks.environment.plan import Plan, describe, pending
from stacks.environment.resource import NestedStack, checked
from stacks.environment.verify import KEY

AT_ONCE = 3
TOLD = 32
"""The exit code that tells Pulumi that all was said. Where a resource fails it interrupts the program, whose traceback
would be the last that is read."""
UNHEARD = f"NOTHING WILL BE TRANSCRIBED BEHIND THE DEPLOYMENT: {KEY} is not set, with which the demo would be sent."


def declare(root: Path) -> None:
    """Raises RunError at the first stack that can't be previewed, with how to go on."""
    config = program.config()
    environment = config.environment
    plans = _previews(root, environment)
    after = pending({stack: plan.changes for stack, plan in plans.items()})
    previous: list[pulumi.Resource] = []
    for stack, plan in plans.items():
        if pulumi.runtime.is_dry_run():
            pulumi.log.info(describe(stack, plan, after[stack]))
        options = pulumi.ResourceOptions(depends_on=previous)
        now = {
            "changes": plan.changes,
            "after": after[stack],
            "checked": checked(Nested(root, stack, environment)),
        }
        resource = NestedStack(stack.value, environment, now, options)
        pulumi.export(stack.value, resource.outputs)
        previous = [resource]
    if config.smoke_test and KEY not in os.environ and (plans[Stack.SERVICE].changes or after[Stack.SERVICE]):
        pulumi.log.warn(UNHEARD)
    signal.signal(signal.SIGINT, _end)


def _end(number: int, frame: object) -> None:
    os._exit(TOLD)


def _previews(root: Path, environment: str) -> dict[Stack, Plan]:
    """A few at once: none changes anything."""
    stacks = tuple(Nested(root, stack, environment) for stack in Stack)
    try:
        with Elsewhere(root, environment) as elsewhere, ThreadPoolExecutor(AT_ONCE) as pool:
            plans = [pool.submit(stack.preview, elsewhere) for stack in stacks]
            return {stack.stack: plan.result() for stack, plan in zip(stacks, plans, strict=True)}
    except Failed as failed:
        raise pulumi.RunError(f"{failed}\n{way_on(environment)}") from None
