"""What the stand-in's ECS says, over HTTP, is what the check after an `up` asks: in a rehearsal and in tests."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from stacks.environment import ecs
from tests.stacks.cloud import Cloud, environment
from tests.stacks.ecs_api import ecs_api
from tests.stacks.standin.services import tasks

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
    with cloud.work.ledger.open() as account:
        names = [
            str(found["name"])
            for kind in ("cluster", "service")
            for found in account.of(f"aws:ecs/{kind}:{kind.title()}")
        ]
        names = names if len(names) == 2 else [*names, "service"]

    def answer(operation: str, request: dict[str, Any]) -> Mapping[str, Any]:
        with cloud.work.ledger.open() as account:
            return tasks.answer(account, operation, request)

    with ecs_api(answer) as (address, _):
        service = ecs.Service(*names)
        return ecs.problems(client(address), service, task_definition=definition, digest=digest)


def test_what_was_deployed_runs(cloud: Cloud) -> None:
    made = environment(cloud, image=f"example.org/app@{DIGEST}")
    assert "there is no service" in problems(cloud, made.definition.arn, DIGEST)[0]
    cloud.make("ecs/service:Service", "app", **made.service)
    assert problems(cloud, made.definition.arn, DIGEST) == []
    assert problems(cloud, made.definition.arn, "sha256:0") == [f"a task runs {DIGEST} and not sha256:0"]
    assert "was rolled back" in problems(cloud, "another", DIGEST)[0]
