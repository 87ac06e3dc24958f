"""What the workflows ask Pulumi for, and make of its answer: .github/scripts with the real engine."""

import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import BroughtUp
from .deployed import SECRETS, STACKS, Deployed

pytestmark = pytest.mark.timeout(600)


def _script(deployed: Deployed, name: str, *arguments: str) -> str:
    """What it prints; it has to succeed."""
    done = subprocess.run(
        [sys.executable, deployed.root / ".github" / "scripts" / name, *arguments],
        cwd=deployed.root,
        env=deployed.engine.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    return done.stdout


def _report(deployed: Deployed, plans: Path) -> str:
    return _script(deployed, "plan_report.py", str(plans), "--title", "Plan", "--link", "https://example.com/run")


def _written(deployed: Deployed) -> dict[Path, int]:
    files = (path for path in (deployed.engine.folder / "backend").rglob("*") if path.is_file())
    return {path: path.stat().st_mtime_ns for path in files}


@pytest.mark.parametrize("what", ["preview", "refresh"])
def test_where_nothing_changed_there_is_nothing_to_tell(brought_up: BroughtUp, tmp_path: Path, what: str) -> None:
    deployed = brought_up.deployed
    before = _written(deployed)
    _script(deployed, "plans.py", what, "dev", str(tmp_path / "plans"))
    assert _written(deployed) == before, "a role that only reads is enough"
    text = _report(deployed, tmp_path / "plans")
    assert "####" not in text
    assert "failed" not in text
    assert text.count("\n| ") == 2 * (2 + len(STACKS))
    assert text.count("not looked at") == len(STACKS), "prod's, which nobody asked for"


def test_tasks_that_scaling_added_are_no_drift(deployed: Deployed, tmp_path: Path) -> None:
    """Though what somebody else changed is."""
    with deployed.engine.ledger.open() as account:
        [service] = account.of("aws:ecs/service:Service")
        [target] = account.of("aws:appautoscaling/target:Target")
        service.inputs["desiredCount"] = 2
        target.inputs["maxCapacity"] = 9
    _script(deployed, "plans.py", "refresh", "dev", str(tmp_path / "plans"))
    _, _, found = _report(deployed, tmp_path / "plans").partition("#### service")
    assert "Target</code> | <code>tasks</code> | <code>maxCapacity</code> |" in found, found
    assert found.count("\n| update |") == 1


def test_a_change_is_told_by_stack_with_what_it_replaces(deployed: Deployed, tmp_path: Path) -> None:
    deployed.configure("dev", log_days=30, task_cpu=512, task_memory_mib=1024)
    _script(deployed, "plans.py", "preview", "dev", str(tmp_path / "plans"))
    text = _report(deployed, tmp_path / "plans")
    assert "#### network" not in text
    assert "#### cluster\n\n| | type | name | properties |" in text
    service = text.partition("#### service")[2]
    first, *others = [line for line in service.splitlines() if line.startswith("| **") or line.startswith("| update")]
    assert first.startswith("| **replace** | <code>aws&#58;ecs/taskDefinition&#58;TaskDefinition</code> |")
    assert "<code>cpu</code> (replaces)" in first
    assert any("cloudwatch/logGroup&#58;LogGroup" in line and "<code>retentionInDays</code>" in line for line in others)
    assert not any(value in text for value in SECRETS.values())


def test_what_was_never_deployed_is_told_as_that(brought_up: BroughtUp, tmp_path: Path) -> None:
    _script(brought_up.deployed, "plans.py", "preview", "prod", str(tmp_path / "plans"))
    assert _report(brought_up.deployed, tmp_path / "plans").count("never deployed") == len(STACKS)
