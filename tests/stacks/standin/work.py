"""What each verb does to the account: the order in which AWS would find fault, then the change."""

import dataclasses
import hashlib
import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import schema
from .account import Account, Ledger, Resource
from .asking import Asked, Questions
from .catalogue import KINDS
from .faults import Faults
from .functions import FUNCTIONS, Question
from .images import Registry
from .kinds import Call, Kind
from .policies import Document, allows
from .references import refuse_in_use, refuse_missing
from .refusal import Refused, StillFailing
from .wire import UNKNOWN, Inputs, is_known

DEFAULTS = "__defaults"
"""Where inputs say which of them nobody gave."""
PATIENCE_SECONDS = 20 * 60
"""How long the provider waits where a program does not say: for an ECS service."""
_SETS = (
    "subnets",
    "securityGroups",
    "cidrBlocks",
    "securityGroupIds",
    "vpcSecurityGroupIds",
    "routeTableIds",
    "subnetIds",
)
_DOCUMENTS = ("policy", "assumeRolePolicy", "containerDefinitions", "dashboardBody")


@dataclass(frozen=True)
class Principal:
    """Who is asking. The root user may do everything."""

    arn: str
    policies: tuple[Document, ...] | None = None

    @classmethod
    def load(cls, path: str | None, number: str) -> "Principal":
        """From a JSON file with `arn` and `policies`."""
        if not path:
            return cls(f"arn:aws:iam::{number}:root")
        given = json.loads(Path(path).read_text())
        return cls(given["arn"], tuple(given["policies"]))

    def need(self, asked: Asked) -> None:
        if self.policies is not None and not allows(self.policies, asked.action, asked.resource, asked.context):
            message = f"User: {self.arn} is not authorized to perform: {asked.action} on resource: {asked.resource}"
            raise Refused("AccessDenied", message)


@dataclass
class Work:
    """One configured provider's."""

    ledger: Ledger
    principal: Principal
    registry: Registry | None = None
    faults: Faults = field(default_factory=Faults)
    default_tags: dict[str, str] = field(default_factory=dict)

    def check(
        self, token: str, name: str, inputs: Inputs, old: Inputs, seed: bytes
    ) -> tuple[Inputs, list[tuple[str, str]]]:
        """The inputs with what Pulumi's bridge adds, and what is wrong with them: property and reason."""
        kind, declared = KINDS.get(token), schema.resource_type(token)
        if kind is None or declared is None:
            return inputs, [("", f"resource type {token} is not known here")]
        problems = list(declared.problems(inputs))
        try:
            full = self._named(kind, name, inputs, old, seed)
            if self.default_tags and "tags" in declared.inputs and inputs.get("tags") != UNKNOWN:
                full = full | {"tags": self.default_tags | (inputs.get("tags") or {})}
            if problems:
                return full, problems
            if kind.named:
                kind.named.check(full)
            if is_known(full):
                kind.check(full)
        except Refused as refused:
            return inputs, [*problems, ("", str(refused))]
        return full, problems

    def _named(self, kind: Kind, name: str, inputs: Inputs, old: Inputs, seed: bytes) -> Inputs:
        """A name as the bridge makes it: that of the program, seven digits; kept from then on."""
        named = kind.named
        if named is None or not named.automatic or inputs.get(named.property) is not None:
            return inputs
        if named.property in (old.get(DEFAULTS) or []):
            made = old[named.property]
        else:
            digits = hashlib.sha256(seed).hexdigest()[:7] if seed else secrets.token_hex(4)[:7]
            made = f"{name}-{digits}"
            if len(made) > named.longest:
                raise Refused(
                    named.code, f"name '{name}' plus 7 random chars is longer than maximum length {named.longest}"
                )
        return inputs | {named.property: made, DEFAULTS: [named.property]}

    def preview(self, token: str, inputs: Inputs) -> Inputs:
        """What a program sees before the resource is made."""
        declared = schema.resource_type(token)
        assert declared is not None
        unknown = {name: UNKNOWN for name in declared.outputs if name != "tagsAll"}
        return (
            visible(inputs) | unknown | ({"tagsAll": inputs.get("tags") or {}} if "tagsAll" in declared.outputs else {})
        )

    def create(
        self, token: str, urn: str, inputs: Inputs, *, timeout: float = 0
    ) -> tuple[Resource, StillFailing | None]:
        """`timeout` is how long the program lets it take, in seconds; 0 leaves that to the provider."""
        kind = KINDS[token]
        self._begin(kind, "create")
        with self.ledger.open() as account:
            call = self._call(account, kind, "create", inputs)
            made = kind.make(call)
            self._permit("create", token, Questions(account, kind, inputs, _arn(made.outputs)).create())
            resource = Resource(token, made.id, urn, inputs, _outputs(token, account, inputs, made.outputs))
            account.resources.append(resource)
            failure = _then(kind, dataclasses.replace(call, before=resource))
        self.ledger.record("create", token, id=resource.id, urn=urn, inputs=inputs)
        self.faults.wait(token)
        return resource, self._given_up(resource, failure, timeout)

    def update(
        self, token: str, identity: str, inputs: Inputs, arn: str, *, timeout: float = 0
    ) -> tuple[Resource, StillFailing | None]:
        kind = KINDS[token]
        self._begin(kind, "update")
        with self.ledger.open() as account:
            resource = _need(account, token, identity, arn)
            changed = changes(resource.inputs, inputs)
            questions = Questions(account, kind, inputs, _arn(resource.outputs), resource)
            self._permit("update", token, questions.update(changed))
            call = self._call(account, kind, "update", inputs, resource)
            resource.inputs = inputs
            if "tagsAll" in resource.outputs:
                resource.outputs["tagsAll"] = inputs.get("tags") or {}
            failure = _then(kind, call)
        self.ledger.record("update", token, id=resource.id, urn=resource.urn, changed=changed)
        self.faults.wait(token)
        return resource, self._given_up(resource, failure, timeout)

    def delete(self, token: str, identity: str, arn: str) -> None:
        kind = KINDS[token]
        self._begin(kind, "delete")
        with self.ledger.open() as account:
            resource = account.find(token, arn) or account.find(token, identity)
            if resource is None:
                return
            self._permit("delete", token, Questions(account, kind, {}, _arn(resource.outputs), resource).delete())
            refuse_in_use(account, kind, resource)
            for rule in kind.leaving:
                rule(Call(account, resource.inputs, resource, self.registry))
            if not resource["skipDestroy"]:
                account.resources.remove(resource)
                account.deployments.pop(resource.arn, None)
        self.ledger.record("delete", token, id=resource.id, urn=resource.urn)

    def read(self, token: str, identity: str, arn: str) -> Resource | None:
        """None for what is gone."""
        kind = KINDS[token]
        with self.ledger.open() as account:
            found = account.find(token, arn) if arn else account.find(token, identity)
            known = _arn(found.outputs) if found else ""
            self._permit("read", token, Questions(account, kind, {}, known, found).read())
            return found

    def invoke(self, token: str, args: Inputs) -> Inputs:
        function = FUNCTIONS.get(token)
        if function is None:
            raise Refused("InvalidAction", f"function {token} is not known here")
        self.ledger.record("invoke", token, args=args)
        with self.ledger.open() as account:
            self._permit("invoke", token, function.asks(account, args))
            answer = function.answer(Question(account, args, self.registry, self.principal.arn))
            return args | {"region": account.region} | answer

    def _given_up(self, resource: Resource, failure: StillFailing | None, timeout: float) -> StillFailing | None:
        """Waits for what does not come, as long as the provider would."""
        if failure is None:
            return None
        seconds = timeout or PATIENCE_SECONDS
        self.ledger.record("give up", resource.type, id=resource.id, urn=resource.urn, seconds=seconds)
        self.faults.wait_in_vain(seconds)
        return StillFailing(f"{failure} (waited {seconds:g} s)")

    def _begin(self, kind: Kind, verb: str) -> None:
        """Counted before anything is looked at, so that the count stays when the call is refused."""
        with self.ledger.open() as account:
            number = self.faults.count(account, kind.token, verb)
        self.faults.strike(kind.token, verb, number)

    def _call(self, account: Account, kind: Kind, verb: str, inputs: Inputs, before: Resource | None = None) -> Call:
        kind.check(inputs)
        refuse_missing(account, inputs)
        call = Call(account, inputs, before, self.registry)
        for rule in kind.rules:
            rule(call)
        return call

    def _permit(self, verb: str, token: str, questions: Iterable[Asked]) -> None:
        for asked in questions:
            self.ledger.ask(verb, token, asked.action, asked.resource, asked.context)
            self.principal.need(asked)


