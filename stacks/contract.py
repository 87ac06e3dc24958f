"""What the five stacks agree on: names of projects, outputs and tags, and the one way to read another's outputs."""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, ClassVar, TypeVar, cast

import pulumi

PRODUCT = "transcriber"


class Stack(StrEnum):
    """In the order in which they are brought up."""

    NETWORK = "network"
    ECR = "ecr"
    ALB = "alb"
    CLUSTER = "cluster"
    SERVICE = "service"

    @property
    def project(self) -> str:
        return f"{PRODUCT}-{self.value}"


NEEDS: dict[Stack, tuple[Stack, ...]] = {
    Stack.NETWORK: (),
    Stack.ECR: (),
    Stack.ALB: (Stack.NETWORK,),
    Stack.CLUSTER: (),
    Stack.SERVICE: (Stack.NETWORK, Stack.ECR, Stack.ALB, Stack.CLUSTER),
}
"""Whose outputs each reads."""


@dataclass(frozen=True, kw_only=True)
class NetworkOutputs:
    """Subnets are those in use, in the order of their availability zones."""

    stack: ClassVar = Stack.NETWORK

    vpc_id: pulumi.Output[str]
    vpc_cidr: pulumi.Output[str]
    public_subnet_ids: pulumi.Output[list[str]]
    private_subnet_ids: pulumi.Output[list[str]]


@dataclass(frozen=True, kw_only=True)
class EcrOutputs:
    stack: ClassVar = Stack.ECR

    registry_id: pulumi.Output[str]
    repository_arn: pulumi.Output[str]
    repository_name: pulumi.Output[str]
    repository_url: pulumi.Output[str]


@dataclass(frozen=True, kw_only=True)
class AlbOutputs:
    """`host` is the name that clients use; `secure` says whether they reach it over TLS."""

    stack: ClassVar = Stack.ALB

    arn_suffix: pulumi.Output[str]
    host: pulumi.Output[str]
    listener_arn: pulumi.Output[str]
    secure: pulumi.Output[bool]
    security_group_id: pulumi.Output[str]


@dataclass(frozen=True, kw_only=True)
class ClusterOutputs:
    """`exec_log_group_*` is where what is done in ECS Exec sessions is logged."""

    stack: ClassVar = Stack.CLUSTER

    cluster_arn: pulumi.Output[str]
    cluster_name: pulumi.Output[str]
    exec_log_group_arn: pulumi.Output[str]


@dataclass(frozen=True, kw_only=True)
class ServiceOutputs:
    """What people, scripts and the check after a deployment need to know; no stack reads it."""

    stack: ClassVar = Stack.SERVICE

    alarm_topic_arn: pulumi.Output[str]
    bucket: pulumi.Output[str]
    cluster_name: pulumi.Output[str]
    dashboard_url: pulumi.Output[str]
    image: pulumi.Output[str]
    image_digest: pulumi.Output[str]
    log_group: pulumi.Output[str]
    service_name: pulumi.Output[str]
    task_definition_arn: pulumi.Output[str]
    url: pulumi.Output[str]
    websocket_url: pulumi.Output[str]


Outputs = TypeVar("Outputs", NetworkOutputs, EcrOutputs, AlbOutputs, ClusterOutputs, ServiceOutputs)


def export(outputs: NetworkOutputs | EcrOutputs | AlbOutputs | ClusterOutputs | ServiceOutputs) -> None:
    """Make them the outputs of the running stack."""
    for output in fields(outputs):
        pulumi.export(output.name, getattr(outputs, output.name))


def read(kind: type[Outputs], environment: str) -> Outputs:
    """Another stack's outputs, in the given environment. Before it was ever deployed they are unknown in a preview, and
    anything else fails with what to do, before it changes something."""
    name = whole_name(kind.stack, environment)
    names = [output.name for output in fields(kind)]
    _refuse_missing(name, names)
    reference = pulumi.StackReference(name)
    return kind(**{output: _output(reference, output) for output in names})


def whole_name(stack: Stack, environment: str) -> str:
    """As a backend has it."""
    return f"{pulumi.get_organization()}/{stack.project}/{environment}"


def _refuse_missing(stack: str, names: list[str]) -> None:
    """Raises RunError unless all outputs are there, or this is a preview and the stack was never deployed. A reference
    alone would tell it only to resources that wait for it, when others are made already."""
    try:
        there = deployed(stack)
    except Exception:
        # Pulumi tells of the failed question itself, in place of what is raised here.
        pulumi.log.error(f"There is no stack {stack}, which this one reads: bring the environment up at the root.")
        raise
    missing = [name for name in names if name not in there]
    if missing and not pulumi.runtime.is_dry_run():
        raise pulumi.RunError(
            f"{stack} has no output {', '.join(missing)}. Bring the whole environment up (pulumi up at the root), "
            "or that stack first."
        )


def deployed(stack: str) -> dict[str, Any]:
    """The outputs that a stack had when it was last deployed, by the whole name of the stack."""
    answer = pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {"name": stack}).value
    return cast("dict[str, Any]", answer).get("outputs") or {}


def _output(reference: pulumi.StackReference, name: str) -> pulumi.Output[Any]:
    return reference.get_output(name).apply(lambda value: pulumi.UNKNOWN if value is None else value)


def tags(stack: Stack, name: str = "") -> dict[str, str]:
    """What this stack's resources carry besides `aws:defaultTags`."""
    return {"stack": stack.value, **({"Name": name} if name else {})}
