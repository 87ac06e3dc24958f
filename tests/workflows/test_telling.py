"""What is written on GitHub: the comment on a pull request and the issue about drift, with a stand-in for `gh`."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import plan_report
from plans import STACKS
from tests.workflows.standin import Runner
from tests.workflows.test_engine_events import EVENTS

BOT = {"login": "github-actions[bot]"}
MARKER = "<!-- transcriber-plan -->"
WRITTEN = json.dumps({"html_url": "https://github.com/owner/transcriber/pull/7#issuecomment-1"})
VARIABLES = {"PULL_REQUEST": "7", "COMMIT": "0123456789abcdef0123456789abcdef01234567"}


@pytest.fixture
def plans(tmp_path: Path) -> Path:
    return _plans(tmp_path, "preview")


def _plans(tmp_path: Path, events: str, environment: str = "dev") -> Path:
    folder = tmp_path / "plans" / environment
    folder.mkdir(parents=True)
    shutil.copy(EVENTS / f"{events}.jsonl", folder / "1-network.jsonl")
    return folder.parent


def _comments(*pages: list[dict[str, Any]]) -> str:
    return json.dumps(list(pages))


def test_the_first_comment_is_made(runner: Runner, plans: Path) -> None:
    somebody = {"id": 1, "user": {"login": "somebody"}, "body": MARKER}
    other = {"id": 2, "user": BOT, "body": "<!-- another -->"}
    runner.answer("gh api --paginate", _comments([somebody], [other]))
    runner.answer("gh api --method POST", WRITTEN)
    done = runner.run("comment", str(plans), **VARIABLES)
    assert done.returncode == 0, done.stderr
    call = runner.calls[-1]
    assert "repos/owner/transcriber/issues/7/comments" in call.arguments
    (body,) = call.files.values()
    assert body.startswith(f"{MARKER}\n\n## Plan for 0123456789ab\n")
    assert "https://github.com/owner/transcriber/actions/runs/42" in body


def test_the_next_time_it_is_written_anew(runner: Runner, plans: Path) -> None:
    first = {"id": 11, "user": BOT, "body": "something else"}
    ours = {"id": 12, "user": BOT, "body": f"{MARKER}\n\nolder"}
    runner.answer("gh api --paginate", _comments([first], [ours]))
    runner.answer("gh api --method PATCH repos/owner/transcriber/issues/comments/12", WRITTEN)
    done = runner.run("comment", str(plans), **VARIABLES)
    assert done.returncode == 0, done.stderr
    assert runner.called("POST") == []
    assert "issuecomment" in done.stdout


def test_a_refusal_of_github_fails_the_step(runner: Runner, plans: Path) -> None:
    runner.answer("gh api --paginate", code=1, err="gh: Resource not accessible by integration (HTTP 403)\n")
    done = runner.run("comment", str(plans), **VARIABLES)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_a_preview_that_left_nothing_is_told_as_well(runner: Runner, tmp_path: Path) -> None:
    runner.answer("gh api --paginate", _comments([]))
    runner.answer("gh api --method POST", WRITTEN)
    assert runner.run("comment", str(tmp_path / "plans"), **VARIABLES).returncode == 0
    (body,) = runner.calls[-1].files.values()
    assert body.count("**not looked at**") == 10


QUIET = '{"summaryEvent": {"resourceChanges": {"same": 30}}}\n'


def _quiet(folder: Path) -> Path:
    """Both environments, as they were left."""
    for environment in plan_report.ENVIRONMENTS:
        (folder / "plans" / environment).mkdir(parents=True)
        for number, stack in enumerate(STACKS, start=1):
            (folder / "plans" / environment / f"{number}-{stack}.jsonl").write_text(QUIET)
    return folder / "plans"


def _drift(runner: Runner, plans: Path) -> int:
    return runner.run("drift_issue.py", str(plans), "--link", "https://github.com/runs/42").returncode


def _drifted(folder: Path, environment: str) -> Path:
    plans = _quiet(folder)
    shutil.copy(EVENTS / "drift.jsonl", plans / environment / "1-network.jsonl")
    return plans


def test_drift_opens_an_issue(runner: Runner, tmp_path: Path) -> None:
    runner.answer("gh issue list", "[]")
    runner.answer("gh label create drift --force")
    runner.answer("gh issue create")
    assert _drift(runner, _drifted(tmp_path, "prod")) == 1
    (made,) = runner.called("issue", "create")
    assert made.option("--title") == "Drift in prod"
    assert "| update | <code>pulumi-python" in made.files[made.option("--body-file")]


def test_while_it_lasts_the_issue_is_written_anew(runner: Runner, tmp_path: Path) -> None:
    open_issues = [{"number": 3, "title": "Drift in prod"}, {"number": 4, "title": "Drift in dev"}]
    runner.answer("gh issue list", json.dumps(open_issues))
    runner.answer("gh issue edit 4")
    runner.answer("gh issue close 3")
    assert _drift(runner, _drifted(tmp_path, "dev")) == 1
    assert runner.called("edit", "4")


def test_when_all_is_well_again_it_is_closed(runner: Runner, tmp_path: Path) -> None:
    runner.answer("gh issue list", json.dumps([{"number": 4, "title": "Drift in dev"}]))
    runner.answer("gh issue close 4")
    assert _drift(runner, _quiet(tmp_path)) == 0
    assert runner.called("close", "4")


@pytest.mark.parametrize("missing", ["dev", "dev/2-ecr.jsonl"])
def test_what_was_not_looked_at_closes_nothing(runner: Runner, tmp_path: Path, missing: str) -> None:
    """A job that had no credentials leaves no environment, a backend that stops to answer not all stacks."""
    plans = _quiet(tmp_path)
    if (plans / missing).is_dir():
        shutil.rmtree(plans / missing)
    else:
        (plans / missing).unlink()
    runner.answer("gh issue list", json.dumps([{"number": 4, "title": "Drift in dev"}]))
    runner.answer("gh issue edit 4")
    assert _drift(runner, plans) == 1
    (edited,) = runner.called("edit", "4")
    assert "**not looked at**" in edited.files[edited.option("--body-file")]


def test_a_look_that_failed_is_no_rest(runner: Runner, tmp_path: Path) -> None:
    plans = _quiet(tmp_path)
    (plans / "dev" / "1-network.jsonl").write_text("")
    runner.answer("gh issue list", "[]")
    runner.answer("gh label create")
    runner.answer("gh issue create")
    assert _drift(runner, plans) == 1
