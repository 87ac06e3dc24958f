"""The AWS CLI, and what is said to whoever called."""

import json
import subprocess
import sys
from typing import Any

STACK = "transcriber-bootstrap"


class Stopped(Exception):
    """Why nothing more is done; its text is for people."""


def aws(*arguments: str, given: str = "") -> Any:
    """What the AWS CLI answers, decoded; None for nothing. `given` is its standard input: values are in no argument.

    Raises:
        Stopped: with what it says, as it fails.
    """
    command = ["aws", *arguments, "--output", "json"]
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Stopped("there is no `aws`: install the AWS CLI, version 2, and give it credentials") from None
    if done.returncode:
        raise Stopped(done.stderr.strip() or f"aws {' '.join(arguments[:2])} failed")
    return json.loads(done.stdout) if done.stdout.strip() else None


def missing(problem: Stopped) -> bool:
    """Whether it means that a stack or a resource of it is not there."""
    return "does not exist" in str(problem)


def the_stack() -> dict[str, Any]:
    """As CloudFormation describes it; empty if there is none."""
    try:
        return dict(aws("cloudformation", "describe-stacks", "--stack-name", STACK)["Stacks"][0])
    except Stopped as problem:
        if missing(problem):
            return {}
        raise


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
