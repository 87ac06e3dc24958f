"""What IAM is asked before a call is made: action, resource and the keys that conditions look at."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from .account import Account, Resource
from .kinds import Kind
from .services import autoscaling, ecr, ecs, elb, identity, names, security_groups, storage, telemetry, vpc
from .wire import Inputs

_PASSED = ("executionRoleArn", "taskRoleArn", "iamRoleArn", "roleArn")
_PASSED_TO = {"ecs": "ecs-tasks.amazonaws.com", "ec2": "vpc-flow-logs.amazonaws.com"}
_NAMED = {
    "allocationId": vpc.EIP,
    "arn": telemetry.TOPIC,
    "bucket": storage.BUCKET,
    "certificateArn": names.CERTIFICATE,
    "clusterName": ecs.CLUSTER,
    "listenerArn": elb.LISTENER,
    "loadBalancerArn": elb.BALANCER,
    "repository": ecr.REPOSITORY,
    "resourceId": autoscaling.TARGET,
    "role": identity.ROLE,
    "routeTableId": vpc.ROUTE_TABLE,
    "routeTableIds": vpc.ROUTE_TABLE,
    "securityGroupId": security_groups.GROUP,
    "securityGroupIds": security_groups.GROUP,
    "subnetId": vpc.SUBNET,
    "subnetIds": vpc.SUBNET,
    "topic": telemetry.TOPIC,
    "vpcId": vpc.VPC,
}
"""Types of what properties name."""
_LINKED = {
    ecs.CLUSTER: "ecs.amazonaws.com",
    elb.BALANCER: "elasticloadbalancing.amazonaws.com",
    autoscaling.TARGET: "ecs.application-autoscaling.amazonaws.com",
}
"""Services that make themselves a role when an account first has one of these."""


@dataclass(frozen=True)
class Asked:
    """One question to IAM."""

    action: str
    resource: str
    context: Mapping[str, str]


@dataclass(frozen=True)
class Access:
    """An entry of access.yaml, which says what each part means."""

    make: str
    about: tuple[str, ...] = ()
    new: bool = True
    then: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    change: Mapping[str, list[str]] = field(default_factory=dict)
    delete: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def changing(self, properties: Iterable[str]) -> list[str]:
        """The calls for these. One that is not named may take any of them."""
        by_name = {name: calls for names, calls in self.change.items() for name in names.split()}
        everything = [call for calls in self.change.values() for call in calls]
        calls = [call for name in properties for call in by_name.get(name, everything)]
        return list(dict.fromkeys(calls))


@cache
def access() -> dict[str, Access]:
    """By type."""
    entries = yaml.safe_load(Path(__file__).with_name("access.yaml").read_text())
    return {token: Access(**entry) for token, entry in entries.items()}


@dataclass(frozen=True)
class Questions:
    """Those about one resource. `inputs` are the new ones, `before` is the resource as it is, if it is."""

    account: Account
    kind: Kind
    inputs: Inputs
    arn: str
    before: Resource | None = None

    def create(self) -> Iterator[Asked]:
        entry = access().get(self.kind.token)
        if entry is None:
            yield from self._plain("create")
            return
        requested = _request_tags(self.inputs.get("tags") or {}) if entry.tags else {}
        for name in entry.about:
            if name == "*":
                yield self._asked(entry.make, "*", requested)
            else:
                yield from self._call(f"{entry.make}@{name}", self.inputs)
        if entry.new:
            yield self._asked(entry.make, self._own(), requested)
        if requested:
            making = entry.make.partition(":")[2]
            service = entry.make.partition(":")[0]
            yield self._asked(entry.tags[0], self._own(), requested | {f"{service}:CreateAction": making})
        yield from self._passing()
        yield from self._linking()
        yield from self._calls((*entry.then, *entry.read), self.inputs)

    def update(self, changed: list[str]) -> Iterator[Asked]:
        entry = access().get(self.kind.token)
        if entry is None:
            yield from self._plain("update")
            return
        assert self.before is not None
        old, new = self.before.inputs.get("tags") or {}, self.inputs.get("tags") or {}
        if entry.tags and old != new:
            own = self._own()
            if fresh := {name: value for name, value in new.items() if old.get(name) != value}:
                yield self._asked(entry.tags[0], own, _request_tags(fresh) | _resource_tags(old))
            if old.keys() - new.keys():
                yield self._asked(entry.tags[1], own, _resource_tags(old))
        calls = entry.changing(name for name in changed if name not in ("tags", "tagsAll"))
        yield from self._passing()
        yield from self._calls((*calls, *entry.read), self.before.inputs | self.inputs)

    def read(self) -> Iterator[Asked]:
        entry = access().get(self.kind.token)
        if entry is None:
            yield from self._plain("read")
        else:
            yield from self._calls(entry.read, self.before.inputs if self.before else {})

    def delete(self) -> Iterator[Asked]:
        entry = access().get(self.kind.token)
        assert self.before is not None
        if entry is None:
            yield from self._plain("delete")
        else:
            yield from self._calls(entry.delete, self.before.inputs)

    def _plain(self, verb: str) -> Iterator[Asked]:
        yield self._asked(self.kind.actions[verb], self._own(), {})
        yield from self._passing()

    def _calls(self, calls: Iterable[str], inputs: Inputs) -> Iterator[Asked]:
        for call in calls:
            yield from self._call(call, inputs)

    def _call(self, call: str, inputs: Inputs) -> Iterator[Asked]:
        action, _, name = call.partition("@")
        if name == "*":
            yield self._asked(action, "*", {})
        elif name:
            for arn, tags in self._named(name, inputs):
                yield self._asked(action, arn, _resource_tags(tags) | self._of_service(action, inputs))
        else:
            inside = action.endswith("/")
            keys = _resource_tags(inputs.get("tags") or {}) | self._of_service(action, inputs)
            yield self._asked(action.rstrip("/"), self._own() + ("/key" if inside else ""), keys)

    def _named(self, name: str, inputs: Inputs) -> Iterator[tuple[str, dict[str, str]]]:
        """ARN and tags of what a property names; nothing for one that is not set."""
        match name:
            case "service":
                path = inputs["resourceId"].removeprefix("service/")
                yield self.account.arn("ecs", f"service/{path}"), {}
            case "tracking":
                yield self.account.arn("cloudwatch", f"alarm:TargetTracking-{inputs['resourceId']}-AlarmHigh-0"), {}
            case "zoneId":
                yield f"arn:aws:route53:::hostedzone/{inputs[name]}", {}
            case _:
                values = inputs.get(name) or []
                for value in values if isinstance(values, list) else [values]:
                    found = self._find(_NAMED[name], value)
                    if found:
                        yield found.arn, found.inputs.get("tags") or {}

    def _find(self, token: str, value: str) -> Resource | None:
        """By id, ARN or name. The rules of a network's own group are about that one."""
        also = {security_groups.GROUP: security_groups.DEFAULT_GROUP}
        for resource in self.account.of(token, also.get(token, token)):
            if value in (resource.id, resource.arn, resource["name"]):
                return resource
        return None

    def _passing(self) -> Iterator[Asked]:
        service = self.kind.actions["create"].partition(":")[0]
        for name in _PASSED:
            if role := self.inputs.get(name):
                yield self._asked("iam:PassRole", role, {"iam:PassedToService": _PASSED_TO.get(service, "")})

    def _linking(self) -> Iterator[Asked]:
        made = self.account.outside.setdefault("linkedRoles", {})
        service = _LINKED.get(self.kind.token)
        if service and service not in made:
            made[service] = True
            role = f"arn:aws:iam::{self.account.number}:role/aws-service-role/{service}/AWSServiceRole"
            yield self._asked("iam:CreateServiceLinkedRole", role, {"iam:AWSServiceName": service})

    def _of_service(self, action: str, inputs: Inputs) -> dict[str, str]:
        """Keys that one service alone has."""
        match action.partition(":")[0]:
            case "iam":
                role = self._find(identity.ROLE, inputs["role"]) if "role" in inputs else None
                boundary = (role.inputs if role else inputs).get("permissionsBoundary")
                return {"iam:PermissionsBoundary": boundary} if boundary else {}
            case "route53" if inputs.get("type"):
                return {"route53:ChangeResourceRecordSetsRecordTypes": inputs["type"]}
            case "application-autoscaling":
                namespace = inputs.get("serviceNamespace")
                return {"application-autoscaling:service-namespace": namespace} if namespace else {}
            case _:
                return {}

    def _own(self) -> str:
        return self.arn or "*"

    def _asked(self, action: str, resource: str, context: Mapping[str, str]) -> Asked:
        keys = {"aws:RequestedRegion": self.account.region, **self._of_service(action, self.inputs), **context}
        return Asked(action, resource, keys)


def _request_tags(tags: Mapping[str, Any]) -> dict[str, str]:
    return {f"aws:RequestTag/{name}": str(value) for name, value in tags.items()}


def _resource_tags(tags: Mapping[str, Any]) -> dict[str, str]:
    return {f"aws:ResourceTag/{name}": str(value) for name, value in tags.items()}
