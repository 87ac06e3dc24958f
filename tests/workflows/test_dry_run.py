"""Workflows run dry: steps get what their scripts want; things are done where, as whom and in the order they must."""

from pathlib import Path

import pytest
import yaml

import job_graph
from tests.workflows import dry_run
from tests.workflows.answers import BUILT, OLDER
from tests.workflows.conftest import Play
from tests.workflows.dry_run import ACCOUNTS, VARIABLES, DryRun, Happening, PlayedJob
from tests.workflows.machine import Failed, Machine
from tests.workflows.standin import ROOT, Call

pytestmark = pytest.mark.timeout(240)


def _job(run: DryRun, name: str) -> PlayedJob:
    (found,) = [job for job in run.jobs if job.name == name]
    return found


def _settings(job: PlayedJob, environment: str) -> dict[str, str]:
    return dict(yaml.safe_load((job.copy / f"Pulumi.{environment}.yaml").read_text())["config"])


def _place(run: DryRun, job: PlayedJob) -> int:
    return run.jobs.index(job)


@pytest.mark.parametrize("happening", dry_run.ALL, ids=str)
def test_every_step_gets_what_it_needs(play: Play, happening: Happening) -> None:
    """Or it had failed; and what asks AWS or Pulumi asks there where the job's role is from."""
    for job in play(happening).jobs:
        account = job.role.split(":")[4] if job.role else ""
        assert not job.environment or account == ACCOUNTS[job.environment]
        for call in job.called("aws"):
            assert call.told["AWS_REGION"] == "us-east-1"
        for call in job.called("pulumi"):
            assert "PULUMI_BACKEND_URL" in call.told or call.arguments[0] == "plugin"


def test_all_workflows_are_run() -> None:
    workflows = job_graph.load()
    started = {name for name, workflow in workflows.items() if set(job_graph.triggers(workflow)) != {"workflow_call"}}
    assert {happening.workflow for happening in dry_run.ALL} == started


@pytest.mark.parametrize(
    "happening", [dry_run.PULL_REQUEST, dry_run.MERGED, dry_run.NIGHT, dry_run.RELEASE], ids=lambda each: each.workflow
)
def test_jobs_are_those_of_the_graph(play: Play, happening: Happening) -> None:
    graph = {job.name: job.role for job in job_graph.jobs(job_graph.load(), happening.workflow) if job.role}
    assert {job.name: job.role.rpartition("/")[2] for job in play(happening).jobs if job.role} == graph


def test_a_fork_gets_nothing(play: Play) -> None:
    assert play(dry_run.OF_A_FORK).jobs == []


def _up(job: PlayedJob) -> Call:
    (call,) = job.called("pulumi", "up")
    return call


def test_what_was_merged_comes_to_dev_and_then_the_same_to_prod(play: Play) -> None:
    run = play(dry_run.MERGED)
    dev, prod = _job(run, "dev / deploy dev"), _job(run, "prod / deploy prod")
    assert _place(run, dev) < _place(run, prod) == len(run.jobs) - 1
    for environment, job in (("dev", dev), ("prod", prod)):
        assert _up(job).told["PULUMI_BACKEND_URL"] == VARIABLES[f"PULUMI_BACKEND_URL_{environment.upper()}"]
        (select,) = job.called("pulumi", "select")
        assert select.option("--secrets-provider") == VARIABLES[f"PULUMI_SECRETS_PROVIDER_{environment.upper()}"]
        (verify,) = job.called("stacks-python")
        assert verify.arguments == ["-m", "stacks.environment.verify", environment]
        assert verify.told["TRANSCRIBER_API_KEY"] == "trk_smoke"
        assert verify.told["PULUMI_BACKEND_URL"] == _up(job).told["PULUMI_BACKEND_URL"]
    assert "transcriber:image_digest" not in _settings(dev, "dev")
    pinned = _settings(prod, "prod")
    assert pinned["transcriber:image_digest"] == BUILT
    assert pinned["transcriber:image_account"] == ACCOUNTS["dev"]
    named = [call.option("--image-tag") for job in (dev, prod) for call in job.called("put-image")]
    assert [name.partition("-")[0] for name in named] == ["commit", "release"]
    assert {call.option("--registry-id") for call in prod.called("aws", "ecr")} == {ACCOUNTS["dev"]}


def test_by_hand_what_was_asked_for_is_done_there(play: Play) -> None:
    deploy, redeploy, rollback = (play(happening).jobs for happening in dry_run.BY_HAND)
    assert [len(jobs) for jobs in (deploy, redeploy, rollback)] == [1, 1, 1]
    assert "transcriber:image_digest" not in _settings(deploy[0], "dev")
    assert _settings(redeploy[0], "dev")["transcriber:redeploy"] == "run-42"
    assert _settings(rollback[0], "prod")["transcriber:image_digest"] == OLDER
    (asked,) = rollback[0].called("describe-images")
    assert asked.option("--image-ids") == "imageTag=release-1.0.0"
    assert _up(rollback[0]).told["PULUMI_BACKEND_URL"] == VARIABLES["PULUMI_BACKEND_URL_PROD"]


