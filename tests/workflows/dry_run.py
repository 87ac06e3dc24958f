"""Workflows run dry: every job, step after step, with GitHub's expressions evaluated, in copies of the repository, with
stand-ins for all that is outside. `python -m tests.workflows.dry_run` prints which programs each step calls."""

import itertools
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / ".github" / "scripts"))

import job_graph  # noqa: E402
from tests.workflows.expressions import Unknown, filled, holds  # noqa: E402
from tests.workflows.machine import Failed, Machine  # noqa: E402
from tests.workflows.standin import Call  # noqa: E402
from tests.workflows.working_copy import cloned, git  # noqa: E402

ACCOUNTS = {"dev": "111111111111", "prod": "222222222222"}
VARIABLES = {"AWS_REGION": "us-east-1"} | {
    f"{name}_{environment.upper()}": value.format(environment=environment, account=account)
    for environment, account in ACCOUNTS.items()
    for name, value in (
        ("AWS_ACCOUNT_ID", "{account}"),
        ("PULUMI_BACKEND_URL", "s3://state/{environment}?region=us-east-1"),
        ("PULUMI_SECRETS_PROVIDER", "awskms:///arn:aws:kms:us-east-1:{account}:key/{environment}"),
    )
}
"""The repository's, as bootstrap has them set."""
_VERSION = "1.0.0"
_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}|(\bcommit-)[0-9a-f]{12}\b")
_HERE = re.compile(r"/tmp/[\w./-]+|TEMP[\w./-]*")


@dataclass(frozen=True)
class Happening:
    """What starts a workflow. `payload` is `github.event`."""

    workflow: str
    event: str
    ref: str = "main"
    payload: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        given = " ".join(filter(None, self.inputs.values()))
        return f"{self.workflow}: {self.event} {given or self.ref}"


def _pull_request(repository: str) -> dict[str, Any]:
    head_, base = {"sha": "1" * 40, "repo": {"full_name": repository}}, {"sha": "2" * 40}
    return {"pull_request": {"number": 7, "head": head_, "base": base}}


def _by_hand(environment: str, action: str, image: str = "", ref: str = "") -> Happening:
    given = {"action": action, "environment": environment, "ref": ref, "image": image}
    return Happening("manual.yml", "workflow_dispatch", inputs=given)


PULL_REQUEST = Happening("preview.yml", "pull_request", "7/merge", _pull_request("owner/transcriber"))
OF_A_FORK = Happening("preview.yml", "pull_request", "7/merge", _pull_request("somebody/transcriber"))
CHECKED = Happening("check.yml", "pull_request", "7/merge", _pull_request("somebody/transcriber"))
MERGED = Happening("deploy.yml", "push")
NIGHT = Happening("drift.yml", "schedule")
RELEASE = Happening("release.yml", "push", f"v{_VERSION}")
BY_HAND = (
    _by_hand("dev", "deploy", ref="branch"),
    _by_hand("dev", "redeploy"),
    _by_hand("prod", "rollback", image=_VERSION),
)
BUILT_BY_DEV = _by_hand("prod", "deploy")
"""Prod takes what dev runs, which is in dev's state."""
ALL = (CHECKED, PULL_REQUEST, MERGED, *BY_HAND, NIGHT, RELEASE)


@dataclass(frozen=True)
class Step:
    """What it runs, or the action; and what that called."""

    command: str
    calls: Sequence[Call]


@dataclass(frozen=True)
class PlayedJob:
    """`copy` is its working copy afterwards."""

    name: str
    environment: str
    role: str
    steps: Sequence[Step]
    copy: Path

    def called(self, *words: str) -> list[Call]:
        """Calls with all of these words."""
        calls = [call for step in self.steps for call in step.calls]
        return [call for call in calls if all(word in (call.program, *call.arguments) for word in words)]


