"""What ECS does once a service was made or changed: whether its tasks would start, and what becomes of the deployment.

Nothing here is refused by the API: tasks stop with a reason, the circuit breaker rolls back or gives up.
"""

import re
import secrets
import time
from collections.abc import Iterator
from typing import Any

from ..account import Account, Resource
from ..images import Image, Registry
from ..kinds import Call
from ..policies import allows, parse, trusts
from ..refusal import StillFailing
from . import elb, identity, paths, task_definitions, telemetry
from .paths import Peer

LAYERS = "arn:aws:s3:::prod-{region}-starport-layer-bucket/layer"
"""Where ECR keeps what tasks pull."""
NEEDED = ("ecr.api", "ecr.dkr", "logs", "ssm")
"""Services of AWS without which no task starts."""
OF_EXEC = ("/managed-agents", "/var/lib/amazon/ssm", "/var/log/amazon/ssm")
"""Where the agent of ECS Exec writes, as root."""


def roll_out(call: Call) -> None:
    """Adds to the service's deployments when its task definition or its triggers changed."""
    service = call.before
    assert service is not None
    history = call.account.deployments.setdefault(service.arn, [])
    wanted = task_definitions.find(call.account, service.inputs["taskDefinition"])
    assert wanted is not None
    triggers = service.inputs.get("triggers") or {}
    if history and (history[-1]["asked"], history[-1]["triggers"]) == (wanted.arn, triggers):
        return
    reasons = list(stopped_reasons(call.account, service, wanted, call.registry))
    identity_ = f"{service.arn.replace(':service/', ':service-deployment/')}/{secrets.token_urlsafe(16)[:21]}"
    deployment: dict[str, Any] = {
        "arn": identity_,
        "asked": wanted.arn,
        "running": wanted.arn,
        "triggers": triggers,
        "status": "SUCCESSFUL",
        "reasons": reasons,
        "created": time.time(),
    }
    history.append(deployment)
    if reasons:
        _fail(service, deployment, [item for item in history[:-1] if item["running"]])
    service.outputs["taskDefinition"] = deployment["running"] or wanted.arn
    if deployment["status"] == "FAILED" and service.inputs.get("waitForSteadyState"):
        raise StillFailing("timeout while waiting for state to become 'tfSTABLE' (last state: 'tfPENDING')")


def _fail(service: Resource, deployment: dict[str, Any], earlier: list[dict[str, Any]]) -> None:
    """A rollback ends the deployment in a steady state, which looks like success to whoever waits for one."""
    breaker = service.inputs.get("deploymentCircuitBreaker") or {}
    if breaker.get("enable") and breaker.get("rollback") and earlier:
        deployment |= {"status": "ROLLBACK_SUCCESSFUL", "running": earlier[-1]["running"]}
    else:
        deployment |= {"status": "FAILED", "running": earlier[-1]["running"] if earlier else None}


def stopped_reasons(
    account: Account, service: Resource, definition: Resource, registry: Registry | None
) -> Iterator[str]:
    """Why its tasks would not stay, as ECS words it."""
    if service.inputs.get("desiredCount") == 0:
        return
    yield from _roles(account, definition)
    yield from _pulling(account, service, definition)
    for container in task_definitions.containers_of(definition):
        yield from _starting(account, definition, container)
        yield from _image(account, definition, container, registry)
    yield from _traffic(account, service)


def _role(account: Account, arn: str | None) -> Resource | None:
    return account.find(identity.ROLE, arn or "")


def _roles(account: Account, definition: Resource) -> Iterator[str]:
    context = {"aws:SourceAccount": account.number, "aws:SourceArn": account.arn("ecs", "task/cluster/0123")}
    for name in ("executionRoleArn", "taskRoleArn"):
        arn = definition[name]
        role = _role(account, arn)
        if arn and (role is None or not trusts(parse(role["assumeRolePolicy"]), "ecs-tasks.amazonaws.com", context)):
            yield f"ECS was unable to assume the role '{arn}' that was provided for this task."


