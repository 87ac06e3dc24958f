"""What ECS says of a deployment, asked directly: Pulumi is told neither why tasks stopped nor which image they run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

STOPPED_AT_MOST = 5


class Client(Protocol):
    """What is used of boto3's client for ECS."""

    def describe_services(self, **request: Any) -> Mapping[str, Any]: ...
    def list_tasks(self, **request: Any) -> Mapping[str, Any]: ...
    def describe_tasks(self, **request: Any) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Service:
    """One that runs: its names are those of ECS."""

    cluster: str
    name: str


def stopped_reasons(client: Client, service: Service) -> list[str]:
    """Why its latest tasks stopped, newest first, each reason once."""
    tasks = sorted(_tasks(client, service, "STOPPED"), key=lambda task: str(task.get("stoppedAt", "")), reverse=True)
    return list(dict.fromkeys(reason for task in tasks for reason in _reasons(task)))[:STOPPED_AT_MOST]


def problems(client: Client, service: Service, *, task_definition: str, digest: str) -> list[str]:
    """What is not as it was deployed; empty when every task runs the image and the deployment is over."""
    answer = client.describe_services(cluster=service.cluster, services=[service.name])
    found = answer["services"]
    if not found or found[0]["status"] != "ACTIVE":
        return [f"there is no service {service.name} in {service.cluster}"]
    wrong = [*_deployment_problems(found[0], task_definition)]
    tasks = _tasks(client, service, "RUNNING")
    if not tasks:
        wrong.append("no task runs")
    foreign = {image for task in tasks for image in _digests(task) if image != digest}
    wrong += [f"a task runs {image} and not {digest}" for image in sorted(foreign)]
    return wrong


def _deployment_problems(service: Mapping[str, Any], task_definition: str) -> Iterable[str]:
    primary = next((each for each in service["deployments"] if each["status"] == "PRIMARY"), None)
    if primary is None:
        yield "there is no deployment"
        return
    if primary["taskDefinition"] != task_definition:
        yield f"the deployment was rolled back: {primary['taskDefinition']} runs and not {task_definition}"
    state = primary.get("rolloutState", "COMPLETED")
    if state != "COMPLETED":
        yield f"the deployment is {state}: {primary.get('rolloutStateReason', 'no reason is given')}"


def _tasks(client: Client, service: Service, status: str) -> list[Mapping[str, Any]]:
    """The first hundred: as many as one answer describes."""
    arns = client.list_tasks(cluster=service.cluster, serviceName=service.name, desiredStatus=status)["taskArns"]
    return client.describe_tasks(cluster=service.cluster, tasks=arns)["tasks"] if arns else []


def _reasons(task: Mapping[str, Any]) -> Iterable[str]:
    if reason := task.get("stoppedReason"):
        yield str(reason)
    for container in task.get("containers", ()):
        if reason := container.get("reason"):
            yield f"{container['name']}: {reason}"
        if container.get("exitCode"):
            yield f"{container['name']}: exit code {container['exitCode']}"


def _digests(task: Mapping[str, Any]) -> Iterable[str]:
    return (str(container["imageDigest"]) for container in task["containers"] if "imageDigest" in container)
