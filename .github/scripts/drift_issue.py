"""One issue per environment while the account is not as it was left: `drift_issue.py FOLDER --link URL`, with what
`plans.py refresh` wrote. Opened, written anew, and closed when all is well again.

Exit code 1 if something drifted or could not be looked at, so that the run is red as well."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from plan_report import Heading, Plans, changes, failures, load, report

LABEL = "drift"


def gh(*arguments: str) -> str:
    """What it prints.

    Raises:
        subprocess.CalledProcessError: it failed, and has said why.
    """
    return subprocess.run(["gh", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def settle(environment: str, plans: Plans, link: str) -> bool:
    """Whether all is well."""
    title = f"Drift in {environment}"
    number = _open_issue(title)
    if not changes(plans) and not failures(plans):
        if number:
            gh("issue", "close", number, "--comment", f"As it was left: {link}")
        return True
    with tempfile.NamedTemporaryFile("w", suffix=".md") as body:
        body.write(report(Heading("transcriber-drift", title, link), plans))
        body.flush()
        if number:
            gh("issue", "edit", number, "--body-file", body.name)
        else:
            gh("label", "create", LABEL, "--force", "--description", "The account is not as it was left")
            gh("issue", "create", "--title", title, "--label", LABEL, "--body-file", body.name)
    return False


def _open_issue(title: str) -> str:
    fields = ("--json", "number,title", "--limit", "100")
    found: list[dict[str, Any]] = json.loads(gh("issue", "list", "--state", "open", "--label", LABEL, *fields))
    return next((str(each["number"]) for each in found if each["title"] == title), "")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--link", required=True)
    given = parser.parse_args(arguments)
    try:
        well = [settle(name, {name: stacks}, given.link) for name, stacks in load(given.folder).items()]
    except subprocess.CalledProcessError as problem:
        return problem.returncode
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
