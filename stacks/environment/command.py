"""How a command of the Makefile's ends: what keeps it from its work is told in a few lines."""

import sys
from collections.abc import Callable

from pulumi import automation as auto

from stacks.config import NAMESPACE, ConfigError
from stacks.environment.nested import Failed, errors_of


def ended(name: str, act: Callable[[], int]) -> int:
    """The exit code."""
    try:
        return act()
    except ConfigError as wrong:
        return say(name, "\n".join(f"{NAMESPACE}:{problem}" for problem in wrong.problems))
    except auto.CommandError as error:
        return say(name, "\n".join(errors_of(error)))
    except (Failed, FileNotFoundError) as problem:
        return say(name, str(problem))


def say(name: str, problem: str) -> int:
    sys.stderr.write(f"{name}: {problem}\n")
    return 1
