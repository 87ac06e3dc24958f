"""What ECS says in a rehearsal, which is what the check after an `up` asks."""

import json
from pathlib import Path

import boto3
import pytest

from stacks.environment import ecs
from tests.stacks.cloud import Cloud, environment
from tests.stacks.ecs_api import ecs_api
from tests.stacks.rehearsal import Running

DIGEST = "sha256:" + "5" * 64


def client(address: str) -> ecs.Client:
    return boto3.client(
        "ecs",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="rehearsal",
        aws_secret_access_key="rehearsal",
    )


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud.at(tmp_path)


def problems(cloud: Cloud, definition: str, digest: str) -> list[str]:
    with ecs_api(Running(cloud.work.ledger)) as (address, _):
        service = ecs.Service("cluster", "service")
        return ecs.problems(client(address), service, task_definition=definition, digest=digest)


def test_nothing_runs_before_it_is_brought_up(cloud: Cloud) -> None:
    assert problems(cloud, "any", DIGEST) == ["there is no service service in cluster"]


def test_what_was_deployed_runs(cloud: Cloud) -> None:
    made = environment(cloud, image=f"example.org/app@{DIGEST}")
    cloud.make("ecs/service:Service", "app", **made.service)
    assert problems(cloud, made.definition.arn, DIGEST) == []
    assert problems(cloud, made.definition.arn, "sha256:0") == [f"a task runs {DIGEST} and not sha256:0"]
    assert "was rolled back" in problems(cloud, "another", DIGEST)[0]


def test_other_questions_are_denied(cloud: Cloud) -> None:
    answers = Running(cloud.work.ledger)
    assert "DeleteService" not in list(answers)
    assert len(answers) == 3
    assert json.loads(json.dumps(dict(answers))) == dict(answers)
