"""ECS task definitions, as Fargate takes them."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from ..account import Account, Resource
from ..kinds import Call, Kind, Made, Named, crud, within
from ..refusal import Refused
from ..wire import Inputs, is_known

TASK_DEFINITION = "aws:ecs/taskDefinition:TaskDefinition"

_WRONG = "ClientException"
_MEMORY: dict[int, tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4097, 1024)),
    1024: tuple(range(2048, 8193, 1024)),
    2048: tuple(range(4096, 16385, 1024)),
    4096: tuple(range(8192, 30721, 1024)),
    8192: tuple(range(16384, 61441, 4096)),
    16384: tuple(range(32768, 122881, 8192)),
}
_NOT_ON_FARGATE = (
    "links", "hostname", "dnsServers", "dnsSearchDomains", "extraHosts", "dockerSecurityOptions", "disableNetworking",
    "privileged",
)  # fmt: skip
_NOT_IN_LINUX_PARAMETERS = ("devices", "sharedMemorySize", "tmpfs", "maxSwap", "swappiness")
_LOG_DRIVERS = ("awslogs", "splunk", "awsfirelens")
_CONTAINER_RANGES = (
    within("stopTimeout", 2, 120, _WRONG),
    within("healthCheck.interval", 5, 300, _WRONG),
    within("healthCheck.timeout", 2, 60, _WRONG),
    within("healthCheck.retries", 1, 10, _WRONG),
    within("healthCheck.startPeriod", 0, 300, _WRONG),
)
_SECRET = re.compile(r"arn:aws:(?:ssm:[\w-]+:\d{12}:parameter/|secretsmanager:[\w-]+:\d{12}:secret:)\S+")


def containers_of(task_definition: Resource) -> list[dict[str, Any]]:
    return list(json.loads(task_definition["containerDefinitions"]))


@cache
def _shape() -> Any:
    import botocore.session

    return botocore.session.get_session().get_service_model("ecs").shape_for("ContainerDefinitions")


def _containers(inputs: Inputs) -> list[dict[str, Any]]:
    """Parsed, and of the form that the API's own model describes."""
    from botocore.validate import ParamValidator

    try:
        containers = json.loads(inputs["containerDefinitions"])
    except ValueError as error:
        raise Refused(_WRONG, "ECS Task Definition container_definitions is invalid: Error decoding JSON") from error
    report = ParamValidator().validate(containers, _shape())
    if report.has_errors():
        raise Refused(_WRONG, report.generate_report())
    if not containers:
        raise Refused(_WRONG, "Container list cannot be empty.")
    return list(containers)


def _check(inputs: Inputs) -> None:
    if not is_known(inputs):
        return
    containers = _containers(inputs)
    names = [container.get("name") for container in containers]
    if None in names or len(set(names)) < len(names):
        raise Refused(_WRONG, "Container.name should not be null or empty, and is unique in a task definition.")
    if not any(container.get("essential", True) for container in containers):
        raise Refused(_WRONG, "A task definition must have at least one essential container.")
    for container in containers:
        _container(inputs, container)
    if "FARGATE" in (inputs.get("requiresCompatibilities") or []):
        _fargate(inputs, containers)


def _container(inputs: Inputs, container: dict[str, Any]) -> None:
    name = container["name"]
    if not re.fullmatch(r"[\w-]{1,255}", name):
        raise Refused(_WRONG, f"Invalid container name {name!r}")
    if not container.get("image"):
        raise Refused(_WRONG, "Container.image should not be null or empty.")
    volumes = {volume["name"] for volume in inputs.get("volumes") or []}
    for mount in container.get("mountPoints") or []:
        if mount.get("sourceVolume") not in volumes:
            raise Refused(_WRONG, f"Unknown volume '{mount.get('sourceVolume')}'.")
    command = (container.get("healthCheck") or {"command": ["NONE"]})["command"]
    if not command or command[0] not in ("CMD", "CMD-SHELL", "NONE"):
        raise Refused(_WRONG, "Health check command must begin with CMD or CMD-SHELL")
    for check in _CONTAINER_RANGES:
        check(container)
    _environment(container)


def _environment(container: dict[str, Any]) -> None:
    variables = [item["name"] for item in container.get("environment") or []]
    secrets = [item["name"] for item in container.get("secrets") or []]
    for name in secrets:
        if name in variables or secrets.count(name) > 1:
            message = (
                "The secret name must be unique and not shared with any new or existing environment "
                f"variables set on the container, such as '{name}'."
            )
            raise Refused(_WRONG, message)
    for item in container.get("secrets") or []:
        if not _SECRET.fullmatch(item["valueFrom"]) and not re.fullmatch(r"[\w./-]+", item["valueFrom"]):
            raise Refused(_WRONG, f"Invalid 'valueFrom' of secret {item['name']}")


