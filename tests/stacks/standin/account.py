"""The account: what exists in it, on disk, shared by every process that is started on the same folder."""

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .wire import Inputs


@dataclass
class Resource:
    """`urn` says which program made it."""

    type: str
    id: str
    urn: str
    inputs: Inputs
    outputs: Inputs

    @property
    def arn(self) -> str:
        return str(self.outputs.get("arn", ""))

    def __getitem__(self, name: str) -> Any:
        """What AWS says now, computed or given; None for what is in neither."""
        return self.outputs.get(name, self.inputs.get(name))


@dataclass
class Account:
    """`outside` is what people made without Pulumi (see `Outside`), `calls` how often each was asked for,
    `deployments` those of each ECS service, by its ARN, oldest first."""

    number: str
    region: str
    resources: list[Resource] = field(default_factory=list)
    outside: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    deployments: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    revisions: dict[str, int] = field(default_factory=dict)

    def of(self, *types: str) -> list[Resource]:
        return [resource for resource in self.resources if resource.type in types]

    def find(self, kind: str, identity: str) -> Resource | None:
        """By id or ARN; a task definition's id is its family, so its ARN alone names it."""
        for resource in self.of(kind):
            if identity and identity in (resource.arn, resource.id):
                return resource
        return None

    def arn(self, service: str, rest: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.number}:{rest}"

    def made_outside(self, kind: str, name: str) -> Any:
        return self.outside.get(kind, {}).get(name)

    def zones(self) -> list[str]:
        return [self.region + letter for letter in "abc"]


def hex_id(prefix: str) -> str:
    """As EC2 makes them: seventeen digits, the first a zero."""
    return f"{prefix}-0{secrets.token_hex(8)}"


class Ledger:
    """Opens the account for one change at a time; what happened is appended to `events.jsonl`."""

    def __init__(self, folder: Path, number: str = "123456789012", region: str = "us-east-1") -> None:
        self.folder = folder
        self.number = number
        self.region = region
        folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def open(self) -> Iterator[Account]:
        """Saved when the block ends without an exception."""
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            path = self.folder / "account.json"
            before = path.read_text() if path.exists() else ""
            account = self._parse(before)
            yield account
            if (after := json.dumps(account, default=vars, indent=1)) != before:
                self._save(after)

    def record(self, verb: str, kind: str, **more: Any) -> None:
        line = json.dumps({"time": round(time.time(), 3), "verb": verb, "type": kind, **more})
        with (self.folder / "events.jsonl").open("a") as file:
            file.write(line + "\n")

    def ask(self, verb: str, kind: str, action: str, resource: str, context: Mapping[str, str]) -> None:
        """Note what IAM is asked, whatever it answers."""
        asked = {"verb": verb, "type": kind, "action": action, "resource": resource, "context": dict(context)}
        with (self.folder / "asked.jsonl").open("a") as file:
            file.write(json.dumps(asked) + "\n")

    def events(self) -> list[dict[str, Any]]:
        return self._lines("events.jsonl")

    def asked(self) -> list[dict[str, Any]]:
        return self._lines("asked.jsonl")

    def _lines(self, name: str) -> list[dict[str, Any]]:
        path = self.folder / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def _parse(self, text: str) -> Account:
        if not text:
            return Account(self.number, self.region)
        saved = json.loads(text)
        resources = [Resource(**resource) for resource in saved.pop("resources")]
        return Account(**saved | {"region": self.region}, resources=resources)

    def _save(self, text: str) -> None:
        """Whoever is killed meanwhile leaves the old account or the new one."""
        partial = self.folder / f"account.{os.getpid()}.partial"
        partial.write_text(text)
        partial.replace(self.folder / "account.json")
