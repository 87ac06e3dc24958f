"""Pulumi's state as it lies in the bucket, without what is encrypted in it: for roles that may decrypt nothing.

`state.py open ENVIRONMENT FOLDER` makes a backend in FOLDER of it, and has the steps behind use that one;
`state.py output ENVIRONMENT STACK NAME` prints an output. Reads PULUMI_BACKEND_URL, by the AWS CLI."""

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

STACKS = ("network", "ecr", "alb", "cluster", "service")
PASSPHRASE = "nothing is encrypted"  # noqa: S105 - so there is nothing to keep
HIDDEN = "[secret]"
_MARK, _ENCRYPTED_VALUE = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
_PROVIDER = re.compile(r"(secretsprovider|encryptedkey|encryptionsalt):")


class Refused(Exception):
    """What AWS, or this script, does not do; in words."""


def key(backend: str, environment: str, stack: str) -> tuple[str, str]:
    """Bucket and key of a stack's state.

    Raises:
        Refused: the backend is no bucket.
    """
    where = urllib.parse.urlsplit(backend)
    if where.scheme != "s3" or not where.netloc:
        raise Refused(f"PULUMI_BACKEND_URL is {backend!r}, and must be s3://BUCKET/...")
    path = f"{where.path.strip('/')}/.pulumi/stacks/transcriber-{stack}/{environment}.json"
    return where.netloc, path.lstrip("/")


def read(backend: str, environment: str, stack: str) -> dict[str, Any] | None:
    """The state as it lies there; None if there is none.

    Raises:
        Refused: with what the AWS CLI says.
    """
    bucket, path = key(backend, environment, stack)
    with tempfile.NamedTemporaryFile() as file:
        command = ["aws", "s3api", "get-object", "--bucket", bucket, "--key", path, file.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if "NoSuchKey" in done.stderr:
            return None
        if done.returncode:
            raise Refused(done.stderr.strip())
        return json.loads(Path(file.name).read_text())


def plain(value: Any) -> Any:
    """The same, with a word in place of everything encrypted, and of who could decrypt it."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get(_MARK) == _ENCRYPTED_VALUE:
        return HIDDEN
    return {name: plain(each) for name, each in value.items() if name != "secrets_providers"}


def output(state: dict[str, Any] | None, name: str) -> str:
    """Empty if it has none, or it is secret."""
    resources = ((plain(state) or {}).get("checkpoint", {}).get("latest") or {}).get("resources") or []
    for resource in resources:
        if resource["type"] == "pulumi:pulumi:Stack":
            value = (resource.get("outputs") or {}).get(name, "")
            return "" if value == HIDDEN else str(value)
    return ""


def open_plain(backend: str, environment: str, folder: Path) -> dict[str, str]:
    """Make the backend; the variables that go with it."""
    base = folder / ".pulumi"
    for stack in STACKS:
        if state := read(backend, environment, stack):
            file = base / f"stacks/transcriber-{stack}/{environment}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(plain(state)))
    base.mkdir(parents=True, exist_ok=True)
    (base / "meta.yaml").write_text("version: 1\n")
    return {"PULUMI_BACKEND_URL": folder.as_uri(), "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE}


def without_provider(text: str) -> str:
    """An environment's file, for a backend that has nothing to decrypt."""
    return "".join(line for line in text.splitlines(keepends=True) if not _PROVIDER.match(line))


def main(arguments: Sequence[str]) -> int:
    backend = os.environ.get("PULUMI_BACKEND_URL", "")
    try:
        match arguments:
            case ["open", environment, folder]:
                variables = open_plain(backend, environment, Path(folder).resolve())
                file = Path(f"Pulumi.{environment}.yaml")
                file.write_text(without_provider(file.read_text()))
                _tell("".join(f"{name}={value}\n" for name, value in variables.items()))
            case ["output", environment, stack, name]:
                if not (value := output(read(backend, environment, stack), name)):
                    return _say(f"{stack} of {environment} has no {name}")
                sys.stdout.write(f"{value}\n")
            case _:
                return _say("usage: state.py open ENVIRONMENT FOLDER | output ENVIRONMENT STACK NAME")
    except (OSError, Refused) as problem:
        return _say(str(problem))
    return 0


def _tell(variables: str) -> None:
    """To the steps behind this one."""
    if file := os.environ.get("GITHUB_ENV"):
        with Path(file).open("a") as known:
            known.write(variables)
    else:
        sys.stdout.write(variables)


def _say(problem: str) -> int:
    sys.stderr.write(f"state: {problem}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
