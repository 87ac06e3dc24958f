"""What is wrong is told before anything is changed, and how to mend it."""

import json
from pathlib import Path

import pytest

from .builder import Builder
from .deployed import Deployed
from .engine import Ran

pytestmark = pytest.mark.timeout(600)


def _refused(deployed: Deployed, name: str, *words: str, environment: str = "dev", **more: str) -> Ran:
    """`up` fails, says these words, and neither the account nor the stack has changed."""
    before = deployed.account()
    stated = _stated(deployed, name, environment)
    done = deployed.do("up", name, environment, succeeds=False, **more)
    assert [word for word in words if word not in done.diagnostics()] == [], done.diagnostics()
    # The engine interrupts a program whose provider can't be configured; its language host shows that as a traceback.
    assert "Traceback" not in done.diagnostics() or "KeyboardInterrupt" in done.diagnostics()
    assert deployed.account().resources == before.resources
    assert _stated(deployed, name, environment) == stated
    return done


def _stated(deployed: Deployed, name: str, environment: str) -> list[str]:
    """Everything but what is the engine's own: stack, providers, references."""
    return [item["urn"] for item in deployed.resources(name, environment) if not item["type"].startswith("pulumi:")]


def test_missing_secrets(deployed: Deployed) -> None:
    with deployed.engine.ledger.open() as account:
        account.outside["parameters"].clear()
    _refused(
        deployed,
        "service",
        "/transcriber/dev/api-keys",
        "/transcriber/dev/openai-api-key",
        "aws ssm put-parameter --type SecureString",
    )


def test_a_secret_that_is_none(deployed: Deployed) -> None:
    with deployed.engine.ledger.open() as account:
        account.outside["parameters"]["/transcriber/dev/api-keys"]["type"] = "String"
    _refused(deployed, "service", "/transcriber/dev/api-keys (API_KEYS) is no SecureString")


def test_every_mistake_in_the_configuration_at_once(deployed: Deployed) -> None:
    deployed.configure("dev", task_cpu=300, nat_gateways="two", architecture=None, tasks=3)
    for name in ("network", "service"):
        _refused(
            deployed,
            name,
            "transcriber:task_cpu: is one of 256",
            "transcriber:nat_gateways: is one of single, per_az, none",
            "transcriber:architecture: is missing",
            "transcriber:tasks: is no setting",
        )


def test_another_account(deployed: Deployed) -> None:
    _refused(deployed, "cluster", "AWS account ID not allowed: 999999999999", STANDIN_ACCOUNT="999999999999")


@pytest.mark.parametrize("name", ["alb", "service"])
def test_a_stack_that_it_builds_on_is_missing(untouched: Deployed, name: str) -> None:
    _refused(untouched, name, "has no output", "transcriber-network/dev", "pulumi up at the root")


def test_zones_are_given_up_in_two_steps(building: Builder, tmp_path: Path) -> None:
    deployed = Deployed.at(tmp_path / "zones", building)
    deployed.configure("dev", availability_zones=3)
    deployed.initialise("dev")
    deployed.up("dev", ("network", "alb"))
    deployed.configure("dev", availability_zones=2)
    _refused(deployed, "network", "Take two steps", "set zones_used to 2")
    deployed.configure("dev", availability_zones=3, zones_used=2)
    deployed.up("dev", ("network", "alb"))
    deployed.configure("dev", availability_zones=2)
    done = deployed.do("up", "network")
    assert len(deployed.account().of("aws:ec2/subnet:Subnet")) == 4
    assert all("Subnet" in name or "Route" in name or "Endpoint" in name for name in done.steps())


def test_a_reading_role_is_enough_to_preview_and_not_to_deploy(deployed: Deployed, tmp_path: Path) -> None:
    reads = ["*:Describe*", "*:Get*", "*:List*", "ecr:GetAuthorizationToken"]
    actions = [
        action.replace("*:", f"{service}:")
        for action in reads
        for service in ("ec2", "ecs", "ssm", "elasticloadbalancing")
    ]
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    principal = {"arn": "arn:aws:sts::123456789012:assumed-role/preview/x", "policies": [{"Statement": [statement]}]}
    (tmp_path / "principal.json").write_text(json.dumps(principal))
    deployed.configure("dev", redeploy="by-a-reader")
    more = {"STANDIN_PRINCIPAL": str(tmp_path / "principal.json")}
    planned = deployed.do("preview", "service", **more)
    assert planned.planned() == {"update": 1}
    refused = deployed.do("up", "service", succeeds=False, **more)
    assert "not authorized to perform: ecs:UpdateService" in refused.diagnostics()
