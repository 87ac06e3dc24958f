"""How a failure is told: by what it says, without the frames that Pulumi would print before it, with why tasks stopped
where they did not get well, and with how to go on."""

import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stacks.contract import Stack
from stacks.environment.nested import Failed
from stacks.environment.verify import stopped_reasons


@contextmanager
def told() -> Generator[None]:
    try:
        yield
    except Exception:
        sys.tracebacklimit = 0
        raise


def way_on(environment: str) -> str:
    """What is done stays, and is not done again."""
    return f"Mend it, then go on with: pulumi up -s {environment}"


@contextmanager
def explained(properties: Mapping[str, Any]) -> Generator[None]:
    try:
        yield
    except Failed as failed:
        reasons = stopped_reasons(Path.cwd(), properties["environment"]) if properties["stack"] == Stack.SERVICE else []
        told = [str(failed), *(f"  a task stopped: {reason}" for reason in reasons), way_on(properties["environment"])]
        raise Failed("\n".join(told)) from None
