"""A rule: which resources it is about, and what is wrong with one."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

Props = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """What a program asks for: inputs by their names on the wire."""

    kind: str
    name: str
    protected: bool
    """Whether its environment is kept from deletion: one that people rely on."""
    props: Props


@dataclass(frozen=True, slots=True)
class Rule:
    id: str
    about: str
    kinds: tuple[str, ...]
    problem: Callable[[Resource], str | None]


@dataclass(frozen=True, slots=True)
class StackRule:
    """About what stands beside what."""

    id: str
    about: str
    kinds: tuple[str, ...]
    problems: Callable[[Sequence[Resource]], list[str]]


def must_be(name: str, *allowed: Any) -> Callable[[Resource], str | None]:
    """A property has one of these values."""

    def problem(resource: Resource) -> str | None:
        value = resource.props.get(name)
        return None if value in allowed else f"{name} is {value!r} and not {' or '.join(map(repr, allowed))}"

    return problem


def inner(props: Props, name: str) -> Props:
    """An object within; empty where there is none."""
    return cast("Props", props.get(name) or {})


def when_protected(check: Callable[[Resource], str | None]) -> Callable[[Resource], str | None]:
    return lambda resource: check(resource) if resource.protected else None


def statements(document: str) -> list[dict[str, Any]]:
    """Of a policy document, with lists where one value may stand by itself."""
    found = json.loads(document)["Statement"]
    return [
        {
            key: [value] if key in ("Action", "Resource") and isinstance(value, str) else value
            for key, value in each.items()
        }
        for each in found
    ]
