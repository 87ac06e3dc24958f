"""The comment: what is dangerous first, never too long for GitHub, and harmless whatever resources are called."""

import re
import shutil
import string
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import plan_report
from engine_events import OPERATIONS, Plan, Step
from plan_report import Heading, report
from tests.workflows.standin import SCRIPTS
from tests.workflows.test_engine_events import EVENTS

HEADING = Heading("transcriber-plan", "Plan for 0123456789ab", "https://github.com/owner/transcriber/actions/runs/42")
KIND = "aws:ecs/service:Service"


def plan(*operations: str, finished: bool = True, errors: tuple[str, ...] = ()) -> Plan:
    steps = (Step(each, KIND, f"name-{number}") for number, each in enumerate(operations))
    ordered = sorted(steps, key=lambda step: OPERATIONS.index(step.operation))
    return Plan(tuple(ordered), errors, 3, finished)


def rows(text: str, operation: str) -> list[str]:
    return re.findall(rf"^\| \**{operation}\** \| .*$", text, re.MULTILINE)


def test_each_stack_has_its_table_with_the_dangerous_first(tmp_path: Path) -> None:
    folder = tmp_path / "dev"
    folder.mkdir()
    shutil.copy(EVENTS / "preview.jsonl", folder / "1-network.jsonl")
    (folder / "2-ecr.absent").touch()
    shutil.copy(EVENTS / "failed.jsonl", folder / "5-service.jsonl")
    text = report(HEADING, plan_report.load(tmp_path))
    assert text.startswith("<!-- transcriber-plan -->\n\n## Plan for 0123456789ab\n\n### dev\n")
    assert "| network | **1** | **1** | 1 | 1 | 1 |  |" in text
    assert "| ecr | | | | | | never deployed |" in text
    assert "| service | **1** |  | 1 | 1 |  | **failed** |" in text
    network = text.partition("#### network")[2].partition("#### ")[0]
    assert [line.split(" | ")[0] for line in network.splitlines()[4:8]] == [
        "| **replace**", "| **delete**", "| update", "| create",
    ]  # fmt: skip
    assert "<code>r</code> (replaces)" in network
    assert "no such thing&#58; such-a-thing" in text


def test_stacks_without_changes_have_no_table() -> None:
    text = report(HEADING, {"dev": {"network": plan(), "ecr": None}})
    assert "####" not in text
    assert "| network |  |  |  |  | 3 |  |" in text


def test_what_left_nothing_is_told_as_well(tmp_path: Path) -> None:
    """Or a comment without prod would read as if prod did not change."""
    text = report(HEADING, plan_report.load(tmp_path))
    assert re.findall(r"^### (.*)$", text, re.MULTILINE) == ["dev", "prod"]
    assert text.count("**not looked at**") == 10
    folder = tmp_path / "dev"
    folder.mkdir()
    shutil.copy(EVENTS / "preview.jsonl", folder / "1-network.jsonl")
    plans = plan_report.load(tmp_path)
    assert "| ecr |  |  |  |  |  | **not looked at** |\n| alb |" in report(HEADING, plans)
    assert plan_report.failures({"dev": plans["dev"]})


def test_one_that_was_cut_off_is_no_plan() -> None:
    text = report(HEADING, {"dev": {"alb": plan("create", finished=False)}})
    assert "**failed**" in text
    assert "It did not come to its end" in text


def test_a_giant_plan_is_cut_and_says_where_the_rest_is() -> None:
    giant = plan(*["create"] * 5_000, *["delete"] * 40, *["replace"] * 40)
    text = report(HEADING, {name: {"network": giant, "service": giant} for name in ("dev", "prod")})
    assert 55_000 < len(text.encode()) <= plan_report.LIMIT_BYTES
    assert len(rows(text, "replace")) == len(rows(text, "delete")) == 4 * 40, "the dangerous ones are all there"
    shown = len(rows(text, "create")) // 4
    assert f"{5_000 - shown} more: [the whole run]({HEADING.link})" in text


def test_long_errors_and_names_fit_as_well() -> None:
    name = "🦆" * 10_000
    steps = tuple(Step("replace", name, name, (name,) * 50, (name,) * 50) for _ in range(200))
    stacks: dict[str, Plan | None] = {f"stack{number}": Plan(steps, (name,) * 9, 0, False) for number in range(5)}
    text = report(HEADING, {"dev": stacks, "prod": stacks})
    assert len(text.encode()) <= plan_report.LIMIT_BYTES


@pytest.mark.parametrize(
    "name",
    [
        "`</code>|<img src=x onerror=alert(1)>",
        "a\n\n# heading\n- @everybody #1",
        "[click](https://evil.example)",
        "<!-- transcriber-plan -->",
        "</pre><script>",
        "![](https://evil.example/pixel.png)",
        "\u202eevil\u2066",
        "---\r\n| a | b |",
        "&lt;b&gt;",
        "\\|`",
    ],
)
def test_a_name_stays_in_its_cell(name: str) -> None:
    harmless = report(HEADING, {"dev": {"alb": Plan((Step("delete", KIND, "name"),), ("error",), 0, False)}})
    text = report(HEADING, {"dev": {"alb": Plan((Step("delete", KIND, name, (name,)),), (name,), 0, False)}})
    assert set(re.findall(r"<[^>]*>", text)) == set(re.findall(r"<[^>]*>", harmless))
    (row,) = rows(text, "delete")
    assert row.count("|") == 5
    assert not re.search(r"[@\[\]`!\\\u202e\u2066]", row)
    assert text.count("](") == harmless.count("]("), "no link but ours"


@given(st.text(max_size=200))
def test_no_text_leaves_its_place(name: str) -> None:
    text = report(HEADING, {"dev": {"alb": Plan((Step("delete", name, name, (name,)),), (), 0, True)}})
    (row,) = rows(text, "delete")
    cells = row.split(" | ")
    assert len(cells) == 4
    for cell in cells[1:]:
        inside = cell.removesuffix(" |").removeprefix("<code>").removesuffix("</code>")
        left = re.sub(r"&#\d+;", "", inside)
        assert not set(left) & (set(string.punctuation) - set(".,-/"))
        assert "\n" not in left


def test_by_the_command(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    shutil.copy(EVENTS / "drift.jsonl", tmp_path / "dev" / "1-network.jsonl")
    command = [sys.executable, SCRIPTS / "plan_report.py", tmp_path, "--title", "Plan", "--link", "https://x.example"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(rows(done.stdout, "update")) == 3