def _execution_may(account: Account, definition: Resource, action: str, resource: str) -> bool:
    role = _role(account, definition["executionRoleArn"])
    if role is None or not allows(identity.policies_of(account, role), action, resource):
        return False
    bounds = identity.bounds_of(account, role)
    return bounds is None or allows([bounds], action, resource)


def _starting(account: Account, definition: Resource, container: dict[str, Any]) -> Iterator[str]:
    """Before the container starts: its secrets, its log stream."""
    failed = "ResourceInitializationError: "
    for secret in container.get("secrets") or []:
        arn = secret["valueFrom"]
        name = arn.split(":parameter", 1)[-1] if ":parameter" in arn else arn
        parameter = account.made_outside("parameters", name)
        if not parameter:
            yield f"{failed}unable to pull secrets or registry auth: invalid parameters: {name}"
            continue
        if not _execution_may(account, definition, "ssm:GetParameters", account.arn("ssm", f"parameter{name}")):
            yield f"{failed}unable to pull secrets or registry auth: AccessDeniedException: ssm:GetParameters on {name}"
        if (key := parameter.get("key")) and not _execution_may(account, definition, "kms:Decrypt", key):
            yield f"{failed}unable to pull secrets or registry auth: AccessDeniedException: kms:Decrypt on {key}"
    options = (container.get("logConfiguration") or {}).get("options") or {}
    if group := options.get("awslogs-group"):
        if not telemetry.log_group_of(account, group):
            yield f"{failed}failed to validate logger args: The specified log group does not exist: {group}"
        stream = account.arn("logs", f"log-group:{group}:log-stream:{options['awslogs-stream-prefix']}/app/0")
        for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
            if not _execution_may(account, definition, action, stream):
                yield f"{failed}failed to create Cloudwatch log stream: AccessDeniedException: {action} on {group}"


def _pulling(account: Account, service: Resource, definition: Resource) -> Iterator[str]:
    """The way to ECR, Parameter Store and the logs is 443; layers come from S3."""
    configuration = service.inputs["networkConfiguration"]
    groups, public = configuration.get("securityGroups") or [], bool(configuration.get("assignPublicIp"))
    for subnet in configuration["subnets"]:
        out = paths.reaches_internet(account, subnet, public_ip=public)
        for name in NEEDED:
            if paths.reaches_endpoint(account, subnet, groups, name):
                continue
            if not out:
                yield f"CannotPullContainerError: i/o timeout: no way from {subnet} to {name}"
            elif not paths.admits(account, groups, "egress", 443, paths.INTERNET):
                yield f"CannotPullContainerError: i/o timeout: no security group of the task lets it out to {name}"
        layer = LAYERS.format(region=account.region)
        if not paths.reaches_s3(account, subnet, "s3:GetObject", layer, public_ip=public):
            yield f"CannotPullContainerError: the S3 endpoint of {subnet} does not let layers through"
    yield from _pull_permissions(account, definition)


def _pull_permissions(account: Account, definition: Resource) -> Iterator[str]:
    for container in task_definitions.containers_of(definition):
        found = re.fullmatch(r"[^/]+/(.+?)(?:@.*|:[^/]*)?", container["image"])
        name = found.group(1) if found else ""
        if account.find("aws:ecr/repository:Repository", name) is None:
            continue
        arn = account.arn("ecr", f"repository/{name}")
        wanted = {"ecr:GetAuthorizationToken": "*", "ecr:BatchGetImage": arn, "ecr:GetDownloadUrlForLayer": arn}
        for action, resource in wanted.items():
            if not _execution_may(account, definition, action, resource):
                yield f"CannotPullContainerError: AccessDeniedException: {action} on {resource}"


def _image(
    account: Account, definition: Resource, container: dict[str, Any], registry: Registry | None
) -> Iterator[str]:
    host, _, path = container["image"].partition("/")
    if registry is None or host != registry.host:
        return
    repository, _, reference = path.partition("@") if "@" in path else path.rpartition(":")
    if account.find("aws:ecr/repository:Repository", repository) is None:
        yield f"CannotPullContainerError: {repository}: not found"
        return
    image = registry.image(repository, reference)
    if image is None:
        yield f"CannotPullContainerError: {container['image']}: not found"
        return
    yield from _platform(definition, image)
    yield from _inside(registry, repository, image, container)


