"""What each workflow may do, as whom, in which order: read from the files, and held against what must be."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import job_graph
import plan_report
from job_graph import Job
from tests.workflows.standin import ROOT, SCRIPTS

WORKFLOWS = job_graph.load()
STARTED = [name for name, workflow in WORKFLOWS.items() if set(job_graph.triggers(workflow)) != {"workflow_call"}]
JOBS = {name: job_graph.jobs(WORKFLOWS, name) for name in STARTED}
ALL = [job for found in JOBS.values() for job in found]
DEPLOYING = {f"transcriber-deploy-{environment}": environment for environment in ("dev", "prod")}
READING = "transcriber-preview"


def _job(workflow: str, name: str) -> Job:
    (found,) = [job for job in JOBS[workflow] if job.name == name]
    return found


def _before(job: Job) -> set[str]:
    """All that it waits for, directly or not."""
    by_name = {each.name: each for each in JOBS[job.workflow]}
    found: set[str] = set()
    waiting = list(job.after)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += by_name[name].after
    return found


def _steps(job: Job, word: str) -> list[int]:
    return [place for place, command in enumerate(job.commands) if word in command]


def _label(job: Job) -> str:
    return f"{job.workflow}:{job.name}"


# All of them


def test_there_is_a_workflow_for_each_way_to_production() -> None:
    assert {name.removesuffix(".yml") for name in STARTED} == {
        "check", "preview", "deploy", "manual", "drift", "release",
    }  # fmt: skip


@pytest.mark.parametrize("name", WORKFLOWS)
def test_nothing_is_allowed_unless_a_job_says_so(name: str) -> None:
    workflow = WORKFLOWS[name]
    assert workflow["permissions"] == {}
    assert all("permissions" in job for job in workflow["jobs"].values())


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_secret_is_stored(name: str) -> None:
    text = (job_graph.WORKFLOWS / name).read_text()
    assert re.findall(r"\bsecrets\b", text) == []
    assert re.findall(r"pull_request_target|aws-access-key-id|workflow_run", text) == []


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_pinned_by_commit_with_their_version(name: str) -> None:
    lines = re.findall(r"^.*\buses: (.*)$", (job_graph.WORKFLOWS / name).read_text(), re.MULTILINE)
    foreign = [line for line in lines if not line.startswith("./")]
    assert [line for line in foreign if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_an_action_has_one_version() -> None:
    used = {str(step["uses"]).partition("#")[0] for job in ALL for step in job.steps if "uses" in step}
    names = [action.partition("@")[0] for action in used]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("job", ALL, ids=_label)
def test_job_ends(job: Job) -> None:
    assert 0 < job.timeout_minutes <= 150


@pytest.mark.parametrize("job", ALL, ids=_label)
def test_checkout_leaves_no_credentials(job: Job) -> None:
    checkouts = [step for step in job.steps if str(step.get("uses", "")).startswith("actions/checkout@")]
    assert len(checkouts) == 1
    assert checkouts[0]["with"]["persist-credentials"] is False


@pytest.mark.parametrize("job", ALL, ids=_label)
def test_scripts_that_are_run_exist_and_longer_ones_are_none(job: Job) -> None:
    for step in job.steps:
        command = str(step.get("run", ""))
        assert "\n" not in command.strip(), "longer than a line: a script that runs anywhere"
        assert "${{" not in command, "an expression is put into a command as text: use env"
        for script in re.findall(r"\.github/scripts/\S+", command):
            assert (ROOT / script).is_file()
            assert script.endswith(".py") or (ROOT / script).stat().st_mode & 0o100


def test_every_script_is_run_or_used() -> None:
    texts = [command for job in ALL for command in job.commands]
    texts += [path.read_text() for path in SCRIPTS.iterdir() if path.is_file()]
    texts.append((ROOT / "Makefile").read_text())
    for path in SCRIPTS.iterdir():
        if path.is_file():
            name = re.escape(path.name)
            module = rf"^(from|import) {path.stem}\b" if path.suffix == ".py" else "$^"
            used = rf"(scripts\"?/{name}\b)|{module}"
            assert any(re.search(used, text, re.MULTILINE) for text in texts), path.name


def test_tools_are_the_same_everywhere() -> None:
    versions = {
        step["with"]["pulumi-version"] for job in ALL for step in job.steps if "pulumi/actions" in str(step.get("uses"))
    }
    assert len(versions) == 1
    assert all("command" not in step.get("with", {}) for job in ALL for step in job.steps)


# Who may do what


@pytest.mark.parametrize("job", ALL, ids=_label)
def test_an_identity_is_asked_for_where_it_is_used(job: Job) -> None:
    signs = any("sigstore/cosign-installer@" in str(step.get("uses")) for step in job.steps)
    assert (job.permissions.get("id-token") == "write") == bool(job.role or signs)


@pytest.mark.parametrize("job", ALL, ids=_label)
def test_rights_on_the_repository_are_the_least(job: Job) -> None:
    writing = {scope for scope, given in job.permissions.items() if given == "write"} - {"id-token"}
    allowed = {
        "preview.yml:comment": {"pull-requests"},
        "drift.yml:report": {"issues"},
        "release.yml:images": {"packages"},
        "release.yml:publish": {"contents"},
    }
    assert writing == allowed.get(_label(job), set())
    assert not (writing and job.role), "whoever may change the account may not write to the repository as well"


@pytest.mark.parametrize("job", [job for job in ALL if job.role], ids=_label)
def test_a_deploying_role_belongs_to_its_environment_and_account(job: Job) -> None:
    if job.role == READING:
        assert job.environment == "", "approval would be asked for, and the subject would be the environment's"
    else:
        assert job.environment == DEPLOYING[job.role]
        assert job.account == f"${{{{ vars.AWS_ACCOUNT_ID_{job.environment.upper()} }}}}"


@pytest.mark.parametrize("job", ALL, ids=_label)
def test_an_environment_is_changed_by_one_run_at_a_time(job: Job) -> None:
    """And what changes none is in no environment's group, out of which it would push a deployment that waits."""
    changes = {f"environment-{job.environment}"} if _steps(job, "scripts/deploy") else set[str]()
    assert {group for group in job.groups if group.startswith("environment-")} == changes


