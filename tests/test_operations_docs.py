"""docs/operations.md is true of the code: limits, close codes, error codes."""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from wsproto.frame_protocol import CloseReason

from transcriber.http_errors import CODES
from transcriber.hypercorn_config import Limits
from transcriber.hypercorn_tcp import RETRY_AFTER_SECONDS
from transcriber.settings import Settings

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "services" / "transcriber"
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()
_CODED = {"Error", "FieldError", "Warned", "EngineError", "_Kind"}
"""What is made with a code as its first argument."""


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one of its rank."""
    level = heading.split(maxsplit=1)[0]
    return re.split(rf"^{level} ", text.split(f"\n{heading}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]


def calls() -> Iterator[tuple[ast.Call, str]]:
    for path in sorted(SOURCE.rglob("*.py")):
        if not path.is_relative_to(SOURCE / "client"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    yield node, path.name


def codes_in_source() -> set[str]:
    found = set(CODES.values())
    for call, _ in calls():
        named = isinstance(call.func, ast.Name) and call.func.id in _CODED
        if named and call.args and isinstance(call.args[0], ast.Constant):
            found.add(str(call.args[0].value))
    return found


def close_codes_in_source() -> set[int]:
    """Those in `close_code=`, in `Close(…)`, as constants of a module, and by name of wsproto's."""
    found: set[int] = set()
    for call, _ in calls():
        values = [keyword.value for keyword in call.keywords if keyword.arg == "close_code"]
        if isinstance(call.func, ast.Name) and call.func.id == "Close":
            values += call.args[:1]
        found |= {value.value for value in values if isinstance(value, ast.Constant) and type(value.value) is int}
    websockets = (SOURCE / "hypercorn_websocket.py").read_text()
    found |= {int(CloseReason[name]) for name in re.findall(r"CloseReason\.([A-Z_]+)", websockets)}
    found |= {int(code) for code in re.findall(r"^_\w+ = (1\d{3})$", (SOURCE / "transport.py").read_text(), re.M)}
    return found


def rows(text: str) -> dict[str, str]:
    """Lines of tables by their first cells, without marks."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return {line.split("|")[1].strip(" `"): line for line in lines}


def test_every_close_code_is_documented_for_clients_and_for_operators() -> None:
    # 1002 and 1007 are wsproto's own verdicts; 1006 never travels.
    sent = {str(code) for code in (close_codes_in_source() | {1002, 1007}) - {1006}}
    heading = "## Close codes and error codes"
    assert {code for code in rows(section(PROTOCOL, "## Close codes")) if code.isdigit()} == sent
    assert {code for code in rows(section(OPERATIONS, heading)) if code.isdigit() and int(code) >= 1000} == sent


def test_every_error_code_is_explained_to_operators() -> None:
    explained = set(re.findall(r"`(\w+)`", section(OPERATIONS, "## Close codes and error codes")))
    assert codes_in_source() - explained == set()


def test_every_code_that_is_explained_exists() -> None:
    named: set[str] = set()
    for first in rows(section(OPERATIONS, "## Close codes and error codes")):
        named |= set(re.findall(r"\w+_\w+", first))
    assert named <= codes_in_source() | {"invalid_request"}


@pytest.mark.parametrize(("status", "code"), CODES.items())
def test_http_answers_are_documented_with_their_codes(status: int, code: str) -> None:
    assert f"`{code}`" in rows(section(OPERATIONS, "### Answers to plain HTTP"))[str(status)]


def _size(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


def test_limits_of_the_transport_are_documented_as_they_are() -> None:
    limits, table = Limits(), rows(section(OPERATIONS, "## Transport"))
    fixed = {
        "request line and headers": (_size(limits.head_bytes), f"{limits.head_seconds:g} s"),
        "time between the requests of a connection": (f"{limits.keep_alive_seconds:g} s",),
        "request body": (_size(limits.body_bytes), f"{limits.body_seconds:g} s"),
        "answer to a close frame of the service": (f"{limits.linger_seconds:g} s",),
    }
    for name, values in fixed.items():
        assert all(value in table[name] for value in values), name
    assert f"`Retry-After: {RETRY_AFTER_SECONDS}`" in OPERATIONS
    written = {"head_bytes", "head_seconds", "keep_alive_seconds", "body_bytes", "body_seconds", "linger_seconds"}
    settings = {field.name for field in fields(Settings)}
    for field in fields(Limits):
        known = field.name in written or {field.name, f"max_{field.name}"} & settings
        assert known, f"{field.name} is neither a setting nor in the table"


def test_every_limit_that_is_a_setting_is_among_the_limits() -> None:
    limits = section(OPERATIONS, "## Limits") + section(OPERATIONS, "## Transport") + section(OPERATIONS, "## Runbook")
    names = [field.name.upper() for field in fields(Settings)]
    bounding = [name for name in names if name.startswith(("MAX_", "MIN_")) or name.endswith("_SECONDS")]
    elsewhere = {"EMF_SECONDS", "OPENAI_TIMEOUT_SECONDS"}
    assert [name for name in bounding if f"`{name}`" not in limits and name not in elsewhere] == []
