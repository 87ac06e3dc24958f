"""Previews or refreshes the five stacks of an environment and keeps what the engine tells, for plan_report.py:
`plans.py preview|refresh ENVIRONMENT FOLDER`. Changes nothing and takes no lock, so a role that only reads is enough.

Exit code 1 if a stack can't be previewed; that an account has drifted is no failure."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STACKS = ("network", "ecr", "alb", "cluster", "service")
COMMANDS = {
    "preview": ("preview",),
    "refresh": ("refresh", "--preview-only", "--expect-no-changes", "--run-program"),
}
CHANGED = 7
"""Pulumi's exit code where changes were found and none expected."""
LAST_CHARACTERS = 2_000


def plan(what: str, environment: str, stack: str, folder: Path) -> bool:
    """Whether it could be made. Its events are in the folder."""
    file = folder / f"{STACKS.index(stack) + 1}-{stack}.jsonl"
    if not _deployed(environment, stack):
        file.with_suffix(".absent").touch()
        return True
    options = ["--stack", environment, "--non-interactive", "--color", "never", "--event-log", str(file)]
    if what == "preview" and (ROOT / "policies").is_dir():
        options += ["--policy-pack", "../../policies"]
    done = _pulumi(stack, *COMMANDS[what], *options)
    sys.stdout.write(f"==> {stack}\n{done.stdout}{done.stderr}")
    sys.stdout.flush()
    if done.returncode == 0 or (what == "refresh" and done.returncode == CHANGED):
        return True
    _tell(file, (done.stdout + done.stderr)[-LAST_CHARACTERS:])
    return False


def _deployed(environment: str, stack: str) -> bool:
    """Whether the backend knows it.

    Raises:
        SystemExit: the backend does not answer.
    """
    done = _pulumi(stack, "stack", "ls", "--json")
    if done.returncode:
        raise SystemExit(f"plans: {done.stderr.strip()}")
    return any(each["name"].rpartition("/")[2] == environment for each in json.loads(done.stdout))


def _pulumi(stack: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    # The option that writes events is one of Pulumi's own for debugging.
    environment = {**os.environ, "PULUMI_DEBUG_COMMANDS": "true", "PULUMI_SKIP_UPDATE_CHECK": "true"}
    return subprocess.run(
        ["pulumi", *arguments],
        cwd=ROOT / "stacks" / stack,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def _tell(file: Path, said: str) -> None:
    """What failed before there were events is an event as well."""
    errors = file.exists() and '"severity":"error"' in file.read_text()
    if not errors:
        with file.open("a") as events:
            events.write(json.dumps({"diagnosticEvent": {"message": said, "severity": "error"}}) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=sorted(COMMANDS))
    parser.add_argument("environment")
    parser.add_argument("folder", type=Path)
    given = parser.parse_args(arguments)
    folder = given.folder.resolve() / given.environment
    folder.mkdir(parents=True, exist_ok=True)
    made = [plan(given.what, given.environment, stack, folder) for stack in STACKS]
    return 0 if all(made) else 1


if __name__ == "__main__":
    sys.exit(main())
