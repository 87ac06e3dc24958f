"""Programs that stand in for those of a runner: each records how it was called and answers as it was told to, by words
among its arguments; what nobody told it about fails, as a typing mistake would."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / ".github" / "scripts"

_PROGRAM = """#!{python} -SE
import json, os, sys
name, arguments = {name!r}, sys.argv[1:]
told = {{each: os.environ[each] for each in {watched!r} if os.environ.get(each)}}
if missing := [each for each in {needed!r} if each not in told]:
    sys.stderr.write(name + ": needs " + ", ".join(missing) + "\\n")
    sys.exit(65)
text = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()
files = {{}}
for argument in arguments:
    for path in (argument, argument.removeprefix("body=@")):
        try:
            files[argument] = open(path).read()
        except OSError:
            pass
with open({calls!r}, "a") as calls:
    call = {{"program": name, "arguments": arguments, "stdin": text, "files": files, "told": told}}
    calls.write(json.dumps(call) + "\\n")
for rule in json.load(open({answers!r})):
    if rule["program"] == name and all(part in arguments for part in rule["asked"]):
        sys.stdout.write(rule["out"])
        sys.stderr.write(rule["err"])
        for path, content in rule["writes"].items():
            target = arguments[arguments.index(path) + 1] if path in arguments else path
            open(target, "a").write(content)
        sys.exit(rule["code"])
sys.stderr.write(name + ": nobody expected " + " ".join(arguments) + "\\n")
sys.exit(64)
"""
WATCHED = ("AWS_REGION", "GH_TOKEN", "PULUMI_BACKEND_URL", "TRANSCRIBER_API_KEY")
"""Variables by which programs do the same thing elsewhere, or as somebody else."""


@dataclass(frozen=True, slots=True)
class Call:
    """`told` is what of WATCHED it had."""

    program: str
    arguments: list[str]
    stdin: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    told: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.program, *self.arguments])

    def option(self, name: str) -> str:
        return self.arguments[self.arguments.index(name) + 1]


class Runner:
    """A machine of GitHub's, as far as scripts see it. `needed` are variables of WATCHED without which a program, by
    its name, refuses."""

    def __init__(self, folder: Path, root: Path = ROOT, *, needed: Mapping[str, Sequence[str]] | None = None) -> None:
        self._folder, self._root, self._needed = folder, root, needed or {}
        self._answers: list[dict[str, Any]] = []
        self._bin = folder / "bin"
        self._bin.mkdir(parents=True)
        self.output, self.summary = folder / "output", folder / "summary"

    def answer(
        self,
        command: str,
        out: str = "",
        *,
        code: int = 0,
        err: str = "",
        writes: Mapping[str, str] | None = None,
    ) -> None:
        """To calls whose arguments have all these words; of several answers that fit, the first. `writes` are files, or
        options that name one."""
        program, *asked = command.split()
        self._answers.append(
            {"program": program, "asked": asked, "out": out, "err": err, "code": code, "writes": dict(writes or {})}
        )
        text = _PROGRAM.format(
            python=sys.executable,
            name=program,
            calls=str(self._folder / "calls"),
            answers=str(self._folder / "answers"),
            watched=WATCHED,
            needed=tuple(self._needed.get(program, ())),
        )
        self.program(program, text)

    def answers_first(self) -> None:
        """The answer that was given last comes before all others."""
        self._answers.insert(0, self._answers.pop())

    def program(self, name: str, text: str) -> None:
        """One that is there for scripts to call."""
        file = self._bin / name
        file.write_text(text)
        file.chmod(0o755)

    def run(self, script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """A script of the workflows, as a step runs it."""
        path = self._root / ".github" / "scripts" / script
        command: Sequence[str] = [sys.executable, str(path)] if script.endswith(".py") else [str(path)]
        return self.execute([*command, *arguments], **variables)

    def execute(self, command: Sequence[str], **variables: str) -> subprocess.CompletedProcess[str]:
        (self._folder / "answers").write_text(json.dumps(self._answers))
        for file in (self.output, self.summary):
            file.touch()
        environment = {
            "PATH": f"{self._bin}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self._folder),
            "AWS_EC2_METADATA_DISABLED": "true",
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_REPOSITORY": "owner/transcriber",
            "GITHUB_RUN_ID": "42",
            **variables,
        }
        return subprocess.run(
            command,
            cwd=self._root,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    @property
    def calls(self) -> list[Call]:
        file = self._folder / "calls"
        return [Call(**json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []

    def called(self, *words: str) -> list[Call]:
        """Calls with all of these words."""
        return [call for call in self.calls if all(word in (call.program, *call.arguments) for word in words)]