@pytest.mark.parametrize("job", [job for job in ALL if job.role], ids=_label)
def test_nothing_with_a_role_is_cancelled_midway(job: Job) -> None:
    assert job.groups
    assert job.cancels == (False,) * len(job.cancels)


def test_environments_are_changed_in_one_place() -> None:
    changing = [job for job in ALL if _steps(job, "scripts/deploy")]
    assert {job.called for job in changing} == {"environment.yml"}
    assert {job.role for job in changing} == set(DEPLOYING)
    assert WORKFLOWS["environment.yml"]["concurrency"] == {
        "group": "environment-${{ inputs.environment }}",
        "cancel-in-progress": False,
    }


@pytest.mark.parametrize("job", [job for job in ALL if _steps(job, "scripts/deploy")], ids=_label)
def test_credentials_outlast_a_deployment_and_the_job_them(job: Job) -> None:
    """stacks/timing.py: Pulumi waits up to 72 minutes for tasks whose sessions go on."""
    given = next(step["with"] for step in job.steps if job_graph.CREDENTIALS in str(step.get("uses")))
    assert 72 * 60 < given["role-duration-seconds"] < job.timeout_minutes * 60


@pytest.mark.parametrize("job", [job for job in ALL if _steps(job, "scripts/deploy")], ids=_label)
def test_a_deployment_is_tried_before_it_counts(job: Job) -> None:
    (credentials,), (deploy,), (smoke,) = (
        _steps(job, word) for word in ("configure-aws-credentials", "/deploy", "/smoke")
    )
    (guard,) = _steps(job, "/require-main")
    assert guard < credentials < deploy < smoke == len(job.steps) - 1
    assert job.steps[guard]["if"] == "inputs.environment == 'prod'"
    assert all("continue-on-error" not in step for step in job.steps)


# Each of them


