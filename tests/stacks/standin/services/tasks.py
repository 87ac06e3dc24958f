"""What ECS's own API says of services and their tasks, to those who ask it and not Pulumi.

The tasks are those of the deployments: of one that goes well as many as are wanted, of one that fails one for each
reason.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from ..account import Account, Resource
from ..refusal import Refused
from . import ecs, task_definitions

Answer = dict[str, Any]
_ROLLOUTS = {"SUCCESSFUL": "COMPLETED", "ROLLBACK_SUCCESSFUL": "COMPLETED", "FAILED": "FAILED"}


def answer(account: Account, operation: str, request: Mapping[str, Any]) -> Answer:
    """By the names of ECS's API.

    Raises:
        Refused: as ECS refuses it.
    """
    if operation not in _OPERATIONS:
        raise Refused("AccessDeniedException", f"not authorized to perform: ecs:{operation}")
    _cluster(account, request)
    return _OPERATIONS[operation](account, request)


def _cluster(account: Account, request: Mapping[str, Any]) -> Resource:
    for cluster in account.of(ecs.CLUSTER):
        if request.get("cluster", "default") in (cluster.arn, cluster["name"]):
            return cluster
    raise Refused("ClusterNotFoundException", "Cluster not found.")


def _service(account: Account, request: Mapping[str, Any], name: str) -> Resource | None:
    cluster = _cluster(account, request)
    for service in account.of(ecs.SERVICE):
        if name in (service.arn, service["name"]) and service["cluster"] in (cluster.arn, cluster["name"]):
            return service
    return None


def _describe_services(account: Account, request: Mapping[str, Any]) -> Answer:
    found = {name: _service(account, request, name) for name in request["services"]}
    return {
        "services": [_described(account, service) for service in found.values() if service],
        "failures": [{"arn": name, "reason": "MISSING"} for name, service in found.items() if service is None],
    }


def _described(account: Account, service: Resource) -> Answer:
    """What is rolled back is told as the deployment that it went back to."""
    last = account.deployments[service.arn][-1]
    running = len(_of_service(account, service, "RUNNING"))
    deployment = {
        "id": last["arn"].rpartition("/")[2],
        "status": "PRIMARY",
        "taskDefinition": last["running"] or last["asked"],
        "rolloutState": _ROLLOUTS[last["status"]],
        "rolloutStateReason": f"ECS deployment {last['status']}",
        "runningCount": running,
    }
    return {
        "serviceArn": service.arn,
        "serviceName": service["name"],
        "status": "ACTIVE",
        "desiredCount": service["desiredCount"],
        "runningCount": running,
        "deployments": [deployment],
    }


def _list_tasks(account: Account, request: Mapping[str, Any]) -> Answer:
    service = _service(account, request, request["serviceName"])
    if service is None:
        raise Refused("ServiceNotFoundException", "Service not found.")
    tasks = _of_service(account, service, request.get("desiredStatus", "RUNNING"))
    return {"taskArns": [task["taskArn"] for task in tasks]}


def _describe_tasks(account: Account, request: Mapping[str, Any]) -> Answer:
    known = {
        task["taskArn"]: task
        for service in account.of(ecs.SERVICE)
        for status in ("RUNNING", "STOPPED")
        for task in _of_service(account, service, status)
    }
    arns = request["tasks"]
    missing = [{"arn": arn, "reason": "MISSING"} for arn in arns if arn not in known]
    return {"tasks": [known[arn] for arn in arns if arn in known], "failures": missing}


def _of_service(account: Account, service: Resource, status: str) -> list[Answer]:
    history = account.deployments[service.arn]
    if status == "STOPPED":
        return [
            _task(account, service, deployment["asked"], f"{status} {deployment['arn']} {number}")
            | {
                "desiredStatus": status,
                "lastStatus": status,
                "stoppedReason": reason,
                "stoppedAt": deployment["created"],
            }
            for deployment in history
            for number, reason in enumerate(deployment["reasons"])
        ]
    running = history[-1]["running"]
    numbers = range(int(service["desiredCount"] or 0)) if running else ()
    return [
        _task(account, service, running, f"{status} {history[-1]['arn']} {number}")
        | {"desiredStatus": status, "lastStatus": status}
        for number in numbers
    ]


def _task(account: Account, service: Resource, definition: str, seed: str) -> Answer:
    cluster = service.arn.split("/")[1]
    identity = hashlib.sha256(seed.encode()).hexdigest()[:32]
    made = task_definitions.find(account, definition)
    containers = task_definitions.containers_of(made) if made else []
    return {
        "taskArn": account.arn("ecs", f"task/{cluster}/{identity}"),
        "taskDefinitionArn": definition,
        "group": f"service:{service['name']}",
        "containers": [
            {"name": item["name"], "image": item["image"], "imageDigest": item["image"].partition("@")[2]}
            for item in containers
        ],
    }


_OPERATIONS: dict[str, Callable[[Account, Mapping[str, Any]], Answer]] = {
    "DescribeServices": _describe_services,
    "ListTasks": _list_tasks,
    "DescribeTasks": _describe_tasks,
}
