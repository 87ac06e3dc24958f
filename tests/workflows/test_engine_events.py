"""What is read from events that Pulumi's own engine wrote (`--event-log`), and from those it writes more rarely."""

import json
from pathlib import Path
from typing import Any

import engine_events
from engine_events import Plan, Step

EVENTS = Path(__file__).parent / "events"
KIND = "pulumi-python:dynamic:Resource"


def recorded(name: str) -> Plan:
    return engine_events.read((EVENTS / f"{name}.jsonl").read_text().splitlines())


def step(operation: str, name: str = "task", event: str = "resourcePreEvent", **metadata: Any) -> str:
    kind = metadata.pop("type", "aws:ecs/taskDefinition:TaskDefinition")
    urn = f"urn:pulumi:dev::transcriber-service::{kind}::{name}"
    return json.dumps({event: {"metadata": {"op": operation, "urn": urn, "type": kind, **metadata}}})


def test_a_preview() -> None:
    assert recorded("preview") == Plan(
        steps=(
            Step("replace", KIND, "b|c`d\n<img>", ("r",), ("r",)),
            Step("delete", KIND, "gone"),
            Step("update", KIND, "a", ("v",)),
            Step("create", KIND, "new"),
        ),
        unchanged=1,
        finished=True,
    )


def test_a_preview_that_failed() -> None:
    plan = recorded("failed")
    assert not plan.finished
    assert plan.errors == (
        "no such thing: such-a-thing",
        "an unhandled error occurred: program exited with non-zero exit code: 1",
    )
    assert [each.operation for each in plan.steps] == ["replace", "update", "create"]


def test_a_refresh_that_found_drift() -> None:
    plan = recorded("drift")
    assert plan.finished
    assert [each.name for each in plan.steps] == ["a", "b|c`d\n<img>", "gone"]
    assert {each.operation for each in plan.steps} == {"update"}


def test_no_value_is_kept() -> None:
    """Not even one that is no secret."""
    event = step("update", old={"inputs": {"password": "hunter2"}}, new={"inputs": {"password": "hunter3"}})
    assert "hunter" not in repr(engine_events.read([event]))


def test_what_forces_a_replacement_is_told_apart() -> None:
    detailed = {
        "containerDefinitions[0].image": {"diffKind": "update-replace", "inputDiff": True},
        "tags.commit": {"diffKind": "update"},
    }
    (found,) = engine_events.read([step("replace", detailedDiff=detailed)]).steps
    assert found.forcing == ("containerDefinitions[0].image",)
    assert found.changed == ("containerDefinitions[0].image", "tags.commit")


def test_parts_of_a_replacement_are_one_step() -> None:
    events = [
        step("create-replacement", keys=["image"]),
        step("replace"),
        step("delete-replaced"),
        step("update", event="resOutputsEvent"),
    ]
    (found,) = engine_events.read(events).steps
    assert (found.operation, found.forcing) == ("replace", ("image",))


def test_properties_named_by_the_provider_come_before_those_compared() -> None:
    inputs = {"old": {"inputs": {"a": 1, "b": 1}}, "new": {"inputs": {"a": 2, "b": 2}}}
    (found,) = engine_events.read([step("update", diffs=["a"], **inputs)]).steps
    assert found.changed == ("a",)


def test_what_pulumi_keeps_for_itself_is_no_resource() -> None:
    events = [step("create", type="pulumi:providers:aws"), step("same"), step("read"), step("refresh")]
    assert engine_events.read(events).steps == ()


def test_a_violated_policy_is_an_error() -> None:
    said = {"message": "no public address\x1b[0m", "policyName": "private-tasks"}
    events = [
        json.dumps({"policyEvent": {**said, "enforcementLevel": "mandatory"}}),
        json.dumps({"policyEvent": {**said, "enforcementLevel": "advisory"}}),
    ]
    assert engine_events.read(events).errors == ("private-tasks: no public address",)


def test_lines_that_are_no_events_are_passed_over() -> None:
    events = [step("create"), "3", "", step("create", "other")[:-20]]
    plan = engine_events.read(events)
    assert len(plan.steps) == 1
    assert not plan.finished


def test_what_a_refresh_found_as_it_was_is_no_change() -> None:
    same = {"inputs": {"a": 1}, "outputs": {"a": 1}}
    events = [step("refresh"), step("update", event="resOutputsEvent", old=same, new=same)]
    assert engine_events.read(events).steps == ()
    events.append(step("update", event="resOutputsEvent", old=same, new=same | {"outputs": {"a": 2}}))
    assert len(engine_events.read(events).steps) == 1
