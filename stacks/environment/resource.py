"""A stack as a resource: to create or update it is its `up`, to delete it its `destroy`.

A program that ran the five `up`s itself would leave a lock and half a stack behind at Ctrl-C, and do them in a
refresh as well."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
from pulumi import dynamic

PROPERTIES = ("stack", "environment")


def nested(properties: Mapping[str, Any]) -> Any:
    """The stack. Pulumi runs a dynamic provider in the project's folder."""
    from stacks.contract import Stack
    from stacks.environment.nested import Nested

    return Nested(Path.cwd(), Stack(properties["stack"]), properties["environment"])


def bring_up(properties: Mapping[str, Any], *, refresh: bool) -> dict[str, Any]:
    """Its state from then on. Where that fails it has the one from before: `checked` then differs from what the next
    `up` finds, which checks again though nothing is left to change."""
    from stacks.contract import Stack
    from stacks.environment import failure, verify

    with failure.told(), failure.explained(properties):
        stack = nested(properties)
        outputs = stack.up(tell, refresh=refresh)
        if stack.stack == Stack.SERVICE:
            verify.check(stack.root, stack.environment, outputs, tell)
    kept = {name: properties[name] for name in PROPERTIES}
    return {**kept, "changes": 0, "after": [], "drift": [], "checked": checked(stack), "outputs": outputs}


def checked(stack: Any) -> str:
    """Which `up` of a stack it is that a check was about; empty where none is checked."""
    from stacks.contract import Stack

    return stack.written() if stack.stack == Stack.SERVICE else ""


def look(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Its state, with what has drifted. Nothing is changed, for a preview of a refresh asks the same: the next `up`
    refreshes and puts right."""
    from stacks.environment import failure

    with failure.told():
        drift = [f"{step.operation} {step.kind} {step.name}" for step in nested(properties).drift().steps]
    return {**properties, "drift": drift}


def tear_down(properties: Mapping[str, Any]) -> None:
    """Not while a stack that uses it has something: of one whose first `up` failed the root knows nothing."""
    from stacks.environment import failure

    with failure.told():
        stack = nested(properties)
        stack.refuse_if_used()
        stack.destroy(tell)


def tell(line: str) -> None:
    sys.stdout.write(line.rstrip("\n") + "\n")
    sys.stdout.flush()


class StackProvider(dynamic.ResourceProvider):
    """Kept in the state, as code: so it has none but calls of functions that are found when they are needed."""

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        from stacks.environment.resource import bring_up

        return dynamic.CreateResult(f"{props['stack']}/{props['environment']}", bring_up(props, refresh=False))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        pending = int(_news["changes"]) or _news["after"] or _olds.get("drift")
        return dynamic.DiffResult(changes=bool(pending or _olds.get("checked") != _news["checked"]))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        from stacks.environment.resource import bring_up

        return dynamic.UpdateResult(bring_up(_news, refresh=bool(_olds.get("drift"))))

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        from stacks.environment.resource import look

        return dynamic.ReadResult(id_, look(props))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        from stacks.environment.resource import tear_down

        tear_down(_props)


class NestedStack(dynamic.Resource):
    """`pending` is what would be done: `changes`, how many its preview found; `after`, the stacks with changes whose
    outputs it reads; `checked`, what a check would be about now."""

    outputs: pulumi.Output[dict[str, Any]]

    def __init__(self, name: str, environment: str, pending: Mapping[str, Any], opts: pulumi.ResourceOptions) -> None:
        properties: dict[str, Any] = {
            "stack": name,
            "environment": environment,
            **pending,
            "drift": [],
            "outputs": None,
        }
        super().__init__(StackProvider(), name, properties, opts)
