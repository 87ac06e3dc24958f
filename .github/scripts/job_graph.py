"""Which job of which workflow does what, after what, as whom: workflows read as GitHub does, reusable ones in place.
`job_graph.py` prints it; nothing is run."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

WORKFLOWS = Path(__file__).resolve().parents[1] / "workflows"
CREDENTIALS = "aws-actions/configure-aws-credentials@"
Workflows = Mapping[str, Mapping[Any, Any]]
_EXPRESSION = re.compile(r"\$\{\{\s*(inputs|matrix)\.([\w-]+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it runs: `name` has the name of the calling job before its own, `after` names jobs in the same way."""

    workflow: str
    name: str
    called: str
    """The reusable workflow that it comes from, or empty."""
    after: tuple[str, ...]
    condition: str
    environment: str
    account: str
    role: str
    permissions: Mapping[str, str]
    groups: tuple[str, ...]
    cancels: tuple[bool, ...]
    timeout_minutes: int
    steps: tuple[Mapping[str, Any], ...]

    @property
    def commands(self) -> list[str]:
        """What its steps run, and the actions between."""
        return [str(step.get("run") or str(step["uses"]).partition("@")[0]) for step in self.steps]


def load(folder: Path = WORKFLOWS) -> dict[str, dict[str, Any]]:
    """Every workflow, by the name of its file. YAML takes the key `on` for true."""
    return {file.name: yaml.safe_load(file.read_text()) for file in sorted(folder.glob("*.yml"))}


def triggers(workflow: Mapping[Any, Any]) -> dict[str, Any]:
    found = workflow[True]
    return dict.fromkeys([found] if isinstance(found, str) else found) | (found if isinstance(found, dict) else {})


def jobs(workflows: Workflows, name: str) -> list[Job]:
    """The jobs that a run of the workflow has, in the order of the file."""
    return list(_jobs(workflows, name, {}))


def _jobs(workflows: Workflows, name: str, inputs: Mapping[str, str]) -> Iterator[Job]:
    workflow = workflows[name]
    made: dict[str, list[Job]] = {}
    for key, job in workflow["jobs"].items():
        needed = [needs] if isinstance(needs := job.get("needs", []), str) else needs
        after = tuple(last for need in needed for last in _last(made[need]))
        made[key] = [_after(each, after) for each in _of(workflows, name, key, job, inputs)]
        yield from made[key]


def _after(job: Job, needed: tuple[str, ...]) -> Job:
    return job if job.after else replace(job, after=needed)


def _last(found: Sequence[Job]) -> Iterable[str]:
    """Those that none of the others waits for."""
    waited_for = {name for job in found for name in job.after}
    return [job.name for job in found if job.name not in waited_for]


def _of(
    workflows: Workflows,
    workflow: str,
    key: str,
    job: Mapping[str, Any],
    inputs: Mapping[str, str],
) -> Iterator[Job]:
    if called := str(job.get("uses", "")).rpartition("/")[2]:
        for inner in _jobs(workflows, called, _inputs(workflows[called], _filled(job.get("with", {}), inputs))):
            yield replace(
                inner,
                workflow=workflow,
                name=f"{key} / {inner.name}",
                called=called,
                after=tuple(f"{key} / {name}" for name in inner.after),
                condition=str(job.get("if", "")) or inner.condition,
                permissions={scope: given for scope, given in inner.permissions.items() if scope in job["permissions"]},
            )
        return
    for values in _matrix(job):
        filled = _filled(job, inputs | {f"matrix.{name}": str(value) for name, value in values.items()})
        shown = str(filled.get("name", key))
        yield _job(workflows[workflow], workflow, key if "${{" in shown else shown, filled, inputs)


def _job(whole: Mapping[str, Any], workflow: str, name: str, job: Mapping[str, Any], inputs: Mapping[str, str]) -> Job:
    environment = job.get("environment", "")
    steps = tuple(job["steps"])
    given = next((step["with"] for step in steps if str(step.get("uses", "")).startswith(CREDENTIALS)), {})
    exclusions = [_filled(each["concurrency"], inputs) for each in (whole, job) if "concurrency" in each]
    return Job(
        workflow=workflow,
        name=name,
        called="",
        after=(),
        condition=str(job.get("if", "")),
        environment=environment["name"] if isinstance(environment, dict) else environment,
        account=given.get("allowed-account-ids", ""),
        role=str(given.get("role-to-assume", "")).rpartition("/")[2],
        permissions=job["permissions"],
        groups=tuple(each["group"] for each in exclusions),
        cancels=tuple(each["cancel-in-progress"] is not False for each in exclusions),
        timeout_minutes=job.get("timeout-minutes", 0),
        steps=steps,
    )


def _inputs(workflow: Mapping[Any, Any], given: Mapping[str, str]) -> dict[str, str]:
    known = (triggers(workflow)["workflow_call"] or {}).get("inputs", {})
    return {name: str(given.get(name, declared.get("default", ""))) for name, declared in known.items()}


def _matrix(job: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Entries that are listed one by one; a job with axes stands for all of its runs."""
    return job.get("strategy", {}).get("matrix", {}).get("include", [{}])


def _filled(value: Any, inputs: Mapping[str, str]) -> Any:
    """With what is known of inputs and matrix in place."""
    if isinstance(value, str):
        return _EXPRESSION.sub(lambda found: inputs.get(_known(found), found[0]), value)
    if isinstance(value, dict):
        return {key: _filled(each, inputs) for key, each in value.items()}
    return [_filled(each, inputs) for each in value] if isinstance(value, list) else value


def _known(found: re.Match[str]) -> str:
    return found[2] if found[1] == "inputs" else f"matrix.{found[2]}"


def table(workflows: Workflows) -> str:
    """In Markdown: workflows that something starts, with all of their jobs; one inside another is a line there."""
    started = {name: _starts(workflow) for name, workflow in workflows.items() if _starts(workflow)}
    lines = ["| workflow, when | job | after | environment | role | GitHub token | one at a time |", f"|{' --- |' * 7}"]
    for name, when in started.items():
        found = jobs(workflows, name)
        shown = {job.name: job.name.partition(" / ")[0] if job.called in started else job.name for job in found}
        rows: dict[str, str] = {}
        for job in found:
            rows.setdefault(shown[job.name], _row(job, shown, started))
        heads = [f"`{name}`: {', '.join(when)}", *[""] * (len(rows) - 1)]
        lines += [f"| {head} | {row} |" for head, row in zip(heads, rows.values(), strict=True)]
    return "\n".join(lines)


def _starts(workflow: Mapping[Any, Any]) -> list[str]:
    return [trigger for trigger in triggers(workflow) if trigger != "workflow_call"]


def _row(job: Job, shown: Mapping[str, str], started: Iterable[str]) -> str:
    after = ", ".join(dict.fromkeys(shown[name] for name in job.after if shown[name] != shown[job.name]))
    if job.called in started:
        return f"{shown[job.name]}: all of `{job.called}` | {after} | | | |"
    scopes = ", ".join(f"{scope} {given}" for scope, given in job.permissions.items())
    groups = ", ".join(_code(group) for group in job.groups)
    return " | ".join((job.name, after, job.environment, _code(job.role), scopes, groups))


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|") if text else ""


def main() -> int:
    sys.stdout.write(table(load()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
