"""One of the five stacks, as Pulumi's Automation API drives it."""

import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import yaml
from pulumi import automation as auto

from stacks.contract import NEEDS, Stack
from stacks.environment.files import settings_of
from stacks.environment.plan import Plan

POLICIES = "policies"
PACKAGES = ".venv-stacks"
NOT_SOURCE = (".git", ".venv*", "__pycache__", "node_modules", "data", "*_cache")
Tell = Callable[[str], None]


class Failed(Exception):
    """What Pulumi could not do, in a few lines."""


class Workspace(auto.LocalWorkspace):
    """Leaves alone which stack the user has selected in the project's folder."""

    def select_stack(self, stack_name: str) -> None:
        """Raises StackNotFoundError."""
        if stack_name not in (stack.name.rpartition("/")[2] for stack in self.list_stacks()):
            raise auto.StackNotFoundError(auto.CommandResult("", f"no stack named {stack_name}", 255))

    def create_stack(self, stack_name: str) -> None:
        provider = ["--secrets-provider", self.secrets_provider] if self.secrets_provider else []
        self._run_pulumi_cmd_sync(["stack", "init", stack_name, "--no-select", *provider])


@dataclass(frozen=True, slots=True)
class Nested:
    """A stack of the environment, in the working copy at `root`."""

    root: Path
    stack: Stack
    environment: str

    def exists(self) -> bool:
        """Whether the backend knows it."""
        return self._selected() is not None

    def preview(self, elsewhere: "Elsewhere") -> Plan:
        """What `up` would do; changes nothing, neither in the backend nor in the working copy: a stack that the backend
        doesn't know is previewed elsewhere.

        Raises:
            Failed: with what is wrong.
        """
        return self._previewed(self._selected() or elsewhere.stack(self.stack))

    def up(self, tell: Tell, *, refresh: bool = False) -> dict[str, Any]:
        """Bring it up; its outputs that aren't secret.

        Raises:
            Failed: with what is wrong.
        """
        plan = Plan()
        stack = auto.Stack.create_or_select(self.environment, self._workspace())
        try:
            result = stack.up(
                on_output=tell,
                on_event=_collect(plan),
                color="never",
                refresh=refresh,
                policy_packs=self._policies(),
            )
        except auto.CommandError as error:
            raise self._failed("up", plan, error) from None
        return {name: output.value for name, output in result.outputs.items() if not output.secret}

    def drift(self) -> Plan:
        """What differs in the account from what the stack has written down; changes nothing.

        Raises:
            Failed: with what is wrong.
        """
        plan = Plan()
        stack = auto.Stack.select(self.environment, self._workspace())
        try:
            stack.preview_refresh(on_event=_collect_drift(plan), color="never", run_program=True)
        except auto.CommandError as error:
            raise self._failed("refresh", plan, error) from None
        return plan

    def destroy(self, tell: Tell) -> None:
        """Delete what it has; nothing if it never was, or if some of it is protected: Pulumi by itself would delete
        all the rest before it came to that.

        Raises:
            Failed: with what is wrong.
        """
        stack, plan = self._selected(), Plan()
        if stack is None:
            return
        if protected := [each["urn"].rpartition("::")[2] for each in self.resources() if each.get("protect")]:
            raise Failed(
                f"{self.stack}: nothing is deleted, for {', '.join(dict.fromkeys(protected))} is protected. Set "
                f"transcriber:protected to false in Pulumi.{self.environment}.yaml and bring the environment up once."
            )
        try:
            stack.destroy(on_output=tell, on_event=_collect(plan), color="never")
        except auto.CommandError as error:
            raise self._failed("destroy", plan, error) from None

    def refuse_if_used(self) -> None:
        """Raises Failed if a stack that reads its outputs has something."""
        readers = [Nested(self.root, stack, self.environment) for stack in Stack if self.stack in NEEDS[stack]]
        if users := [reader.stack.value for reader in readers if reader.resources()]:
            raise Failed(
                f"{self.stack}: nothing is deleted, for {', '.join(users)} uses it. All there is goes with: "
                f"make down ENV={self.environment}"
            )

    def outputs(self) -> dict[str, Any]:
        """Of what was last deployed; empty if nothing was."""
        stack = self._selected()
        return {name: output.value for name, output in stack.outputs().items()} if stack else {}

    def resources(self) -> list[dict[str, Any]]:
        """What it has in the account, as the state says it."""
        found: list[dict[str, Any]] = self._state().get("resources") or []
        return [each for each in found if each.get("custom") and not each["type"].startswith("pulumi:")]

    def written(self) -> str:
        """When its state was last written; empty if it never was."""
        manifest: dict[str, Any] = self._state().get("manifest") or {}
        return str(manifest.get("time", ""))

    def _state(self) -> dict[str, Any]:
        stack = self._selected()
        return cast("dict[str, Any]", (stack.export_stack().deployment if stack else None) or {})

    def _selected(self) -> auto.Stack | None:
        try:
            return auto.Stack.select(self.environment, self._workspace())
        except auto.StackNotFoundError:
            return None

    def _workspace(self) -> Workspace:
        return _workspace(self.root, self.stack, self.environment)

    def _policies(self) -> list[str]:
        return [str(self.root / POLICIES)] if (self.root / POLICIES).is_dir() else []

    def _previewed(self, stack: auto.Stack) -> Plan:
        plan = Plan()
        try:
            stack.preview(on_event=_collect(plan), color="never", policy_packs=self._policies())
        except auto.CommandError as error:
            raise self._failed("preview", plan, error) from None
        return plan

    def _failed(self, what: str, plan: Plan, error: auto.CommandError) -> Failed:
        return Failed(f"{self.stack}: {what} failed:\n" + "\n".join(plan.errors or errors_of(error)))


