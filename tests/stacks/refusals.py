"""How many wrong programs meet what the stand-in refuses: `python -m tests.stacks.refusals` runs its tests, counts, and
writes the table of docs/infrastructure.md anew. Fails where something is refused that no test brings about."""

import ast
import dataclasses
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from .recording import ROOT
from .standin.catalogue import KINDS
from .standin.kinds import Call, Kind
from .standin.refusal import Refused
from .standin.services import rollout

PAGE = ROOT / "docs/infrastructure.md"
BEGIN, END = "<!-- counted by make refusals -->", "<!-- end -->"
STANDIN = Path(__file__).parent / "standin"
TESTS = sorted(Path(__file__).parent.glob("test_standin_*.py"))
ITSELF = "test_standin_refusals.py"

ABOUT = {
    "autoscaling": "Application Auto Scaling",
    "ecr": "ECR",
    "ecs": "ECS: clusters and services",
    "elb": "load balancers",
    "identity": "IAM and KMS",
    "names": "ACM and Route 53",
    "security_groups": "security groups",
    "storage": "S3",
    "task_definitions": "ECS: task definitions",
    "telemetry": "CloudWatch, logs, SNS",
    "vpc": "EC2: networks",
    "kinds": "names, ranges, what is there twice",
    "policies": "policy documents",
    "references": "what does not exist, or is in use",
    "work": "permissions, types, what is gone",
    "functions": "functions",
    "tasks": "questions about tasks",
    "tags": "tags",
    "faults": "failures on demand",
    "rollout": "deployments whose tasks do not stay",
}
"""By module of the stand-in, what is refused there."""

Rule = tuple[str, str, int]
"""A type of resource, checks, rules or leaving, and which of them."""
Place = tuple[str, int]
"""A module, and the line in it."""


class Count:
    """A plugin of pytest's: `rules` has how often each of them refused, `places` the lines that did."""

    def __init__(self) -> None:
        self.rules: Counter[Rule] = Counter()
        self.places: Counter[Place] = Counter()
        self.stopped = 0
        """Deployments whose tasks did not stay."""

    def pytest_configure(self) -> None:
        for token, kind in list(KINDS.items()):
            KINDS[token] = self._watched(kind)
        self._watch_refusals()
        self._watch_tasks()

    def _watched(self, kind: Kind) -> Kind:
        parts: dict[str, Any] = {
            part: tuple(
                self._watch((kind.token, part, number), rule) for number, rule in enumerate(getattr(kind, part))
            )
            for part in ("checks", "rules", "leaving")
        }
        return dataclasses.replace(kind, **parts)

    def _watch(self, rule: Rule, function: Callable[[Any], None]) -> Callable[[Any], None]:
        self.rules[rule] = 0

        def watched(about: Any) -> None:
            try:
                function(about)
            except Refused:
                self.rules[rule] += 1
                raise

        return watched

    def _watch_refusals(self) -> None:
        original = Refused.__init__

        def noted(refused: Refused, code: str, message: str) -> None:
            original(refused, code, message)
            caller = sys._getframe(1)
            self.places[Path(caller.f_code.co_filename).stem, caller.f_lineno] += 1

        Refused.__init__ = noted  # type: ignore[method-assign]

    def _watch_tasks(self) -> None:
        original = rollout.roll_out

        def noted(call: Call) -> None:
            before = _failed(call)
            try:
                original(call)
            finally:
                self.stopped += _failed(call) - before

        service = KINDS["aws:ecs/service:Service"]
        KINDS[service.token] = dataclasses.replace(service, then=noted)

    def wrong(self) -> Counter[str]:
        """Wrong programs, by the module that refused them."""
        counted: Counter[str] = Counter({"rollout": self.stopped})
        for (module, _), times in self.places.items():
            counted[module] += times
        return counted

    def untested(self) -> list[str]:
        """Rules that never refused, and places that never did."""
        rules = [f"{token}: {part}[{number}]" for (token, part, number), times in self.rules.items() if not times]
        places = [
            f"{module}.py:{lines.start}"
            for module, lines in refusing()
            if not any(self.places[module, line] for line in lines)
        ]
        return rules + places


def _failed(call: Call) -> int:
    assert call.before is not None
    return sum(bool(item["reasons"]) for item in call.account.deployments.get(call.before.arn, []))


def refusing() -> Iterator[tuple[str, range]]:
    """Every expression that makes a refusal: its module and its lines."""
    for path in sorted(STANDIN.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Refused":
                yield path.stem, range(node.lineno, (node.end_lineno or node.lineno) + 1)


def stopping() -> int:
    """Reasons that ECS may have to stop a task."""
    return sum(
        isinstance(node, ast.Yield) for node in ast.walk(ast.parse((STANDIN / "services/rollout.py").read_text()))
    )


def table(wrong: Mapping[str, int]) -> str:
    """In Markdown, most first."""
    places = Counter(module for module, _ in refusing()) | Counter({"rollout": stopping()})
    rows = sorted(((wrong[module], places[module], about) for module, about in ABOUT.items()), reverse=True)
    rows.append((sum(row[0] for row in rows), sum(row[1] for row in rows), "all"))
    lines = ["| about | refusals | wrong programs |", "| --- | ---: | ---: |"]
    return "\n".join([*lines, *(f"| {about} | {refusals} | {programs} |" for programs, refusals, about in rows)])


def written(page: str) -> str:
    """What the page has of it."""
    return page.partition(BEGIN)[2].partition(END)[0].strip()


def main(page: Path) -> int:
    count = Count()
    tests = [str(path) for path in TESTS if path.name != ITSELF]
    failed = pytest.main(["-q", "-p", "no:cacheprovider", *tests], plugins=[count])
    untested = count.untested()
    if failed or untested:
        told = ["the tests of the stand-in fail"] if failed else ["no wrong program for", *untested]
        sys.stderr.write("\n".join([*told, ""]))
        return 1
    counted = f"{BEGIN}\n\n{table(count.wrong())}\n\n{END}"
    page.write_text(re.sub(rf"{BEGIN}.*?{END}", lambda _: counted, page.read_text(), flags=re.DOTALL))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE))