def _platform(definition: Resource, image: Image) -> Iterator[str]:
    wanted = (definition["runtimePlatform"] or {}).get("cpuArchitecture", "X86_64")
    if {"X86_64": "amd64", "ARM64": "arm64"}[wanted] != image.architecture:
        yield (
            "CannotPullContainerError: image Manifest does not contain descriptor matching platform "
            f"'{wanted}', but {image.architecture}"
        )


def _inside(registry: Registry, repository: str, image: Image, container: dict[str, Any]) -> Iterator[str]:
    """A volume is root's own, unless the image says VOLUME at that very path; a probe needs its program."""
    user = str(container.get("user") or image.config.get("User") or "root").split(":")[0]
    volumes = image.config.get("Volumes") or {}
    for mount in container.get("mountPoints") or []:
        if mount["containerPath"] in OF_EXEC:
            continue
        if user not in ("root", "0") and not mount.get("readOnly") and mount["containerPath"] not in volumes:
            yield (
                f"Essential container in task exited: permission denied in {mount['containerPath']}, "
                "no VOLUME of the image"
            )
    command = (container.get("healthCheck") or {"command": ["NONE"]})["command"]
    program = {"CMD": command[1:2], "CMD-SHELL": ["sh"]}.get(command[0], [])
    if program and not _finds(registry, repository, image, program[0]):
        yield f"Task failed container health checks: exec: {program[0]}: executable file not found in $PATH"


def _finds(registry: Registry, repository: str, image: Image, program: str) -> bool:
    if program.startswith("/"):
        return registry.has_file(repository, image, program)
    variables = dict(item.split("=", 1) for item in image.config.get("Env") or [])
    folders = variables.get("PATH", "/usr/local/bin:/usr/bin:/bin").split(":")
    merged = [f"/usr{folder}" for folder in folders if folder in ("/bin", "/sbin")]
    return any(registry.has_file(repository, image, f"{folder}/{program}") for folder in (*folders, *merged))


def _traffic(account: Account, service: Resource) -> Iterator[str]:
    """From the internet to the balancer, and from there to the task, on the port of traffic and that of the check."""
    configuration = service.inputs["networkConfiguration"]
    groups, subnets = configuration.get("securityGroups") or [], configuration["subnets"]
    tasks = Peer(paths.networks_of(account, subnets), frozenset(groups))
    for item in service.inputs.get("loadBalancers") or []:
        group = account.find(elb.TARGET_GROUP, item["targetGroupArn"])
        assert group is not None
        probed = str((group["healthCheck"] or {}).get("port", "traffic-port"))
        ports = {item["containerPort"], int(probed) if probed.isdigit() else item["containerPort"]}
        for balancer in elb.balancers_of(account, group.arn):
            yield from _to_balancer(account, balancer)
            source = Peer(
                paths.networks_of(account, balancer["subnets"] or []), frozenset(balancer["securityGroups"] or [])
            )
            for port in sorted(ports):
                if not paths.admits(account, balancer["securityGroups"] or [], "egress", port, tasks):
                    yield (
                        f"Task failed ELB health checks in (target-group {group.arn}): the load "
                        f"balancer's group lets nothing out to {port}"
                    )
                if not paths.admits(account, groups, "ingress", port, source):
                    yield (
                        f"Task failed ELB health checks in (target-group {group.arn}): the task's "
                        f"group lets nothing in on {port}"
                    )


def _to_balancer(account: Account, balancer: Resource) -> Iterator[str]:
    """AWS would deploy all the same, and no client ever get through."""
    if balancer["internal"]:
        return
    for subnet in balancer["subnets"] or []:
        if not paths.is_public(account, subnet):
            yield f"No client reaches {balancer.arn}: {subnet} has no route to an internet gateway"
    for listener in account.of(elb.LISTENER):
        closed = not paths.admits(
            account, balancer["securityGroups"] or [], "ingress", listener["port"], paths.INTERNET
        )
        if listener["loadBalancerArn"] == balancer.arn and closed:
            yield f"No client reaches {balancer.arn}: its security groups let nothing in on {listener['port']}"
