"""All five programs as they are committed, each given what the others export."""

import re
from collections.abc import Mapping
from dataclasses import fields
from functools import cache

import pulumi
import pytest

from stacks import contract
from stacks.contract import Stack
from tests.stacks.deployed import RESOURCES
from tests.stacks.recording import ROOT, Program, run, run_all, settings_of

KINDS = {
    contract.NetworkOutputs,
    contract.EcrOutputs,
    contract.AlbOutputs,
    contract.ClusterOutputs,
    contract.ServiceOutputs,
}


@cache
def programs(environment: str) -> Mapping[Stack, Program]:
    return run_all(environment, settings_of(environment))


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_each_exports_what_the_contract_says(environment: str) -> None:
    for kind in KINDS:
        outputs = programs(environment)[kind.stack].outputs
        assert set(outputs) == {field.name for field in fields(kind)}
        assert None not in outputs.values()


def test_the_page_has_how_many_resources_each_stack_makes() -> None:
    text = (ROOT / "docs/infrastructure.md").read_text()
    rows = re.findall(r"^\| (\w+) \| (\d+) \| \d+ s \|", text, re.MULTILINE)
    assert {name: int(count) for name, count in rows} == RESOURCES


@pytest.mark.parametrize("stack", [Stack.ALB, Stack.SERVICE])
def test_missing_upstream_is_told_before_anything_is_made(stack: Stack) -> None:
    with pytest.raises(pulumi.RunError, match=r"organization/transcriber-network/dev has no output vpc_id"):
        run(stack, "dev", settings_of("dev"), {})


@pytest.mark.parametrize("stack", list(Stack))
def test_mistakes_in_the_configuration_are_told_at_once(stack: Stack) -> None:
    with pytest.raises(pulumi.RunError) as raised:
        run(stack, "dev", settings_of("dev", task_cpu="100", engine=""), {})
    assert str(raised.value).splitlines() == [
        "Pulumi.dev.yaml has mistakes:",
        "  transcriber:engine: is missing",
        "  transcriber:task_cpu: is one of 256, 512, 1024, 2048, 4096, 8192, 16384",
    ]
