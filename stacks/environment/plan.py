"""What a preview found out, in words."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stacks.contract import NEEDS, Stack

UNCHANGED = ("same", "read", "refresh")
_SIGNS = {"create": "+", "update": "~", "delete": "-", "replace": "+-"}
_COLOURS = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Step:
    """What would be done to a resource."""

    operation: str
    kind: str
    name: str


@dataclass(slots=True)
class Plan:
    """What a stack's `up` would do."""

    steps: list[Step] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def changes(self) -> int:
        return len(self.steps)

    def step(self, operation: str, kind: str, urn: str) -> None:
        """Replacing is told in three parts, of which one is kept."""
        part_of_another = operation in ("create-replacement", "delete-replaced")
        if operation not in UNCHANGED and not part_of_another and not kind.startswith("pulumi:"):
            self.steps.append(Step(operation, kind, urn.rpartition("::")[2]))

    def error(self, message: str) -> None:
        self.errors.append(_COLOURS.sub("", message).strip())


def pending(changes: Mapping[Stack, int]) -> dict[Stack, list[str]]:
    """By stack, those with changes whose outputs it reads: it was previewed with what they are now."""
    after: dict[Stack, list[str]] = {}
    for stack in Stack:
        after[stack] = [need.value for need in NEEDS[stack] if changes.get(need) or after.get(need)]
    return after


def describe(stack: Stack, plan: Plan, after: Sequence[str]) -> str:
    """A line for the stack, and one for each change."""
    counts = ", ".join(
        f"{sum(step.operation == operation for step in plan.steps)} to {operation}"
        for operation in dict.fromkeys(step.operation for step in plan.steps)
    )
    waits = f" (may change more: it is previewed with what {', '.join(after)} is now)" if after else ""
    lines = [f"{stack}: {counts or 'no changes'}{waits}"]
    lines += [f"  {_SIGNS.get(step.operation, step.operation)} {step.kind} {step.name}" for step in plan.steps]
    return "\n".join(lines)
