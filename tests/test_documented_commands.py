"""Commands in documents, held against what understands them: those of `aws` against AWS's own models, those of `make`
against the Makefile."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from botocore.exceptions import UnknownServiceError

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "stacks").glob("*/README.md")),
]
HIGH_LEVEL = {("s3", "ls"), ("s3", "sync")}
"""The CLI's own: no operations of the API."""
OF_THE_CLI = {"--output", "--profile", "--query", "--region"}
"""Options that every command takes."""
CODE = re.compile(r"^ *```.*?\n(.*?)^ *```|`([^`\n]+)`", re.DOTALL | re.MULTILINE)


def snippets(text: str) -> Iterator[str]:
    """Blocks and inline code, lines that go on joined."""
    for block, inline in CODE.findall(text):
        yield re.sub(r"\\\n\s*", " ", block or inline)


def aws_commands(text: str) -> Iterator[list[str]]:
    """Words behind `aws`, also of one inside another."""
    for snippet in snippets(text):
        for found in re.finditer(r"(?<![\w./-])aws (?=[a-z0-9-]+ [a-z0-9-]+)", snippet):
            words = shlex.split(re.sub(r"\$\([^()]*\)", "ANSWER", _alone(snippet[found.end() :])))
            yield words if "…" not in words else words[:2]


def _alone(text: str) -> str:
    """Up to where the command ends: the line, a pipe or the bracket that it stands in; quotes hold all of these."""
    depth, quote = 0, ""
    for place, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif (sign in "\n|;>" and not depth) or (sign == ")" and not depth):
            return text[:place]
        depth += (sign == "(") - (sign == ")") if not quote else 0
    return text


@cache
def _operations(service: str) -> dict[str, Any]:
    """By the names of the CLI."""
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name, "-"): model.operation_model(name) for name in model.operation_names}


def problems(words: list[str]) -> list[str]:
    """What AWS would not understand, or would miss."""
    service, command, *given = words
    if (service, command) in HIGH_LEVEL:
        return []
    try:
        operations = _operations(service.removesuffix("api") if service == "s3api" else service)
    except UnknownServiceError:
        return [f"there is no service {service}"]
    if command == "wait":
        return []
    if command not in operations:
        return [f"{service} has no {command}"]
    shape = operations[command].input_shape
    members = {f"--{xform_name(name, '-')}": name for name in (shape.members if shape else ())}
    options = {word for word in given if word.startswith("--")}
    unknown = options - members.keys() - OF_THE_CLI
    missing = {f"--{xform_name(name, '-')}" for name in (shape.required_members if shape else ())} - options
    if not options or any(word.startswith("$") for word in given):
        missing = set()
    return [
        *(f"{command} has no {each}" for each in sorted(unknown)),
        *(f"{command} wants {each}" for each in sorted(missing)),
    ]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_aws_understands_what_is_documented(path: Path) -> None:
    found = {shlex.join(words): problems(words) for words in aws_commands(path.read_text())}
    assert {command: wrong for command, wrong in found.items() if wrong} == {}


def test_there_are_commands_to_look_at() -> None:
    assert sum(len(list(aws_commands(path.read_text()))) for path in DOCUMENTS) > 30


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_make_has_what_is_documented(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    known = set(re.findall(r"^([a-z][\w-]*):", makefile, re.MULTILINE))
    known |= {f"bench-{file.stem}" for file in (ROOT / "bench").glob("[a-z]*.py")}
    asked = {
        name
        for snippet in snippets(path.read_text())
        for name in re.findall(r"(?:^|\$ |\n)(?:[A-Z]+=\S+ )*make ([a-z][\w-]*)", snippet)
    }
    assert asked - known == set()


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("aws ecs list-task --cluster x", ["ecs has no list-task"]),
        ("aws esc list-tasks", ["there is no service esc"]),
        ("aws ssm get-parameter --names x", ["get-parameter has no --names", "get-parameter wants --name"]),
        ("aws cloudformation delete-stack --stack-name x", []),
        ("aws ecs stop-task --task \"$(aws ecs list-tasks --query 'taskArns[0]')\" | cat", []),
    ],
)
def test_what_is_wrong_is_found(command: str, wrong: list[str]) -> None:
    (first, *_) = aws_commands(f"`{command}`")
    assert problems(first) == wrong
