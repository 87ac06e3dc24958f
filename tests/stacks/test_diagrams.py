"""The README of each stack shows its program as it is."""

import pytest

from stacks.config import Config
from stacks.contract import NEEDS, Stack
from tests.stacks import diagrams
from tests.stacks.recording import ROOT


def readme(stack: Stack) -> str:
    return (ROOT / "stacks" / stack / "README.md").read_text()


@pytest.mark.parametrize("stack", list(Stack))
def test_readme_is_as_generated(stack: Stack) -> None:
    text = readme(stack)
    assert diagrams.with_generated(text, stack) == text, "run: make diagrams"


@pytest.mark.parametrize("stack", list(Stack))
def test_readme_says_how_it_is_run_alone(stack: Stack) -> None:
    text = readme(stack)
    assert text.startswith("# ")
    assert f"cd stacks/{stack}\n" in text
    assert "pulumi up -s dev\n" in text


@pytest.mark.parametrize("environment", ["dev", "prod"])
@pytest.mark.parametrize("stack", list(Stack))
def test_diagram_has_every_resource_once(stack: Stack, environment: str) -> None:
    program = diagrams.programs(environment)[stack]
    text = diagrams.diagram(stack, program)
    for resource in program.resources:
        assert diagrams.short(resource.kind) in text or resource.kind == "transcriber:shared:PrivateBucket"
    lines = text.splitlines()
    assert len(lines) == len(set(lines))


@pytest.mark.parametrize("stack", list(Stack))
def test_diagram_has_the_stacks_that_it_needs(stack: Stack) -> None:
    text = diagrams.diagram(stack, diagrams.programs("prod")[stack])
    assert {need for need in Stack if f"  {need} --> " in text} == set(NEEDS[stack])
    assert {reader for reader in Stack if f"  this --> {reader}" in text} == {
        reader for reader, needs in NEEDS.items() if stack in needs
    }


def test_arrows_follow_what_is_given() -> None:
    text = diagrams.diagram(Stack.SERVICE, diagrams.programs("prod")[Stack.SERVICE])
    assert "  ecs_TaskDefinition_task --> ecs_Service_transcriber_prod" in text
    assert "ecs_Service_transcriber_prod --> ecs_TaskDefinition_task" not in text


def test_every_setting_is_read_by_a_stack() -> None:
    read = {key for stack in Stack for key in diagrams.settings(stack)}
    assert set(Config.__dataclass_fields__) - {"environment"} - read == {"smoke_test"}, "which is the root's"
