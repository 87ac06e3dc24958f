"""What the roles of bootstrap/ may do, held against what a stand-in account was asked."""

import copy
import fnmatch
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bootstrap import template
from bootstrap.template import Document, Place

from .standin.account import Account, Resource
from .standin.asking import Asked, Questions, access
from .standin.catalogue import KINDS
from .standin.policies import allows

PLACE = Place()


def documents(role: str) -> list[Document]:
    return list(template.documents(role, PLACE).values())


def principal(role: str, folder: Path) -> str:
    """A file that has the stand-in answer as it would to this role."""
    file = folder / f"{role}.json"
    arn = f"arn:aws:sts::{PLACE.account}:assumed-role/{role}/run-1"
    file.write_text(json.dumps({"arn": arn, "policies": documents(role)}))
    return str(file)


@dataclass(frozen=True)
class Right:
    """One action of one statement of one policy."""

    policy: str
    statement: int
    action: str

    def __str__(self) -> str:
        return f"{self.policy}[{self.statement}] {self.action}"


def rights(role: str) -> list[Right]:
    return [
        Right(policy, place, action)
        for policy, document in template.documents(role, PLACE).items()
        for place, statement in enumerate(document["Statement"])
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
    ]


def without(role: str, right: Right) -> list[Document]:
    left = copy.deepcopy(template.documents(role, PLACE))
    left[right.policy]["Statement"][right.statement]["Action"].remove(right.action)
    for document in left.values():
        document["Statement"] = [each for each in document["Statement"] if each["Action"]]
    return list(left.values())


def refused(documents: Iterable[Document], questions: Iterable[Asked]) -> list[Asked]:
    given = list(documents)
    return [asked for asked in questions if not allows(given, asked.action, asked.resource, asked.context)]


def missed(role: str, right: Right, questions: Iterable[Asked]) -> list[Asked]:
    """What is refused without it, of what it could be about."""
    about = [asked for asked in questions if fnmatch.fnmatchcase(asked.action, right.action)]
    return refused(without(role, right), about)


def recorded(lines: Iterable[dict[str, Any]]) -> list[Asked]:
    """What a ledger noted, each question once."""
    found = {json.dumps([line["action"], line["resource"], line["context"]], sort_keys=True) for line in lines}
    return [Asked(*json.loads(line)) for line in sorted(found)]


def every_change(account: Account, environment: str) -> Iterator[Asked]:
    """What is asked when any property changes that the provider changes in place, of anything that is there."""
    for resource in account.resources:
        entry = access().get(resource.type)
        if entry is None or not resource.urn.startswith(f"urn:pulumi:{environment}::"):
            continue
        for name in {each for names in entry.change for each in names.split()}:
            yield from _changed(account, resource, resource.inputs, name)
        if entry.tags:
            tags = resource.inputs.get("tags") or {}
            yield from _changed(account, resource, resource.inputs | {"tags": {**tags, "stack": "other"}}, "tags")
            fewer = {name: value for name, value in tags.items() if name != "stack"}
            yield from _changed(account, resource, resource.inputs | {"tags": fewer}, "tags")


def _changed(account: Account, resource: Resource, inputs: dict[str, Any], name: str) -> Iterator[Asked]:
    arn = str(resource.outputs.get("arn") or resource.outputs.get("dashboardArn") or "")
    yield from Questions(account, KINDS[resource.type], inputs, arn, resource).update([name])