def test_a_pull_request_is_told_of_both_environments(play: Play) -> None:
    run = play(dry_run.PULL_REQUEST)
    assert [job.name for job in run.jobs] == ["plan dev", "plan prod", "comment"]
    for job in run.jobs[:2]:
        for call in job.called("pulumi"):
            assert call.told["PULUMI_BACKEND_URL"].startswith("file:"), "a copy of the state, not the state"
    assert _settings(run.jobs[1], "prod")["transcriber:image_digest"] == BUILT
    (post,) = run.jobs[2].called("POST")
    assert "repos/owner/transcriber/issues/7/comments" in post.arguments
    (text,) = post.files.values()
    assert "### dev" in text
    assert "### prod" in text
    assert f"Plan for {'1' * 12}" in text
    assert "/actions/runs/42" in text


def test_at_night_each_environment_is_compared_with_what_it_runs(play: Play) -> None:
    run = play(dry_run.NIGHT)
    assert _settings(_job(run, "refresh prod"), "prod")["transcriber:image_digest"] == OLDER
    for job in run.jobs[:-1]:
        refreshes = job.called("pulumi", "refresh")
        assert len(refreshes) == 5
        assert all({"--preview-only", "--expect-no-changes"} <= set(call.arguments) for call in refreshes)
    assert [call.arguments[:2] for call in run.jobs[-1].called("gh")] == [["issue", "list"]] * 2


def test_a_release_publishes_images_by_digest_with_what_is_in_them(play: Play) -> None:
    run = play(dry_run.RELEASE)
    (release,) = _job(run, "publish").called("gh")
    notes = release.files[release.option("--notes-file")]
    assert f"ghcr.io/owner/transcriber:1.0.0@{BUILT}" in notes
    assert len([path for path in release.arguments if path.endswith(".cdx.json")]) == 4, "two images, two architectures"
    (named,) = _job(run, "registry").called("put-image")
    assert named.option("--image-tag") == "release-1.0.0"


def test_variables_are_those_that_bootstrap_has_set() -> None:
    text = "".join(path.read_text() for path in job_graph.WORKFLOWS.iterdir())
    assert {name for name in VARIABLES if f"vars.{name}" in text} == VARIABLES.keys()
    bootstrap = (ROOT / "bootstrap/next_steps.py").read_text()
    assert all(name.removesuffix("_DEV").removesuffix("_PROD") in bootstrap for name in VARIABLES)


def test_documentation_has_what_a_deployment_calls(play: Play) -> None:
    run = play(dry_run.MERGED)
    told: set[str] = set()
    dry_run.printed(play(dry_run.CHECKED), run.folder, told)
    text = dry_run.printed(run, run.folder, told)
    assert text in (ROOT / "docs/workflows.md").read_text(), text


# What a dry run does not let pass


@pytest.fixture
def machine(copy: Path, tmp_path: Path) -> Machine:
    (tmp_path / "artifacts").mkdir()
    return Machine(tmp_path / "machine", copy, tmp_path / "artifacts")


def test_nothing_runs_before_the_checkout(machine: Machine) -> None:
    with pytest.raises(Failed, match="nothing is checked out"):
        machine.run("true", {})
    machine.act("actions/checkout", {})
    assert machine.run('echo a=b >>"$GITHUB_OUTPUT"', {}) == {"a": "b"}


@pytest.mark.parametrize(
    ("command", "said"),
    [("gh api x", "needs GH_TOKEN"), ("pulumi up", "pulumi: command not found"), ("false", "code 1")],
)
def test_a_step_that_lacks_something_fails(machine: Machine, command: str, said: str) -> None:
    machine.act("actions/checkout", {})
    with pytest.raises(Failed, match=said):
        machine.run(f"{command} # PATH", {"PATH": f"{machine.copy.parent}/machine/bin:/usr/bin:/bin"})


def test_a_role_of_another_account_is_refused(machine: Machine) -> None:
    role = {"role-to-assume": "arn:aws:iam::111111111111:role/x", "aws-region": "us-east-1"}
    with pytest.raises(Failed, match="is not of 222222222222"):
        machine.act("aws-actions/configure-aws-credentials", {**role, "allowed-account-ids": "222222222222"})


def test_an_unknown_action_is_refused(machine: Machine) -> None:
    with pytest.raises(Failed, match="what does it bring"):
        machine.act("somebody/something", {})
