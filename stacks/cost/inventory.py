"""What is in the account, reduced to what a price depends on."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from stacks.cost.kinds import FACTS, FREE

Facts = Mapping[str, Any]


class Unpriced(Exception):
    """There is something of which nobody has said what it costs; `kinds` are its types."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self.kinds = sorted(set(kinds))
        super().__init__(f"no price is known for {', '.join(self.kinds)}: stacks/cost/kinds.py decides about each type")


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource. `kind` is Pulumi's type, `facts` what FACTS takes of it."""

    kind: str
    name: str
    facts: Facts = field(default_factory=dict[str, Any])


Inventory = tuple[Entry, ...]


def inventory(resources: Iterable[Mapping[str, Any]]) -> Inventory:
    """Of resources as a state has them, those that are paid for. Of several with one URN, the last: the others are
    earlier revisions, or about to be deleted.

    Raises:
        Unpriced: with every type that nothing was decided about.
    """
    made = [each for each in resources if each.get("custom", True) and not each["type"].startswith("pulumi:")]
    if unknown := {each["type"] for each in made} - FREE.keys() - FACTS.keys():
        raise Unpriced(unknown)
    entries = {
        each["urn"]: Entry(each["type"], str(each["urn"]).rpartition("::")[2], FACTS[each["type"]](_properties(each)))
        for each in made
        if each["type"] in FACTS
    }
    return tuple(sorted(entries.values(), key=lambda entry: (entry.kind, entry.name)))


def _properties(resource: Mapping[str, Any]) -> Facts:
    return {**(resource.get("inputs") or {}), **(resource.get("outputs") or {})}


def resources_in(path: Path) -> list[dict[str, Any]]:
    """Those in a file: what `pulumi stack export` wrote, or the account of the stand-in for AWS.

    Raises:
        ValueError: it is neither.
    """
    content = json.loads(path.read_text())
    if isinstance(content, dict):
        whole = cast("dict[str, Any]", content)
        found = (whole.get("deployment") or whole).get("resources")
        if isinstance(found, list):
            return cast("list[dict[str, Any]]", found)
    raise ValueError(f"{path} is no export of a stack")