def errors_of(error: auto.CommandError) -> list[str]:
    """What Pulumi's CLI says is wrong, or all that it says."""
    said = str(error)
    return [line.strip() for line in said.splitlines() if line.lstrip().startswith("error:")] or [said]


def _workspace(root: Path, stack: Stack, environment: str, variables: dict[str, str] | None = None) -> Workspace:
    return Workspace(
        work_dir=str(root / "stacks" / stack),
        env_vars=variables,
        secrets_provider=_secrets_provider(root, environment),
    )


def _secrets_provider(root: Path, environment: str) -> str | None:
    """That of the environment, for a stack that is new: another one could not read the file that they share."""
    return settings_of(root, environment).get("secretsprovider")


def _step(plan: Plan, step: auto.StepEventMetadata) -> None:
    plan.step(str(getattr(step.op, "value", step.op)), step.type, step.urn)


def _collect_drift(plan: Plan) -> Callable[[auto.EngineEvent], None]:
    """What a refresh finds is known behind each of its steps; of components it always says that they are updated."""

    def collect(event: auto.EngineEvent) -> None:
        step = event.res_outputs_event.metadata if event.res_outputs_event else None
        if step and step.old and step.old.custom:
            _step(plan, step)
        if event.diagnostic_event and event.diagnostic_event.severity == "error":
            plan.error(event.diagnostic_event.message)

    return collect


def _collect(plan: Plan) -> Callable[[auto.EngineEvent], None]:
    def collect(event: auto.EngineEvent) -> None:
        if event.resource_pre_event:
            _step(plan, event.resource_pre_event.metadata)
        if event.diagnostic_event and event.diagnostic_event.severity == "error":
            plan.error(event.diagnostic_event.message)
        if event.policy_event and event.policy_event.enforcement_level == "mandatory":
            plan.error(f"{event.policy_event.policy_name}: {event.policy_event.message}")

    return collect


class Elsewhere:
    """A copy of the working copy, with a backend of its own where all five stacks are and none was ever deployed. Made
    when it is needed; a context that removes it."""

    def __init__(self, root: Path, environment: str) -> None:
        self._root = root
        self._environment = environment
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._workspaces: dict[Stack, Workspace] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder:
            self._folder.cleanup()

    def stack(self, stack: Stack) -> auto.Stack:
        with self._lock:
            if not self._workspaces:
                self._make()
        return auto.Stack.select(self._environment, self._workspaces[stack])

    def _make(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="transcriber-preview-")
        copy, backend = Path(self._folder.name) / "copy", Path(self._folder.name) / "backend"
        shutil.copytree(self._root, copy, ignore=shutil.ignore_patterns(*NOT_SOURCE), symlinks=True)
        (copy / PACKAGES).symlink_to((self._root / PACKAGES).resolve())
        backend.mkdir()
        _without_secrets_provider(copy / f"Pulumi.{self._environment}.yaml")
        variables = {"PULUMI_BACKEND_URL": backend.as_uri(), "PULUMI_CONFIG_PASSPHRASE": "preview"}
        for stack in Stack:
            workspace = _workspace(copy, stack, self._environment, variables)
            workspace.create_stack(self._environment)
            self._workspaces[stack] = workspace


def _without_secrets_provider(file: Path) -> None:
    settings = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({"config": settings["config"]}))
