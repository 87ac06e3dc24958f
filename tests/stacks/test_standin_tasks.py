"""What ECS tells of services and tasks, asked as the check after a deployment asks it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .cloud import Cloud, Environment, allow, environment
from .standin.account import Resource
from .standin.refusal import Refused, StillFailing
from .standin.services import tasks

DIGEST = "sha256:" + "0" * 64
IMAGE = f"example.org/app@{DIGEST}"
SERVICE = "ecs/service:Service"


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud.at(tmp_path)


@pytest.fixture
def env(cloud: Cloud) -> Environment:
    return environment(cloud, image=IMAGE)


def _ask(cloud: Cloud, operation: str, **request: Any) -> dict[str, Any]:
    with cloud.work.ledger.open() as account:
        (cluster,) = account.of("aws:ecs/cluster:Cluster")
        return tasks.answer(account, operation, {"cluster": cluster["name"], **request})


def _deployment(cloud: Cloud, service: Resource) -> dict[str, Any]:
    (told,) = _ask(cloud, "DescribeServices", services=[service["name"]])["services"]
    (deployment,) = told["deployments"]
    return deployment | {"desired": told["desiredCount"], "running": told["runningCount"]}


def _tasks(cloud: Cloud, service: Resource, status: str) -> list[dict[str, Any]]:
    arns = _ask(cloud, "ListTasks", serviceName=service["name"], desiredStatus=status)["taskArns"]
    return _ask(cloud, "DescribeTasks", tasks=arns)["tasks"] if arns else []


def _spoil(cloud: Cloud) -> None:
    """From now on a task can't write its log."""
    with cloud.work.ledger.open() as account:
        for policy in account.of("aws:iam/rolePolicy:RolePolicy"):
            policy.inputs["policy"] = allow("ecr:*", "ssm:*")


def test_a_service_that_is_well(cloud: Cloud, env: Environment) -> None:
    service = cloud.make(SERVICE, "app", **env.service | {"desiredCount": 2})
    told = _deployment(cloud, service)
    assert (told["rolloutState"], told["taskDefinition"]) == ("COMPLETED", env.definition.arn)
    assert (told["desired"], told["running"]) == (2, 2)
    running = _tasks(cloud, service, "RUNNING")
    assert [container["imageDigest"] for task in running for container in task["containers"]] == [DIGEST, DIGEST]
    assert len({task["taskArn"] for task in running}) == 2
    assert _tasks(cloud, service, "STOPPED") == []


def test_a_first_deployment_that_fails(cloud: Cloud, env: Environment) -> None:
    _spoil(cloud)
    with pytest.raises(StillFailing):
        cloud.make(SERVICE, "app", **env.service)
    with cloud.work.ledger.open() as account:
        (service,) = account.of(f"aws:{SERVICE}")
    told = _deployment(cloud, service)
    assert (told["rolloutState"], told["running"]) == ("FAILED", 0)
    assert _tasks(cloud, service, "RUNNING") == []
    stopped = [task["stoppedReason"] for task in _tasks(cloud, service, "STOPPED")]
    assert any("logs:PutLogEvents" in reason for reason in stopped)


def test_a_deployment_that_was_taken_back(cloud: Cloud, env: Environment) -> None:
    service = cloud.make(SERVICE, "app", **env.service)
    _spoil(cloud)
    newer = cloud.make("ecs/taskDefinition:TaskDefinition", **env.definition.inputs)
    service = cloud.change(service, taskDefinition=newer.arn)
    first = env.definition.arn
    told = _deployment(cloud, service)
    assert (told["rolloutState"], told["taskDefinition"]) == ("COMPLETED", first)
    assert {task["taskDefinitionArn"] for task in _tasks(cloud, service, "RUNNING")} == {first}
    assert {task["taskDefinitionArn"] for task in _tasks(cloud, service, "STOPPED")} == {newer.arn}


def test_what_is_not_there_is_told_apart(cloud: Cloud, env: Environment) -> None:
    assert _ask(cloud, "DescribeServices", services=["gone"]) == {
        "services": [],
        "failures": [{"arn": "gone", "reason": "MISSING"}],
    }
    assert _ask(cloud, "DescribeTasks", tasks=["gone"])["failures"] == [{"arn": "gone", "reason": "MISSING"}]


@pytest.mark.parametrize(
    ("code", "ask"),
    [
        ("ClusterNotFoundException", lambda c: _ask(c, "DescribeServices", cluster="other", services=[])),
        ("ServiceNotFoundException", lambda c: _ask(c, "ListTasks", serviceName="gone")),
        ("AccessDeniedException", lambda c: _ask(c, "StopTask", task="any")),
    ],
)
def test_what_ecs_refuses(cloud: Cloud, env: Environment, code: str, ask: Callable[[Cloud], object]) -> None:
    with pytest.raises(Refused) as refused:
        ask(cloud)
    assert refused.value.code == code


def test_what_does_not_come_is_waited_for_as_long_as_the_program_says(cloud: Cloud, env: Environment) -> None:
    _spoil(cloud)
    for timeout, waited in ((280, 280), (0, 1200)):
        inputs, _ = cloud.work.check(f"aws:{SERVICE}", "app", env.service | {"name": f"app-{timeout}"}, {}, b"")
        _, failure = cloud.work.create(f"aws:{SERVICE}", f"urn:{timeout}", inputs, timeout=timeout)
        assert f"(waited {waited} s)" in str(failure)
    given_up = [event["seconds"] for event in cloud.work.ledger.events() if event["verb"] == "give up"]
    assert given_up == [280, 1200]
