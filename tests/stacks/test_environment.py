"""The environment at the root: what a plan says, what is wrong after a deployment, what is asked before a teardown."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pulumi import automation as auto

from stacks.config import ConfigError
from stacks.contract import Stack
from stacks.environment import command, ecs, promote, teardown, verify
from stacks.environment.failure import explained
from stacks.environment.nested import Failed
from stacks.environment.plan import Plan, describe, pending
from stacks.environment.resource import StackProvider
from stacks.environment.teardown import confirmed, kept, protections
from stacks.network import zones
from stacks.service import rollout
from tests.stacks.ecs_api import ecs_api, given
from tests.stacks.recording import DIGEST, ROOT, config_of

URN = "urn:pulumi:dev::transcriber-network::awsx:ec2:Vpc$aws:ec2/vpc:Vpc::transcriber-dev"


def _plan(*operations: str) -> Plan:
    plan = Plan()
    for operation in operations:
        plan.step(operation, "aws:ec2/vpc:Vpc", URN)
    return plan


# What a preview found


def test_plan_counts_what_changes() -> None:
    plan = _plan("create", "same", "read", "create-replacement", "replace", "delete-replaced")
    assert plan.changes == 2
    assert describe(Stack.NETWORK, plan, []).splitlines() == [
        "network: 1 to create, 1 to replace",
        "  + aws:ec2/vpc:Vpc transcriber-dev",
        "  +- aws:ec2/vpc:Vpc transcriber-dev",
    ]


def test_plan_without_changes_says_so() -> None:
    assert describe(Stack.ECR, _plan("same"), []) == "ecr: no changes"


def test_plan_leaves_out_what_is_nothing_in_an_account() -> None:
    plan = Plan()
    plan.step("create", "pulumi:providers:aws", URN)
    plan.step("create", "pulumi:pulumi:Stack", URN)
    assert plan.changes == 0


def test_dependents_of_what_changes_are_marked() -> None:
    after = pending({Stack.NETWORK: 1, Stack.ECR: 0, Stack.ALB: 0, Stack.CLUSTER: 0, Stack.SERVICE: 0})
    assert after == {
        Stack.NETWORK: [],
        Stack.ECR: [],
        Stack.ALB: ["network"],
        Stack.CLUSTER: [],
        Stack.SERVICE: ["network", "alb"],
    }
    assert describe(Stack.ALB, _plan(), after[Stack.ALB]) == (
        "alb: no changes (may change more: it is previewed with what network is now)"
    )


def test_nothing_pending_marks_nothing() -> None:
    assert not any(pending(dict.fromkeys(Stack, 0)).values())


def test_errors_are_told_without_colours() -> None:
    plan = Plan()
    plan.error("<{%reset%}>\x1b[31mno such thing\x1b[0m\n")
    assert plan.errors == ["no such thing"]


# A stack as a resource

CLEAN: dict[str, Any] = {"changes": 0, "after": [], "drift": [], "checked": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("before", "now", "changes"),
    [
        (CLEAN, CLEAN, False),
        (CLEAN, {**CLEAN, "changes": 2}, True),
        (CLEAN, {**CLEAN, "after": ["network"]}, True),
        ({**CLEAN, "drift": ["update aws:ec2/vpc:Vpc it"]}, CLEAN, True),
        ({**CLEAN, "checked": "2025-12-31T00:00:00Z"}, CLEAN, True),
    ],
)
def test_stack_is_brought_up_when_something_is_pending(
    before: dict[str, Any], now: dict[str, Any], changes: bool
) -> None:
    assert StackProvider().diff("network/dev", before, now).changes is changes


def test_a_stack_that_fails_says_how_to_go_on() -> None:
    with pytest.raises(Failed) as failed, explained({"stack": "network", "environment": "west"}):
        raise Failed("network: up failed:\nVpcLimitExceeded")
    assert str(failed.value).splitlines() == [
        "network: up failed:",
        "VpcLimitExceeded",
        "Mend it, then go on with: pulumi up -s west",
    ]


# What ECS says afterwards

TASK = "arn:aws:ecs:us-east-1:123456789012:task-definition/transcriber-dev:7"
EARLIER = "arn:aws:ecs:us-east-1:123456789012:task-definition/transcriber-dev:6"
SERVICE = ecs.Service("transcriber-dev", "transcriber-dev-0a1b2c3")


class Ecs:
    """Answers as ECS does."""

    def __init__(
        self,
        *,
        deployment: Mapping[str, Any] | None = None,
        running: list[str] | None = None,
        stopped: list[dict[str, Any]] | None = None,
        services: list[dict[str, Any]] | None = None,
    ) -> None:
        primary = {"status": "PRIMARY", "taskDefinition": TASK, "rolloutState": "COMPLETED", **(deployment or {})}
        self._services = [{"status": "ACTIVE", "deployments": [primary]}] if services is None else services
        digests = [DIGEST] if running is None else running
        self._tasks = {
            "RUNNING": [{"containers": [{"name": "transcriber", "imageDigest": digest}]} for digest in digests],
            "STOPPED": stopped or [],
        }

    def describe_services(self, **_: Any) -> Mapping[str, Any]:
        return {"services": self._services}

    def list_tasks(self, **request: Any) -> Mapping[str, Any]:
        status = request["desiredStatus"]
        return {"taskArns": [f"{status}/{number}" for number in range(len(self._tasks[status]))]}

    def describe_tasks(self, **request: Any) -> Mapping[str, Any]:
        status = request["tasks"][0].partition("/")[0]
        return {"tasks": self._tasks[status]}


def _problems(client: Ecs) -> list[str]:
    return ecs.problems(client, SERVICE, task_definition=TASK, digest=DIGEST)


def test_nothing_is_wrong_when_all_tasks_run_the_image() -> None:
    assert _problems(Ecs(running=[DIGEST, DIGEST])) == []


@pytest.mark.parametrize(
    ("client", "problem"),
    [
        (Ecs(services=[]), "there is no service transcriber-dev-0a1b2c3 in transcriber-dev"),
        (Ecs(services=[{"status": "INACTIVE", "deployments": []}]), "there is no service"),
        (Ecs(services=[{"status": "ACTIVE", "deployments": []}]), "there is no deployment"),
        (Ecs(deployment={"taskDefinition": EARLIER}), f"the deployment was rolled back: {EARLIER} runs and not {TASK}"),
        (
            Ecs(deployment={"rolloutState": "FAILED", "rolloutStateReason": "tasks failed to start"}),
            "the deployment is FAILED: tasks failed to start",
        ),
        (Ecs(deployment={"rolloutState": "IN_PROGRESS"}), "the deployment is IN_PROGRESS: no reason is given"),
        (Ecs(running=[]), "no task runs"),
        (Ecs(running=[DIGEST, "sha256:old"]), f"a task runs sha256:old and not {DIGEST}"),
    ],
)
def test_what_is_wrong_is_told(client: Ecs, problem: str) -> None:
    assert _problems(client)[0].startswith(problem)


def test_reasons_of_stopped_tasks_are_told_once_and_newest_first() -> None:
    stopped = [
        {"stoppedAt": "2026-01-01T00:00:00Z", "stoppedReason": "CannotPullContainerError", "containers": []},
        {
            "stoppedAt": "2026-01-01T00:01:00Z",
            "stoppedReason": "Essential container in task exited",
            "containers": [{"name": "transcriber", "exitCode": 2, "reason": "OutOfMemoryError"}],
        },
        {
            "stoppedAt": "2026-01-01T00:00:30Z",
            "stoppedReason": "Essential container in task exited",
            "containers": [{"name": "transcriber", "exitCode": 0}],
        },
    ]
    assert ecs.stopped_reasons(Ecs(stopped=stopped), SERVICE) == [
        "Essential container in task exited",
        "transcriber: OutOfMemoryError",
        "transcriber: exit code 2",
        "CannotPullContainerError",
    ]
    assert ecs.stopped_reasons(Ecs(), SERVICE) == []


def test_a_deployment_is_waited_for() -> None:
    answers = iter([["the deployment is IN_PROGRESS"], []])
    assert verify.deployment(lambda: next(answers), wait_seconds=60, again_seconds=0) == []


def test_what_stays_wrong_is_told_when_the_time_is_over() -> None:
    assert verify.deployment(lambda: ["no task runs"], wait_seconds=0, again_seconds=0) == ["no task runs"]


# Before something is taken away


def test_what_clients_have_a_name_for_is_asked_about() -> None:
    asked: list[str] = []

    def answer(text: str, question: str) -> str:
        asked.append(question)
        return text

    prod, dev = config_of("prod", protected="false"), config_of("dev")
    assert confirmed(dev, lambda question: answer("", question))
    assert not asked
    assert not confirmed(prod, lambda question: answer("yes", question))
    assert confirmed(prod, lambda question: answer("take down prod\n", question))
    assert ["transcriber.example.com" in question for question in asked] == [True, True]


def test_nobody_there_to_answer_is_no_yes() -> None:
    def nobody(_: str) -> str:
        raise EOFError

    assert not confirmed(config_of("prod", protected="false"), nobody)


def test_what_is_protected_is_refused_with_the_way_that_does_it() -> None:
    assert "transcriber:protected" in protections(config_of("prod"))


def test_what_stays_is_said() -> None:
    told = kept(config_of("dev"))
    assert any("SSM" in what for what in told)
    assert "".join(f"  {what}\n" for what in told) in (ROOT / "docs/deploy.md").read_text()


def test_zones_in_use_are_not_given_up() -> None:
    assert zones.problem(3, 2) is None
    assert zones.problem(2, 2) is None
    assert "zones_used to 2" in str(zones.problem(2, 3))


def test_a_deployment_that_was_taken_back_is_a_failure() -> None:
    assert rollout.problem(TASK, TASK, ["anything"]) is None
    told = str(rollout.problem(TASK, EARLIER, ["tasks failed to start", "registered 1 target"]))
    assert told.splitlines()[1:] == ["  tasks failed to start", "  registered 1 target"]
    assert "rolled back" in told


def test_root_project_is_where_its_files_are() -> None:
    assert (ROOT / "Pulumi.yaml").is_file()
    assert (ROOT / "__main__.py").is_file()


# Commands that can't do their work


@pytest.mark.parametrize("run", [teardown.main, verify.main, promote.main])
def test_a_mistyped_environment_is_told_with_those_that_there_are(
    run: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["typo"]) == 1
    assert capsys.readouterr().err.endswith(": there is no Pulumi.typo.yaml; environments are dev, prod\n")


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (
            ConfigError(["task_cpu: is missing", "x: is no setting"]),
            "transcriber:task_cpu: is missing\ntranscriber:x:",
        ),
        (Failed("service: destroy failed:\nBucketNotEmpty"), "service: destroy failed:\nBucketNotEmpty"),
        (
            auto.CommandError(auto.CommandResult("", "warning: old\nerror: no passphrase", 255)),
            "error: no passphrase\n",
        ),
        (FileNotFoundError("no pulumi"), "no pulumi"),
    ],
)
def test_what_is_wrong_is_told_in_few_lines(problem: Exception, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise problem

    assert command.ended("verify", fail) == 1
    assert capsys.readouterr().err.startswith(f"verify: {told}")


# The same, over ECS's own API


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    return monkeypatch


RUNNING = {
    "DescribeServices": {
        "services": [
            {
                "status": "ACTIVE",
                "deployments": [{"status": "PRIMARY", "taskDefinition": TASK, "rolloutState": "COMPLETED"}],
            }
        ]
    },
    "ListTasks": {"taskArns": ["arn:aws:ecs:us-east-1:123456789012:task/transcriber-dev/1"]},
    "DescribeTasks": {"tasks": [{"containers": [{"name": "transcriber", "imageDigest": DIGEST}]}]},
}


def test_ecs_is_asked_as_it_takes_it(credentials: pytest.MonkeyPatch) -> None:
    with ecs_api(given(RUNNING)) as (address, asked):
        credentials.setenv("AWS_ENDPOINT_URL_ECS", address)
        client = verify.client(ROOT, "dev")
        assert ecs.problems(client, SERVICE, task_definition=TASK, digest=DIGEST) == []
        assert ecs.stopped_reasons(client, SERVICE) == []
    assert asked[0] == ("DescribeServices", {"cluster": SERVICE.cluster, "services": [SERVICE.name]})
    assert asked[1][1] == {"cluster": SERVICE.cluster, "serviceName": SERVICE.name, "desiredStatus": "RUNNING"}
    assert [operation for operation, _ in asked[2:]] == ["DescribeTasks", "ListTasks", "DescribeTasks"]


def test_ecs_that_does_not_tell_is_no_failure_of_its_own(credentials: pytest.MonkeyPatch) -> None:
    with ecs_api(given({})) as (address, _):
        credentials.setenv("AWS_ENDPOINT_URL_ECS", address)
        (told,) = verify.reasons_of(ROOT, "dev", SERVICE)
    assert told.startswith("(ECS does not tell why tasks stopped: An error occurred (AccessDeniedException)")


# What an `up` of the service ends with

OUTPUTS = {
    "cluster_name": SERVICE.cluster,
    "service_name": SERVICE.name,
    "task_definition_arn": TASK,
    "image_digest": DIGEST,
    "websocket_url": "ws://127.0.0.1:1/ws",
}
KEY = "trk_never-told"


def _checked(answers: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch, root: Path = ROOT) -> list[str]:
    """What is told. Nothing listens at the public URL."""
    told: list[str] = []
    with ecs_api(given(answers)) as (address, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL_ECS", address)
        verify.check(root, "dev", OUTPUTS, told.append, wait_seconds=0)
    return told


def test_without_a_key_it_is_said_that_nothing_was_transcribed(credentials: pytest.MonkeyPatch) -> None:
    credentials.delenv(verify.KEY, raising=False)
    assert _checked(RUNNING, credentials) == [f"{SERVICE.name} runs {DIGEST}", verify.NOT_HEARD]


def test_a_setting_leaves_the_demo_out(credentials: pytest.MonkeyPatch, tmp_path: Path) -> None:
    credentials.setenv(verify.KEY, KEY)
    text = (ROOT / "Pulumi.dev.yaml").read_text()
    (tmp_path / "Pulumi.dev.yaml").write_text(text + "  transcriber:smoke_test: false\n")
    assert _checked(RUNNING, credentials, tmp_path)[1].startswith("transcriber:smoke_test is false")


def test_what_does_not_transcribe_fails_and_its_key_is_not_told(credentials: pytest.MonkeyPatch) -> None:
    credentials.setenv(verify.KEY, KEY)
    with pytest.raises(Failed, match="did not transcribe the demo") as failed:
        _checked(RUNNING, credentials)
    assert str(failed.value).endswith(verify.RUNS_ON)
    assert KEY not in str(failed.value)


def test_what_runs_another_image_fails_before_anything_is_sent(credentials: pytest.MonkeyPatch) -> None:
    credentials.setenv(verify.KEY, KEY)
    other = {"tasks": [{"containers": [{"name": "transcriber", "imageDigest": "sha256:other"}]}]}
    with pytest.raises(Failed) as failed:
        _checked({**RUNNING, "DescribeTasks": other}, credentials)
    assert str(failed.value).splitlines()[1:] == [f"a task runs sha256:other and not {DIGEST}"]


def test_ecs_that_says_nothing_of_what_runs_is_a_failure(credentials: pytest.MonkeyPatch) -> None:
    with pytest.raises(Failed, match="AccessDeniedException"):
        _checked({}, credentials)


@pytest.mark.parametrize(
    ("setting", "problem"),
    [("  aws:profile: of-nobody\n", "The config profile \\(of-nobody\\) could not be found"), ("", "specify a region")],
)
def test_aws_is_asked_as_pulumi_is(credentials: pytest.MonkeyPatch, tmp_path: Path, setting: str, problem: str) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        credentials.delenv(name, raising=False)
    text = (ROOT / "Pulumi.dev.yaml").read_text().replace("  aws:region: us-east-1\n", setting)
    (tmp_path / "Pulumi.dev.yaml").write_text(text)
    with pytest.raises(Failed, match=problem):
        _checked(RUNNING, credentials, tmp_path)
