"""The real Pulumi CLI on a copy of programs, with the stand-in for AWS on its PATH."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .standin.account import Account, Ledger

ROOT = Path(__file__).parent.parent.parent
TOOLS = (
    "pulumi",
    "pulumi-language-python",
    "pulumi-resource-pulumi-python",
    "pulumi-resource-docker-build",
    "pulumi-resource-awsx",
    "node",
)
"""What must be on PATH to run programs with a real engine."""

_SECONDS = 1200
_NOTHING = ("same", "read", "read-replacement", "refresh")


def missing_tools() -> list[str]:
    return [tool for tool in TOOLS if shutil.which(tool) is None]


@dataclass(frozen=True)
class Ran:
    """One command of the CLI: what it said, and what the engine told of every step."""

    code: int
    output: str
    events: list[dict[str, Any]]
    seconds: float

    def steps(self) -> dict[str, list[str]]:
        """By type and name, what was done where anything was: update, create-replacement …"""
        found: dict[str, list[str]] = {}
        for event in self.events:
            metadata = (event.get("resOutputsEvent") or event.get("resOpFailedEvent") or {}).get("metadata")
            if metadata and metadata["op"] not in _NOTHING and not metadata["type"].startswith("pulumi:"):
                name = f"{metadata['type']} {metadata['urn'].rpartition('::')[2]}"
                found.setdefault(name, []).append(metadata["op"])
        return found

    def planned(self) -> dict[str, int]:
        """The summary's counts, by operation; those that stay the same are left out."""
        summaries = [event["summaryEvent"]["resourceChanges"] for event in self.events if "summaryEvent" in event]
        total: Counter[str] = Counter()
        for summary in summaries:
            total.update({operation: count for operation, count in summary.items() if operation != "same"})
        return dict(total)

    def diagnostics(self) -> str:
        """What a person is told, warnings and errors."""
        told = [event["diagnosticEvent"] for event in self.events if "diagnosticEvent" in event]
        return "".join(item["message"] for item in told if item["severity"] != "debug")


@dataclass
class Engine:
    """Its own home, backend and account below `folder`."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    within: list[str] = field(default_factory=list)
    """The command that runs the CLI, if another one does."""

    @classmethod
    def at(cls, folder: Path, **environment: str) -> "Engine":
        """The plugin is a script on PATH; what it is told comes from the environment, as with the real one."""
        plugins = folder / "plugins"
        plugins.mkdir(parents=True)
        plugin = plugins / "pulumi-resource-aws"
        plugin.write_text(f'#!/bin/sh\ncd "{ROOT}" && exec "{sys.executable}" -m tests.stacks.standin "$@"\n')
        plugin.chmod(0o755)
        for name in ("backend", "home"):
            (folder / name).mkdir(exist_ok=True)
        settings = {
            "PATH": f"{plugins}:{os.environ['PATH']}",
            "PULUMI_BACKEND_URL": f"file://{folder}/backend",
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_CONFIG_PASSPHRASE": "correct horse",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_PYTHON_CMD": sys.executable,
            "PULUMI_DEBUG_COMMANDS": "true",
            "PYTHONDONTWRITEBYTECODE": "1",
            "STANDIN_DIR": str(folder / "account"),
        }
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        return cls(folder, {**kept, **settings, **environment})

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.folder / "account")

    def account(self) -> Account:
        with self.ledger.open() as account:
            return account

    def start(self, *arguments: str, work: Path, more: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
        """In a process group of its own, so that it alone can be interrupted as a terminal does."""
        return subprocess.Popen(
            [*self.within, "pulumi", *arguments, "--non-interactive", "--color", "never"],
            cwd=work,
            env={**self.environment, **(more or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(
        self, *arguments: str, work: Path, more: Mapping[str, str] | None = None, succeeds: bool | None = True
    ) -> Ran:
        """`succeeds` is what the test expects; None for either."""
        with tempfile.NamedTemporaryFile(suffix=".json") as log:
            logged = ["--event-log", log.name] if arguments[0] in ("up", "preview", "destroy", "refresh") else []
            started = time.monotonic()
            process = self.start(*arguments, *logged, work=work, more=more)
            output, _ = process.communicate(timeout=_SECONDS)
            events = list(_events(Path(log.name).read_text()))
        if succeeds is not None:
            assert (process.returncode == 0) == succeeds, output[-6000:]
        return Ran(process.returncode, output, events, time.monotonic() - started)

    def state(self, project: str, stack: str) -> dict[str, Any]:
        path = self.folder / f"backend/.pulumi/stacks/{project}/{stack}.json"
        return dict(json.loads(path.read_text())["checkpoint"]["latest"] or {})

    def locks(self) -> list[Path]:
        return [path for path in (self.folder / "backend/.pulumi/locks").rglob("*.json") if path.is_file()]


def below(process: int) -> list[int]:
    """A process and all that come from it."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        # Others come and go meanwhile.
        with contextlib.suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = [process]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def _events(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        if line.strip():
            yield json.loads(line)
