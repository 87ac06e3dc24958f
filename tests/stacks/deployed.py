"""A copy of the working copy, and the environments that are brought up from it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bootstrap import template
from bootstrap.template import Place

from .builder import Builder
from .ecs_api import ecs_api
from .engine import ROOT, Engine, Ran
from .standin.account import Account
from .standin.services import tasks

STACKS = ("network", "ecr", "alb", "cluster", "service")
RESOURCES = {"network": 25, "ecr": 4, "alb": 6, "cluster": 5, "service": 41}
"""How many each stack makes in `dev`, components and the stack itself included."""
SECRETS = {
    "api-keys": "alice:correct-horse-battery-staple",
    "openai-api-key": "sk-very-secret-indeed",
    "token-secret": "nobody-may-ever-read-this-secret",
}
"""Values that must turn up nowhere."""
ZONE = "Z0123456789ABCDEFGHIJ"

_NOT_COPIED = (".git", ".venv*", "__pycache__", ".*_cache", "data", "tests", "bench", "docs")

SMALL_IMAGE = """\
FROM scratch AS api
COPY --chown=10001:10001 services/transcriber /app/transcriber
COPY requirements/server.txt /venv/bin/python
USER 10001:10001
VOLUME /data
ENV PATH=/venv/bin
"""
"""Has of the real one what the stand-in looks for, and is built in a second."""


@dataclass
class Deployed:
    """`root` is the working copy, `engine` what runs it."""

    root: Path
    engine: Engine

    @classmethod
    def at(cls, folder: Path, builder: Builder, *, dockerfile: str = SMALL_IMAGE) -> "Deployed":
        """Everything to bring environments up with, and nothing brought up yet."""
        root = folder / "copy"
        shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*_NOT_COPIED), symlinks=True)
        (root / "Dockerfile").write_text(dockerfile or (ROOT / "Dockerfile").read_text())
        made = cls(root, _engine(folder, builder))
        made.configure("dev", architecture="x86_64")
        made.configure("prod", architecture="x86_64")
        with made.engine.ledger.open() as account:
            account.outside["zones"] = {ZONE: "example.com"}
            account.outside["policies"] = dict(template.boundary(Place(), name) for name in ("dev", "prod"))
            account.outside["parameters"] = {
                f"/transcriber/{environment}/{name}": {"type": "SecureString", "value": value}
                for environment in ("dev", "prod")
                for name, value in SECRETS.items()
            }
        return made._ready(folder)

    def copy(self, folder: Path, builder: Builder) -> "Deployed":
        """The same, with everything that was brought up, to be changed without changing this."""
        for name in ("copy", "backend", "account"):
            shutil.copytree(self.engine.folder / name, folder / name, symlinks=True)
        return Deployed(folder / "copy", _engine(folder, builder))._ready(folder)

    def _ready(self, folder: Path) -> "Deployed":
        """Its packages are those of the tests; its modules are its own."""
        packages = self.root / ".venv-stacks"
        if not packages.is_symlink():
            packages.symlink_to(sys.prefix)
        self.engine.environment["PYTHONPATH"] = str(self.root)
        return self

    def configure(self, environment: str, **settings: Any) -> None:
        """None takes a setting away; `aws__region` stands for another namespace."""
        path = self.root / f"Pulumi.{environment}.yaml"
        file = yaml.safe_load(path.read_text())
        for key, value in settings.items():
            name = key.replace("__", ":") if "__" in key else f"transcriber:{key}"
            file["config"].pop(name, None)
            if value is not None:
                file["config"][name] = value
        path.write_text(yaml.safe_dump(file))

    def stack(self, name: str) -> Path:
        return self.root / "stacks" / name

    def initialise(self, environment: str) -> None:
        for name in STACKS:
            self.engine.run("stack", "init", environment, "--no-select", work=self.stack(name))

    def do(
        self, verb: str, name: str, environment: str = "dev", *options: str, succeeds: bool | None = True, **more: str
    ) -> Ran:
        """One of the CLI's verbs on one stack."""
        confirmed = (
            ("--skip-preview",) if verb in ("up", "destroy", "refresh") and "--preview-only" not in options else ()
        )
        return self.engine.run(
            verb, *confirmed, "-s", environment, *options, work=self.stack(name), more=more, succeeds=succeeds
        )

    def up(self, environment: str = "dev", stacks: tuple[str, ...] = STACKS) -> dict[str, Ran]:
        return {name: self.do("up", name, environment) for name in stacks}

    def down(self, environment: str = "dev") -> dict[str, Ran]:
        return {name: self.do("destroy", name, environment) for name in reversed(STACKS)}

    def run(
        self, module: str, environment: str, *options: str, said: str = "", seconds: float = 900
    ) -> "subprocess.CompletedProcess[str]":
        """A command of the Makefile's, in the copy; `said` is what somebody types."""
        return subprocess.run(
            [sys.executable, "-m", module, environment, *options],
            cwd=self.root,
            env=self.engine.environment,
            input=said,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def outputs(self, name: str, environment: str = "dev") -> dict[str, Any]:
        for resource in self.resources(name, environment):
            if resource["type"] == "pulumi:pulumi:Stack":
                return dict(resource["outputs"])
        return {}

    def resources(self, name: str, environment: str = "dev") -> list[dict[str, Any]]:
        return list(self.engine.state(f"transcriber-{name}", environment).get("resources") or [])

    def account(self) -> Account:
        return self.engine.account()

    @contextmanager
    def ecs(self) -> Generator[None]:
        """Inside, what asks ECS itself is answered from the account."""
        with ecs_api(lambda operation, request: tasks.answer(self.account(), operation, request)) as (address, _):
            before = dict(self.engine.environment)
            keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
            self.engine.environment |= {"AWS_ENDPOINT_URL_ECS": address, **keys}
            yield
            self.engine.environment = before

    def commit(self) -> None:
        """As in a repository whose last commit is what is there."""
        for command in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "All")):
            author = ("-c", "user.name=a", "-c", "user.email=a@example.com")
            subprocess.run(("git", *author, *command), cwd=self.root, check=True, capture_output=True)

    def everything_written(self) -> str:
        """State, histories, events and account, to look for what must not be in them; the account's own store of
        secrets is left out."""
        texts: list[str] = []
        for folder in ("backend", "account", "home"):
            for path in sorted((self.engine.folder / folder).rglob("*")):
                if path.is_file() and path.name != "account.json":
                    texts.append(path.read_bytes().decode(errors="replace"))
        made = json.dumps([vars(resource) for resource in self.account().resources])
        return "\n".join([*texts, made])


def _engine(folder: Path, builder: Builder) -> Engine:
    return Engine.at(folder, STANDIN_REGISTRY=builder.registry.host, **builder.environment)


def made_by(account: Account, environment: str) -> Mapping[str, str]:
    """What an environment has in the account, by URN, as text."""
    return {
        resource.urn: json.dumps(vars(resource), sort_keys=True)
        for resource in account.resources
        if resource.urn.startswith(f"urn:pulumi:{environment}::")
    }
