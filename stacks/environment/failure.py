"""How a failure inside a provider is told: by what it says, without the frames that Pulumi would print before it, and
with why tasks stopped where they did not get well."""

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


@contextmanager
def explained(properties: Mapping[str, Any]) -> Generator[None]:
    try:
        yield
    except Failed as failed:
        reasons = stopped_reasons(Path.cwd(), properties["environment"]) if properties["stack"] == Stack.SERVICE else []
        raise Failed("\n".join([str(failed), *(f"  a task stopped: {reason}" for reason in reasons)])) from None
