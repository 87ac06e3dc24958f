"""Ids and ARNs inside properties: what must exist, and what is still in use."""

import re
from collections.abc import Iterator
from typing import Any

from .account import Account, Resource
from .kinds import Kind
from .refusal import Refused

_MISSING = {
    "vpc": "InvalidVpcID.NotFound",
    "subnet": "InvalidSubnetID.NotFound",
    "sg": "InvalidGroup.NotFound",
    "igw": "InvalidInternetGatewayID.NotFound",
    "nat": "NatGatewayNotFound",
    "rtb": "InvalidRouteTableID.NotFound",
    "eipalloc": "InvalidAllocationID.NotFound",
    "vpce": "InvalidVpcEndpointId.NotFound",
}
_MISSING_ARN = {
    "targetgroup": "TargetGroupNotFound",
    "loadbalancer": "LoadBalancerNotFound",
    "listener": "ListenerNotFound",
    "certificate": "CertificateNotFound",
    "cluster": "ClusterNotFoundException",
    "task-definition": "ClientException",
}
_ID = re.compile(rf"(?:{'|'.join(_MISSING)})-[0-9a-f]{{8,17}}")
_ARN = re.compile(rf"arn:aws:(?:elasticloadbalancing|acm|ecs):[\w-]+:\d+:({'|'.join(_MISSING_ARN)})/\S+")
_TEXTS = {"policy", "assumeRolePolicy", "containerDefinitions", "dashboardBody", "tags", "tagsAll", "description"}
"""Properties that may name what does not exist."""


def named_in(value: Any) -> Iterator[str]:
    """Every id and ARN in a property's value, but for documents and tags."""
    match value:
        case dict():
            for key, item in value.items():
                if key not in _TEXTS:
                    yield from named_in(item)
        case list():
            for item in value:
                yield from named_in(item)
        case str() if _ID.fullmatch(value) or value.startswith("arn:"):
            yield value
        case _:
            pass


def refuse_missing(account: Account, inputs: dict[str, Any]) -> None:
    there = {identity for resource in account.resources for identity in _identities(resource)}
    for name in named_in(inputs):
        if name in there:
            continue
        if _ID.fullmatch(name):
            raise Refused(_MISSING[name.split("-")[0]], f"The ID '{name}' does not exist")
        if found := _ARN.fullmatch(name):
            raise Refused(_MISSING_ARN[found.group(1)], f"'{name}' does not exist")


def refuse_in_use(account: Account, kind: Kind, resource: Resource) -> None:
    if kind.in_use is None:
        return
    mine = {resource.id, resource.arn} - {""}
    users = [
        other
        for other in account.resources
        if other is not resource and other.type not in kind.belongs and mine & set(named_in(other.inputs))
    ]
    if users:
        names = ", ".join(other.arn or other.id for other in users[:3])
        raise Refused(kind.in_use, f"resource {resource.id} has a dependent object: {names}")


def _identities(resource: Resource) -> Iterator[str]:
    yield resource.id
    yield resource.arn
    for name in ("defaultSecurityGroupId", "mainRouteTableId"):
        if value := resource.outputs.get(name):
            yield value
