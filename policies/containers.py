"""Images, and the tasks that run them."""

import json
import re
from collections.abc import Callable
from typing import Any

from policies.rule import Resource, Rule, inner, must_be, statements

REPOSITORY = "aws:ecr/repository:Repository"
REPOSITORY_POLICY = "aws:ecr/repositoryPolicy:RepositoryPolicy"
CLUSTER = "aws:ecs/cluster:Cluster"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
SERVICE = "aws:ecs/service:Service"
IMAGE = "docker-build:index:Image"
CACHE = "buildcache*"
_SECRET = re.compile(r"key|secret|password|token", re.IGNORECASE)
_NOT_SECRET = ("S3_KMS_KEY_ID",)


def _scans(resource: Resource) -> str | None:
    scanned = inner(resource.props, "imageScanningConfiguration").get("scanOnPush")
    return None if scanned else "images are not scanned when they are pushed"


def _immutable(resource: Resource) -> str | None:
    mutability = resource.props.get("imageTagMutability")
    moving = [each["filter"] for each in resource.props.get("imageTagMutabilityExclusionFilters") or ()]
    if mutability == "IMMUTABLE" or (mutability == "IMMUTABLE_WITH_EXCLUSION" and moving == [CACHE]):
        return None
    return f"tags may move: {mutability}, {moving}"


def _insights(resource: Resource) -> str | None:
    values = {each["name"]: each["value"] for each in resource.props.get("settings") or ()}
    return None if values.get("containerInsights") in ("enabled", "enhanced") else "its tasks are not measured"


def _shells_logged(resource: Resource) -> str | None:
    execution = inner(inner(resource.props, "configuration"), "executeCommandConfiguration")
    return None if execution.get("logging") in ("OVERRIDE", "DEFAULT") else "what is done in shells is not logged"


def _each(check: Callable[[dict[str, Any]], str | None]) -> Callable[[Resource], str | None]:
    def problem(resource: Resource) -> str | None:
        containers = json.loads(resource.props["containerDefinitions"])
        found = [f"{container['name']}: {wrong}" for container in containers if (wrong := check(container))]
        return "; ".join(found) or None

    return problem


def _read_only(container: dict[str, Any]) -> str | None:
    return None if container.get("readonlyRootFilesystem") is True else "its root can be written"


def _unprivileged(container: dict[str, Any]) -> str | None:
    added = inner(inner(container, "linuxParameters"), "capabilities").get("add")
    return "it is privileged" if container.get("privileged") or added else None


def _non_root(container: dict[str, Any]) -> str | None:
    user = str(container.get("user", "")).partition(":")[0]
    return "it is root, or may be" if user in ("", "0", "root") else None


def _by_digest(container: dict[str, Any]) -> str | None:
    return None if re.search(r"@sha256:[0-9a-f]{64}$", container["image"]) else "its image is not named by digest"


def _no_open_secrets(container: dict[str, Any]) -> str | None:
    names = [each["name"] for each in container.get("environment") or ()]
    secret = [name for name in names if _SECRET.search(name) and name not in _NOT_SECRET]
    return f"{', '.join(secret)} could be read in its definition" if secret else None


def _two_roles(resource: Resource) -> str | None:
    same = resource.props.get("executionRoleArn") == resource.props.get("taskRoleArn")
    return "what starts it and what it is have one role" if same else None


def _inside(resource: Resource) -> str | None:
    network = inner(resource.props, "networkConfiguration")
    return "its tasks have public addresses" if network.get("assignPublicIp") else None


def _rolls_back(resource: Resource) -> str | None:
    breaker = inner(resource.props, "deploymentCircuitBreaker")
    return None if breaker.get("enable") and breaker.get("rollback") else "a bad deployment is not taken back"


def _named_readers(resource: Resource) -> str | None:
    principals = [each["Principal"] for each in statements(resource.props["policy"]) if each["Effect"] == "Allow"]
    return "everybody may have them" if any("*" in json.dumps(each) for each in principals) else None


def _no_moving_tag(resource: Resource) -> str | None:
    tags = [tag.rpartition(":")[2] for tag in resource.props.get("tags") or ()]
    wrong = [tag for tag in tags if not re.fullmatch(r"build-[0-9a-f]{16}", tag)]
    return f"{', '.join(wrong) or 'no tag'} does not follow from what it is built from" if wrong or not tags else None


RULES = (
    Rule("CKV_AWS_163", "Images are scanned when they are pushed", (REPOSITORY,), _scans),
    Rule("CKV_AWS_32", "Nobody but accounts that are named gets images", (REPOSITORY_POLICY,), _named_readers),
    Rule("CKV_AWS_51", "No tag moves but the build cache's", (REPOSITORY,), _immutable),
    Rule("TRANSCRIBER_TAG", "An image's tag follows from its inputs", (IMAGE,), _no_moving_tag),
    Rule("CKV_AWS_65", "Tasks are measured", (CLUSTER,), _insights),
    Rule("CKV_AWS_223", "What is done in shells is logged", (CLUSTER,), _shells_logged),
    Rule("CKV_AWS_336", "A container's root can't be written", (TASK,), _each(_read_only)),
    Rule("CKV_AWS_334", "No container is privileged", (TASK,), _each(_unprivileged)),
    Rule("TRANSCRIBER_NON_ROOT", "No container is root", (TASK,), _each(_non_root)),
    Rule("TRANSCRIBER_DIGEST", "Images are named by digest", (TASK,), _each(_by_digest)),
    Rule("CKV_SECRET_6", "Secrets are not in the environment", (TASK,), _each(_no_open_secrets)),
    Rule("CKV_AWS_249", "Starting a task and being one are two roles", (TASK,), _two_roles),
    Rule("CKV_AWS_333", "Tasks have no public addresses", (SERVICE,), _inside),
    Rule("CKV_AWS_332", "The newest platform is taken", (SERVICE,), must_be("platformVersion", None, "LATEST")),
    Rule("TRANSCRIBER_ROLLBACK", "A bad deployment is taken back", (SERVICE,), _rolls_back),
)