class DryRun:
    """All jobs that are due when something happens; `jobs` are those that ran."""

    def __init__(self, happening: Happening, clone: Path, folder: Path) -> None:
        self.jobs: list[PlayedJob] = []
        self._happening, self._clone, self.folder = happening, clone, folder
        self._workflows = job_graph.load()
        (folder / "artifacts").mkdir()
        github = {
            "event": happening.payload,
            "event_name": happening.event,
            "ref_name": happening.ref,
            "repository": "owner/transcriber",
            "run_id": "42",
            "server_url": "https://github.com",
            "sha": git(clone, "rev-parse", "HEAD"),
            "token": "t0ken",
        }
        self._context: Mapping[str, Any] = {"github": github, "vars": VARIABLES}
        self._workflow(happening.workflow, happening.inputs, "")

    def _workflow(self, name: str, inputs: Mapping[str, Any], before: str) -> dict[str, Any]:
        """Its outputs."""
        workflow = self._workflows[name]
        ended: dict[str, Any] = {}
        for key, job in workflow["jobs"].items():
            needed = [needs] if isinstance(needs := job.get("needs", []), str) else needs
            context = {**self._context, "inputs": inputs, "needs": {each: ended[each] for each in needed}}
            if not _due(job, context):
                ended[key] = {"result": "skipped", "outputs": {}}
                continue
            if called := str(job.get("uses", "")).rpartition("/")[2]:
                given = _declared(self._workflows[called]) | filled(job.get("with", {}), context)
                outputs = self._workflow(called, given, f"{before}{key} / ")
            else:
                outputs = {}
                for values in _matrix(job, context):
                    outputs = self._job(before, key, job, {**context, "matrix": values})
            ended[key] = {"result": "success", "outputs": outputs}
        called = (job_graph.triggers(workflow).get("workflow_call") or {}).get("outputs", {})
        return {output: filled(each["value"], {"jobs": ended}) for output, each in called.items()}

    def _job(self, before: str, key: str, job: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
        number = f"{len(self.jobs)}"
        copy = Path(shutil.copytree(self._clone, self.folder / number / "copy"))
        if self._happening is RELEASE:
            _date(copy)
        machine = Machine(self.folder / number / "machine", copy, self.folder / "artifacts")
        machine.variables(GITHUB_EVENT_NAME=self._happening.event, GITHUB_REF_NAME=self._happening.ref)
        within = {**context, "steps": {}}
        given = filled(job.get("env", {}), within)
        steps = [
            _step(machine, step, within, given)
            for step in job["steps"]
            if "if" not in step or holds(step["if"], within)
        ]
        environment = filled(job.get("environment", ""), within)
        name = environment["name"] if isinstance(environment, dict) else environment
        shown = f"{before}{filled(job.get('name', key), within)}"
        self.jobs.append(PlayedJob(shown, name, machine.assumed, steps, copy))
        return filled(job.get("outputs", {}), within)


def _step(machine: Machine, step: Mapping[str, Any], context: dict[str, Any], given: Mapping[str, Any]) -> Step:
    """It is played; its outputs are in the context from then on."""
    earlier = len(machine.calls)
    outputs: dict[str, str] = {}
    if "run" in step:
        outputs = machine.run(step["run"], {**given, **filled(step.get("env", {}), context)})
    else:
        machine.act(str(step["uses"]).partition("@")[0], filled(step.get("with", {}), context))
    if "id" in step:
        context["steps"][step["id"]] = {"outputs": outputs}
    return Step(str(step.get("run") or str(step["uses"]).partition("@")[0]), machine.calls[earlier:])


def _due(job: Mapping[str, Any], context: Mapping[str, Any]) -> bool:
    condition = str(job.get("if", "true"))
    skipped = any(each["result"] == "skipped" for each in context["needs"].values())
    return holds(condition, context) and ("cancelled()" in condition or not skipped)


def _declared(workflow: Mapping[Any, Any]) -> dict[str, Any]:
    declared = (job_graph.triggers(workflow)["workflow_call"] or {}).get("inputs", {})
    return {name: each.get("default", "") for name, each in declared.items()}


def _matrix(job: Mapping[str, Any], context: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    axes = dict(filled(job.get("strategy", {}).get("matrix", {}), context))
    if "include" in axes:
        yield from axes["include"]
        return
    for values in itertools.product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def _date(copy: Path) -> None:
    """As a release wants them."""
    (copy / "CHANGELOG.md").write_text(f"# Changelog\n\n## [{_VERSION}] - 2026-11-25\n\n- The first.\n")
    (copy / "services/transcriber/__init__.py").write_text(f'__version__ = "{_VERSION}"\n')


def printed(run: DryRun, folder: Path, told: set[str]) -> str:
    """Jobs that do what was told already are left out; neither folders of this machine nor whole digests are shown."""
    parts: list[str] = []
    for job in run.jobs:
        steps = "".join(_lines(step, job, folder) for step in job.steps)
        if steps not in told:
            role = f", as {job.role.rpartition('/')[2]}" if job.role else ""
            parts.append(f"{job.name}{role}\n{steps}")
        told.add(steps)
    return "\n".join(parts)


def _lines(step: Step, job: PlayedJob, folder: Path) -> str:
    calls = [str(call).replace(str(job.copy), ".").replace(str(folder), "TEMP") for call in step.calls]
    shown = (_HERE.sub("FILE", _DIGEST.sub(r"\1\2…", call)) for call in calls)
    return "".join([f"  {step.command}\n", *(f"      {call}\n" for call in dict.fromkeys(shown))])


def main(arguments: Sequence[str]) -> int:
    told: set[str] = set()
    wanted = [each for each in ALL if not arguments or each.workflow in arguments]
    with tempfile.TemporaryDirectory() as name:
        clone = Path(name) / "clone"
        clone.mkdir()
        cloned(clone)
        for number, happening in enumerate(wanted):
            folder = Path(name) / str(number)
            folder.mkdir()
            try:
                sys.stdout.write(f"\n# {happening}\n\n{printed(DryRun(happening, clone, folder), folder, told)}")
            except (Failed, Unknown) as problem:
                sys.stderr.write(f"{happening}: {problem}\n")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
