"""Five stacks, from nothing, under the real engine: what is there then, and what is written down nowhere."""

import json
import re
from collections import Counter
from collections.abc import Callable

import pytest

from .builder import Builder
from .conftest import BroughtUp
from .deployed import RESOURCES, SECRETS, STACKS
from .engine import ROOT
from .standin.catalogue import KINDS

pytestmark = pytest.mark.timeout(600)


def test_the_first_up_makes_what_it_planned(brought_up: BroughtUp, printed: Callable[[str], None]) -> None:
    made = {name: run.planned() for name, run in brought_up.runs.items()}
    assert made == {name: {"create": count} for name, count in RESOURCES.items()}
    printed(", ".join(f"{name} {run.seconds:.0f} s" for name, run in brought_up.runs.items()))


def test_what_is_documented_of_a_first_preview_is_as_much() -> None:
    """Which does not count the stack itself."""
    text = (ROOT / "docs/deploy.md").read_text()
    assert [name for name, count in RESOURCES.items() if f"{name}: {count - 1} to create" not in text] == []


def test_what_the_state_says_is_what_the_account_has(brought_up: BroughtUp) -> None:
    stated = Counter(
        resource["type"]
        for name in STACKS
        for resource in brought_up.deployed.resources(name)
        if resource["type"] in KINDS
    )
    account = Counter(resource.type for resource in brought_up.deployed.account().resources)
    assert stated == account
    assert account["aws:ec2/subnet:Subnet"] == 4
    assert account["aws:ec2/natGateway:NatGateway"] == 1


def test_the_running_image_is_the_one_that_was_built(brought_up: BroughtUp, building: Builder) -> None:
    outputs = brought_up.deployed.outputs("service")
    (history,) = brought_up.deployed.account().deployments.values()
    assert [(item["status"], item["running"]) for item in history] == [("SUCCESSFUL", outputs["task_definition_arn"])]
    assert outputs["image_digest"] in building.registry.tags("transcriber-dev").values()
    (definition,) = brought_up.deployed.account().of("aws:ecs/taskDefinition:TaskDefinition")
    assert json.loads(definition["containerDefinitions"])[0]["image"].endswith(f"@{outputs['image_digest']}")


@pytest.mark.parametrize("name", STACKS)
def test_a_second_up_changes_nothing(brought_up: BroughtUp, name: str, printed: Callable[[str], None]) -> None:
    account = brought_up.deployed.account().resources
    again = brought_up.deployed.do("up", name, "dev", "--expect-no-changes", succeeds=None)
    assert (again.code, again.steps()) == (0, {}), again.diagnostics()
    assert brought_up.deployed.account().resources == account
    printed(f"{name}, a second up: 0 changes, {again.seconds:.0f} s")


@pytest.mark.parametrize("name", STACKS)
def test_nothing_has_drifted(brought_up: BroughtUp, name: str) -> None:
    options = ("--preview-only", "--expect-no-changes", "--run-program")
    refreshed = brought_up.deployed.do("refresh", name, "dev", *options, succeeds=None)
    assert refreshed.code == 0, refreshed.output[-3000:]


def test_no_secret_is_written_anywhere(brought_up: BroughtUp) -> None:
    written = brought_up.deployed.everything_written()
    assert [name for name, value in SECRETS.items() if value in written] == []
    assert "dG9rZW4gb2Yg" not in written, "the registry's password"


def test_no_secret_is_decrypted(brought_up: BroughtUp) -> None:
    asked = [
        event["args"] for event in brought_up.deployed.engine.ledger.events() if event["type"].startswith("aws:ssm/")
    ]
    assert asked
    assert all(args["withDecryption"] is False for args in asked)


def test_every_tag_says_whose_it_is(brought_up: BroughtUp) -> None:
    """Rules of security groups have the tags of all that there is, and not those of their stack."""
    wrong: list[str] = []
    for resource in brought_up.deployed.account().resources:
        tags = resource.outputs.get("tagsAll")
        wanted = {"product": "transcriber", "environment": "dev", "managed-by": "pulumi"}
        if "Rule" not in resource.type or "Listener" in resource.type:
            wanted["stack"] = resource.urn.split("::")[1].removeprefix("transcriber-")
        if tags is not None and not wanted.items() <= tags.items():
            wrong.append(resource.urn)
    assert wrong == []


def test_outputs_have_the_form_that_aws_gives_them(brought_up: BroughtUp) -> None:
    outputs = brought_up.deployed.outputs("service")
    assert re.fullmatch(r"http://transcriber-dev-[\w-]+\.us-east-1\.elb\.amazonaws\.com", outputs["url"])
    assert re.fullmatch(
        r"arn:aws:ecs:us-east-1:\d{12}:task-definition/transcriber-dev:1", outputs["task_definition_arn"]
    )
