"""Previews and refreshes, with a stand-in for Pulumi that writes events which Pulumi wrote."""

import ast
import json
from pathlib import Path

import pytest

import plan_report
import plans
from tests.workflows.standin import ROOT, Runner
from tests.workflows.test_engine_events import EVENTS

STACKS = [{"name": "organization/transcriber-network/dev"}, {"name": "prod"}]


def events(name: str) -> str:
    return (EVENTS / f"{name}.jsonl").read_text()


def test_the_stacks_are_those_of_the_contract_in_their_order() -> None:
    tree = ast.parse((ROOT / "stacks" / "contract.py").read_text())
    (stack,) = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == "Stack"]
    values = (node.value for node in stack.body if isinstance(node, ast.Assign))
    assert tuple(value.value for value in values if isinstance(value, ast.Constant)) == plans.STACKS


@pytest.mark.parametrize("what", sorted(plans.COMMANDS))
def test_each_stack_is_asked_in_order_and_only_read(runner: Runner, tmp_path: Path, what: str) -> None:
    runner.answer("pulumi stack ls", json.dumps(STACKS))
    runner.answer(f"pulumi {what}", writes={"--event-log": events("preview")})
    done = runner.run("plans.py", what, "dev", str(tmp_path / "plans"))
    assert done.returncode == 0, done.stderr
    made = runner.called(what)
    assert [Path(call.option("--event-log")).stem for call in made] == [
        "1-network", "2-ecr", "3-alb", "4-cluster", "5-service",
    ]  # fmt: skip
    assert all(call.option("--stack") == "dev" for call in made)
    changing = {"up", "destroy", "import", "init", "cancel"}
    assert all(not changing & set(call.arguments) for call in runner.calls)
    refreshes = [call.arguments[:4] for call in runner.called("refresh")]
    assert all(each == ["refresh", "--preview-only", "--expect-no-changes", "--run-program"] for each in refreshes)
    assert list(plan_report.load(tmp_path / "plans")["dev"]) == list(plans.STACKS)


def test_a_stack_that_was_never_deployed_is_told_as_that(runner: Runner, tmp_path: Path) -> None:
    runner.answer("pulumi stack ls", json.dumps(STACKS))
    assert runner.run("plans.py", "preview", "staging", str(tmp_path / "plans")).returncode == 0
    assert set(plan_report.load(tmp_path / "plans")["staging"].values()) == {None}


def test_drift_is_no_failure(runner: Runner, tmp_path: Path) -> None:
    runner.answer("pulumi stack ls", json.dumps(STACKS))
    runner.answer("pulumi refresh", code=plans.CHANGED, writes={"--event-log": events("drift")})
    assert runner.run("plans.py", "refresh", "dev", str(tmp_path / "plans")).returncode == 0


def test_one_that_fails_does_not_hide_the_others(runner: Runner, tmp_path: Path) -> None:
    runner.answer("pulumi stack ls", json.dumps(STACKS))
    runner.answer("pulumi preview", code=255, writes={"--event-log": events("failed")})
    assert runner.run("plans.py", "preview", "dev", str(tmp_path / "plans")).returncode == 1
    found = plan_report.load(tmp_path / "plans")["dev"].values()
    assert len(found) == 5
    assert all(plan and plan.errors[0] == "no such thing: such-a-thing" for plan in found)


def test_what_fails_before_there_are_events_is_told(runner: Runner, tmp_path: Path) -> None:
    runner.answer("pulumi stack ls", json.dumps(STACKS))
    runner.answer("pulumi preview", code=255, err="error: could not load plugin\n")
    assert runner.run("plans.py", "preview", "dev", str(tmp_path / "plans")).returncode == 1
    plan = plan_report.load(tmp_path / "plans")["dev"]["alb"]
    assert plan is not None
    assert plan.errors == ("error: could not load plugin",)
    assert not plan.finished


def test_a_backend_that_does_not_answer_ends_it(runner: Runner, tmp_path: Path) -> None:
    runner.answer("pulumi stack ls", code=255, err="error: AccessDenied\n")
    done = runner.run("plans.py", "preview", "dev", str(tmp_path / "plans"))
    assert done.returncode == 1
    assert done.stderr == "plans: error: AccessDenied\n"