def _arn(outputs: Inputs) -> str:
    """Empty for what has none."""
    return str(outputs.get("arn") or outputs.get("dashboardArn") or "")


def _need(account: Account, token: str, identity: str, arn: str) -> Resource:
    found = account.find(token, arn) or account.find(token, identity)
    if found is None:
        raise Refused("ResourceNotFoundException", f"{token} {identity} does not exist")
    return found


def _then(kind: Kind, call: Call) -> StillFailing | None:
    """The account keeps what happened although it went wrong."""
    try:
        if kind.then:
            kind.then(call)
    except StillFailing as failure:
        return failure
    return None


def _outputs(token: str, account: Account, inputs: Inputs, computed: Inputs) -> Inputs:
    """Everything that the provider alone determines; empty where AWS leaves it so."""
    declared = schema.resource_type(token)
    assert declared is not None
    outputs = {name: computed.get(name, _EMPTY[_shape(declared.outputs[name])]) for name in declared.outputs}
    if "tagsAll" in outputs:
        outputs["tagsAll"] = inputs.get("tags") or {}
    if "region" in declared.inputs:
        outputs["region"] = account.region
    return {**computed, **outputs}


_EMPTY: dict[str, Any] = {"text": "", "number": 0, "bool": False, "list": [], "map": {}}


def _shape(annotation: str) -> str:
    if "Sequence[" in annotation:
        return "list"
    if "Mapping[" in annotation or "outputs." in annotation:
        return "map"
    number = re.search(r"\b(?:int|float)\b", annotation)
    return "number" if number else "bool" if "bool" in annotation else "text"


def visible(inputs: Inputs) -> Inputs:
    """Without what the provider keeps for itself."""
    return {name: value for name, value in inputs.items() if not name.startswith("__")}


def state(resource: Resource) -> Inputs:
    """What Pulumi writes into its state."""
    return visible(resource.inputs) | resource.outputs


def changes(old: Inputs, new: Inputs) -> list[str]:
    """Names of properties that differ in what they mean."""
    names = {*old, *new} - {DEFAULTS}
    return sorted(name for name in names if _meaning(name, old.get(name)) != _meaning(name, new.get(name)))


def _meaning(name: str, value: Any) -> Any:
    """Sets know no order, documents no blanks; nothing and empty are one."""
    if name in _DOCUMENTS and isinstance(value, str) and value != UNKNOWN:
        try:
            return json.loads(value)
        except ValueError:
            return value
    if name in _SETS and isinstance(value, list):
        return sorted(map(str, value))
    if isinstance(value, dict):
        return {key: _meaning(key, item) for key, item in value.items() if item is not None}
    return value or None if isinstance(value, list) else value