def test_check_needs_no_identity_and_runs_everything() -> None:
    found = JOBS["check.yml"]
    assert all(job.permissions == {"contents": "read"} and not job.role for job in found)
    matrix = WORKFLOWS["check.yml"]["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert matrix == ["3.11", "3.12", "3.13"]
    commands = [command for job in found for command in job.commands]
    assert {"make lint", "make test", 'make "test-$SUITE"', ".github/scripts/try-image"} <= set(commands)
    assert _job("check.yml", "heavy").after == ("suites",)


def test_preview_reads_and_another_job_comments() -> None:
    ours = "github.event.pull_request.head.repo.full_name == github.repository"
    plans = [job for job in JOBS["preview.yml"] if job.role]
    assert {(job.name, job.role, job.condition) for job in plans} == {
        ("plan dev", READING, ours),
        ("plan prod", READING, ours),
    }
    comment = _job("preview.yml", "comment")
    assert set(comment.after) == {"plan dev", "plan prod"}
    assert "needs.plan.result != 'skipped'" in comment.condition, "nothing for forks"
    assert comment.steps[0]["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"


def test_main_is_checked_then_in_dev_then_the_same_image_in_prod() -> None:
    assert job_graph.triggers(WORKFLOWS["deploy.yml"]) == {"push": {"branches": ["main"]}}
    dev, prod = _job("deploy.yml", "dev / deploy dev"), _job("deploy.yml", "prod / deploy prod")
    checks = {job.name for job in JOBS["deploy.yml"] if job.called == "check.yml"}
    assert checks
    assert _before(dev) == checks
    assert prod.after == (dev.name,)
    assert WORKFLOWS["deploy.yml"]["jobs"]["prod"]["with"]["image"] == "${{ needs.dev.outputs.digest }}"
    assert "image" not in WORKFLOWS["deploy.yml"]["jobs"]["dev"]["with"], "dev builds what is checked out"


def test_by_hand_one_environment_is_changed() -> None:
    conditions = {job.environment: job.condition for job in JOBS["manual.yml"]}
    assert conditions == {"dev": "inputs.environment == 'dev'", "prod": "inputs.environment == 'prod'"}
    asked = job_graph.triggers(WORKFLOWS["manual.yml"])["workflow_dispatch"]["inputs"]
    assert asked["action"]["options"] == ["deploy", "redeploy", "rollback"]
    given = [job["with"] for job in WORKFLOWS["manual.yml"]["jobs"].values()]
    assert all({name: job[name] for name in ("action", "image", "ref")} == _passed_on() for job in given)


def _passed_on() -> dict[str, str]:
    return {name: f"${{{{ inputs.{name} }}}}" for name in ("action", "image", "ref")}


def test_drift_is_looked_for_every_night_and_told() -> None:
    assert [each["cron"].split()[2:] for each in job_graph.triggers(WORKFLOWS["drift.yml"])["schedule"]] == [["*"] * 3]
    looking = [job for job in JOBS["drift.yml"] if job.role]
    assert {job.name: job.role for job in looking} == {"refresh dev": READING, "refresh prod": READING}
    assert set(_job("drift.yml", "report").after) == {"refresh dev", "refresh prod"}
    assert [job.name.partition(" ")[2] for job in looking] == list(plan_report.ENVIRONMENTS)


def test_a_release_is_checked_signed_and_then_told() -> None:
    publish = _job("release.yml", "publish")
    assert set(publish.after) == {"images", "registry"}
    assert {"version", "images", "registry"} < _before(publish)
    checks = {job.name for job in JOBS["release.yml"] if job.called == "check.yml"}
    assert checks < _before(_job("release.yml", "images"))


# The printed graph


def test_documentation_has_the_graph() -> None:
    text = (ROOT / "docs" / "workflows.md").read_text()
    assert job_graph.table(WORKFLOWS) in text, "`make workflows` prints it"


def test_it_is_printed() -> None:
    done = subprocess.run([sys.executable, SCRIPTS / "job_graph.py"], capture_output=True, text=True, check=True)
    assert done.stdout == job_graph.table(WORKFLOWS) + "\n"


def _workflow(**job: Any) -> dict[Any, Any]:
    steps = [{"run": "make"}]
    return {True: "push", "jobs": {"one": {"steps": steps, "permissions": {}, **job}}}


def test_a_job_waits_for_the_last_of_a_called_workflow() -> None:
    inner = _workflow()
    inner[True] = {"workflow_call": {"inputs": {"where": {"default": "here"}}}}
    inner["concurrency"] = {"group": "in-${{ inputs.where }}", "cancel-in-progress": False}
    inner["jobs"]["two"] = {"needs": "one", "steps": [], "permissions": {"contents": "write"}}
    called = {"uses": "./.github/workflows/inner.yml", "permissions": {}}
    outer = {True: "push", "jobs": {"first": called, "then": {"needs": ["first"], "steps": [], "permissions": {}}}}
    found = job_graph.jobs({"inner.yml": inner, "outer.yml": outer}, "outer.yml")
    assert [(job.name, job.after) for job in found] == [
        ("first / one", ()),
        ("first / two", ("first / one",)),
        ("then", ("first / two",)),
    ]
    assert found[0].groups == ("in-here",)
    assert found[1].permissions == {}, "a called workflow has no more rights than its caller gives"


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if path.is_file())


def test_nothing_else_lies_among_the_workflows() -> None:
    assert {path.suffix for path in _files(job_graph.WORKFLOWS)} == {".yml"}
