"""Two environments in one account: deployed at once, each with its own, one of them protected."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .builder import Builder
from .deployed import STACKS, Deployed, made_by

pytestmark = pytest.mark.timeout(900)

KEPT = {
    "aws:ecs/taskDefinition:TaskDefinition",
    "docker-build:index:Image",
}
"""What outlives an environment: revisions and images, to go back to."""


@pytest.fixture(scope="module")
def two(building: Builder, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """dev and prod, brought up at the same time."""
    made = Deployed.at(tmp_path_factory.mktemp("two"), building)
    for environment in ("dev", "prod"):
        made.initialise(environment)
    with ThreadPoolExecutor() as pool:
        list(pool.map(made.up, ("dev", "prod")))
    return made


def test_both_are_there(two: Deployed) -> None:
    account = two.account()
    assert {item["status"] for history in account.deployments.values() for item in history} == {"SUCCESSFUL"}
    assert len(account.of("aws:ec2/vpc:Vpc")) == 2
    assert len(account.of("aws:ec2/natGateway:NatGateway")) == 3


def test_prod_is_reached_over_tls_alone(two: Deployed) -> None:
    prod = {item.urn: item for item in two.account().resources if item.urn.startswith("urn:pulumi:prod::")}
    listeners = [item for item in prod.values() if item.type == "aws:lb/listener:Listener"]
    assert {(item["port"], item["defaultActions"][0]["type"]) for item in listeners} == {
        (80, "redirect"),
        (443, "fixed-response"),
    }
    assert two.outputs("service", "prod")["websocket_url"] == "wss://transcriber.example.com/ws"


def test_down_of_one_leaves_the_other_as_it_is(two: Deployed, building: Builder, tmp_path: Path) -> None:
    copy = two.copy(tmp_path / "copy", building)
    images = building.registry.tags("transcriber-prod")
    prod = made_by(copy.account(), "prod")
    copy.down("dev")
    assert made_by(copy.account(), "prod") == prod
    assert {item.type for item in copy.account().resources if item.urn.startswith("urn:pulumi:dev::")} <= KEPT
    assert building.registry.tags("transcriber-prod") == images
    assert [copy.resources(name, "dev") for name in STACKS] == [[]] * len(STACKS)


@pytest.mark.parametrize("name", ["service", "alb", "ecr"])
def test_what_prod_protects_is_not_destroyed_nor_anything_else(
    two: Deployed, building: Builder, tmp_path: Path, name: str
) -> None:
    copy = two.copy(tmp_path / "copy", building)
    before = made_by(copy.account(), "prod")
    refused = copy.engine.run("destroy", "--yes", "-s", "prod", work=copy.stack(name), succeeds=False)
    assert "cannot be deleted" in refused.output
    assert made_by(copy.account(), "prod") == before


def test_prod_is_taken_down_as_the_documentation_says_and_no_other_way(
    two: Deployed, building: Builder, tmp_path: Path
) -> None:
    copy = two.copy(tmp_path / "copy", building)
    before, teardown = copy.account(), "stacks.environment.teardown"
    refused = copy.run(teardown, "prod", said="take down prod\n")
    assert (refused.returncode, "transcriber:protected to false" in refused.stderr) == (1, True)
    copy.configure("prod", protected=False)
    refused = copy.run(teardown, "prod", said="take down prod\n")
    assert "service: nothing is deleted, for recordings is protected" in refused.stderr
    assert "nothing was taken down" in copy.run(teardown, "prod").stderr
    assert copy.account().resources == before.resources
    for name in STACKS:
        copy.do("up", name, "prod", "--policy-pack", "../../policies")
    assert "nothing was taken down" in copy.run(teardown, "prod", said="yes\n").stderr
    done = copy.run(teardown, "prod", said="take down prod\n")
    assert done.returncode == 0, done.stderr
    assert "Kept:\n  the secrets in SSM\n" in done.stdout
    assert {item.type for item in copy.account().resources if item.urn.startswith("urn:pulumi:prod::")} <= KEPT
    assert made_by(copy.account(), "dev") == made_by(before, "dev")


def test_a_bucket_with_recordings_outlives_prod(two: Deployed, building: Builder, tmp_path: Path) -> None:
    copy = two.copy(tmp_path / "copy", building)
    bucket = copy.outputs("service", "prod")["bucket"]
    with copy.engine.ledger.open() as account:
        account.outside["objects"] = {bucket: 1}
    copy.engine.run("state", "unprotect", "--all", "--yes", "-s", "prod", work=copy.stack("service"))
    refused = copy.do("destroy", "service", "prod", succeeds=False)
    assert "BucketNotEmpty" in refused.output
    assert copy.account().find("aws:s3/bucket:Bucket", bucket) is not None


def test_down_leaves_nothing_but_what_it_says(deployed: Deployed, printed: Callable[[str], None]) -> None:
    done = deployed.down("dev")
    assert {item.type for item in deployed.account().resources} <= KEPT
    printed(", ".join(f"{name} down {run.seconds:.0f} s" for name, run in done.items()))