def _fargate(inputs: Inputs, containers: list[dict[str, Any]]) -> None:
    if inputs.get("networkMode") != "awsvpc":
        raise Refused(_WRONG, "Fargate only supports network mode ‘awsvpc’.")
    cpu, memory = int(inputs.get("cpu") or 0), int(inputs.get("memory") or 0)
    if memory not in _MEMORY.get(cpu, ()):
        raise Refused(_WRONG, f"No Fargate configuration exists for given values: {cpu} CPU, {memory} memory.")
    if sum(container.get("memory", 0) for container in containers) > memory:
        raise Refused(_WRONG, "The memory of the containers is more than the task's.")
    for problem in _forbidden(inputs, containers):
        raise Refused(_WRONG, f"{problem} is not supported on Fargate.")
    if not inputs.get("executionRoleArn"):
        for container in containers:
            if container.get("secrets") or container.get("logConfiguration") or "amazonaws.com" in container["image"]:
                raise Refused(
                    _WRONG,
                    (
                        "Fargate requires task definition to have execution role ARN to support log "
                        "driver awslogs, secrets and ECR images."
                    ),
                )
    storage = (inputs.get("ephemeralStorage") or {}).get("sizeInGib")
    if storage is not None and not 21 <= storage <= 200:
        raise Refused(_WRONG, "Ephemeral storage must be between 21 and 200 GiB.")


def _forbidden(inputs: Inputs, containers: list[dict[str, Any]]) -> Iterator[str]:
    if inputs.get("placementConstraints"):
        yield "placementConstraints"
    for volume in inputs.get("volumes") or []:
        if volume.get("hostPath") or volume.get("dockerVolumeConfiguration"):
            yield f"host or docker volume '{volume['name']}'"
    for container in containers:
        yield from (name for name in _NOT_ON_FARGATE if container.get(name))
        parameters = container.get("linuxParameters") or {}
        yield from (name for name in _NOT_IN_LINUX_PARAMETERS if parameters.get(name) is not None)
        added = set((parameters.get("capabilities") or {}).get("add") or [])
        yield from (f"capability {name}" for name in sorted(added - {"SYS_PTRACE"}))
        yield from (f"ulimit {limit['name']}" for limit in container.get("ulimits") or [] if limit["name"] != "nofile")
        for mapping in container.get("portMappings") or []:
            if mapping.get("hostPort", mapping["containerPort"]) != mapping["containerPort"]:
                yield "a hostPort other than the containerPort"
        yield from _logging(container.get("logConfiguration") or {"logDriver": "awsfirelens"})


def _logging(logs: dict[str, Any]) -> Iterator[str]:
    if logs["logDriver"] not in _LOG_DRIVERS:
        yield f"log driver {logs['logDriver']}"
    options = logs.get("options") or {}
    wanted = ("awslogs-group", "awslogs-region", "awslogs-stream-prefix")
    if logs["logDriver"] == "awslogs":
        yield from (f"the log driver awslogs without option {name}" for name in wanted if not options.get(name))


def _platform(inputs: Inputs) -> None:
    platform = inputs.get("runtimePlatform") or {}
    if platform.get("cpuArchitecture", "X86_64") not in ("X86_64", "ARM64"):
        raise Refused(_WRONG, f"cpuArchitecture {platform['cpuArchitecture']} is neither X86_64 nor ARM64")


def _make(call: Call) -> Made:
    family = call.inputs["family"]
    revision = call.account.revisions.get(family, 0) + 1
    call.account.revisions[family] = revision
    bare = call.account.arn("ecs", f"task-definition/{family}")
    arns = {"arn": f"{bare}:{revision}", "arnWithoutRevision": bare}
    return Made(family, {**arns, "revision": revision, "status": "ACTIVE"})


def find(account: Account, name: str) -> Resource | None:
    """By ARN, `family:revision`, or family: the newest."""
    for definition in reversed(account.of(TASK_DEFINITION)):
        if name in (definition.arn, definition.arn.rsplit("/", 1)[-1], definition.id):
            return definition
    return None


KINDS = (
    Kind(
        TASK_DEFINITION,
        _make,
        crud(
            "ecs",
            "RegisterTaskDefinition",
            read="DescribeTaskDefinition",
            update="TagResource",
            delete="DeregisterTaskDefinition",
        ),
        frozenset(
            {
                "containerDefinitions",
                "cpu",
                "ephemeralStorage",
                "executionRoleArn",
                "family",
                "memory",
                "networkMode",
                "requiresCompatibilities",
                "runtimePlatform",
                "taskRoleArn",
                "volumes",
                "pidMode",
                "ipcMode",
            }
        ),
        named=Named("family", 255, r"[\w-]+", _WRONG, automatic=False),
        checks=(_check, _platform),
    ),
)
