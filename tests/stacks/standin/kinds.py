"""What the stand-in knows of one type of resource: how it is named, made, checked, changed and deleted."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from . import tags
from .account import Account, Resource, hex_id
from .images import Registry
from .refusal import Refused
from .wire import Inputs, is_known


@dataclass(frozen=True)
class Call:
    """One request. `before` is the resource that it is about; none when it is to be made.
    Without a registry, every image is taken to be there."""

    account: Account
    inputs: Inputs
    before: Resource | None = None
    registry: Registry | None = None

    def others(self, kind: str) -> list[Resource]:
        """All of a type but the one that this is about."""
        return [resource for resource in self.account.of(kind) if resource is not self.before]

    def need(self, kind: str, identity: str | None, code: str) -> Resource:
        found = self.account.find(kind, identity or "")
        if found is None:
            raise Refused(code, f"'{identity}' does not exist")
        return found


@dataclass(frozen=True)
class Made:
    id: str
    outputs: Inputs = field(default_factory=dict)


Check = Callable[[Inputs], None]
"""Raises Refused for what the inputs alone show."""
Rule = Callable[[Call], None]
"""Raises Refused for what does not go with the account."""


@dataclass(frozen=True)
class Named:
    """Which property is the name, and what AWS takes for one. Without a name in the program, one is made up as Pulumi's
    bridge does."""

    property: str = "name"
    longest: int = 255
    pattern: str = r".+"
    code: str = "ValidationError"
    automatic: bool = True

    def check(self, inputs: Inputs) -> None:
        name = inputs.get(self.property)
        if not isinstance(name, str) or not is_known(name):
            return
        if len(name) > self.longest:
            raise Refused(self.code, f"{self.property} '{name}' cannot be longer than {self.longest} characters")
        if not re.fullmatch(self.pattern, name):
            raise Refused(self.code, f"{self.property} '{name}' must match {self.pattern}")


@dataclass(frozen=True)
class Kind:
    """`actions` are what IAM asks permission for, by verb (create, read, update, delete). `in_use` is the code with
    which deleting is refused while another resource names it; none where AWS does not mind."""

    token: str
    make: Callable[[Call], Made]
    actions: Mapping[str, str]
    replaces: frozenset[str] = frozenset()
    named: Named | None = None
    checks: tuple[Check, ...] = ()
    rules: tuple[Rule, ...] = ()
    leaving: tuple[Rule, ...] = ()
    in_use: str | None = None
    belongs: tuple[str, ...] = ()
    """Types whose instances go away with it, so that they are no use of it."""
    then: Rule | None = None
    """What AWS goes on to do once it was made or changed; may raise StillFailing."""

    @property
    def service(self) -> str:
        """Its name in IAM."""
        return self.actions["create"].partition(":")[0]

    def check(self, inputs: Inputs) -> None:
        if self.named:
            self.named.check(inputs)
        tags.check(self.service, inputs.get("tags"))
        for check in self.checks:
            check(inputs)


def crud(service: str, create: str, *, read: str, update: str = "", delete: str = "") -> dict[str, str]:
    """The permissions for it; updating takes that of creating unless another is named."""
    verbs = {
        "create": create,
        "read": read,
        "update": update or create,
        "delete": delete or re.sub("^(?:Create|Put|Register|Attach|Allocate|Associate)", "Delete", create),
    }
    return {verb: f"{service}:{action}" for verb, action in verbs.items()}


def in_ec2(prefix: str, path: str, **computed: Callable[[Call], object]) -> Callable[[Call], Made]:
    """Makes what has an id like `vpc-0…` and an ARN like `…:vpc/vpc-0…`."""

    def make(call: Call) -> Made:
        identity = hex_id(prefix)
        outputs: Inputs = {"arn": call.account.arn("ec2", f"{path}/{identity}"), "ownerId": call.account.number}
        return Made(identity, outputs | {name: value(call) for name, value in computed.items()})

    return make


def unique(kind: str, properties: Iterable[str], code: str) -> Rule:
    """No two of a type may have the same values there."""
    names = tuple(properties)

    def rule(call: Call) -> None:
        mine = [call.inputs.get(name) for name in names]
        for other in call.others(kind):
            if [other.inputs.get(name) for name in names] == mine:
                raise Refused(code, f"{' and '.join(map(str, mine))}: exists already")

    return rule


def within(name: str, lowest: int, highest: int, code: str = "ValidationError") -> Check:
    """A number's range; `name` may be a path through objects, `healthCheck.interval`."""
    path = name.split(".")

    def check(inputs: Inputs) -> None:
        value: object = inputs
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        if isinstance(value, (int, float)) and not isinstance(value, bool) and not lowest <= value <= highest:
            raise Refused(code, f"{name} must be between {lowest} and {highest}, and is {value}")

    return check


def one_of(name: str, allowed: Iterable[object], code: str = "ValidationError") -> Check:
    values = tuple(allowed)

    def check(inputs: Inputs) -> None:
        value = inputs.get(name)
        if value is not None and is_known(value) and value not in values:
            raise Refused(code, f"{name} {value!r} is none of {', '.join(map(str, values))}")

    return check
