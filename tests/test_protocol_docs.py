"""The documents of the native protocol: valid, complete, and true of the code."""

import ast
import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from tests.protocol_schema import (
    check_received,
    check_reference,
    check_refusal,
    check_sent,
    document,
    json_messages,
    resolve,
)
from transcriber.events import Options
from transcriber.wire.fields import MESSAGES, OPTIONS, QUERY

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "services" / "transcriber"
TEXT = (ROOT / "docs" / "protocol.md").read_text()
EXAMPLES: list[dict[str, Any]] = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)]


def _name(example: dict[str, Any]) -> str:
    return str(example.get("type", "refusal"))


def _rows(heading: str) -> dict[str, list[str]]:
    """The table under a heading: the other cells of each row, by the name in its first."""
    section = re.split(r"^##+ ", TEXT.split(f"\n## {heading}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): row[1:] for row in rows}


def _nodes(value: Any, path: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every mapping in a document, with the way to it."""
    if isinstance(value, dict):
        yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        yield from _nodes(item, f"{path}/{name}")


# The AsyncAPI document


def test_document_has_the_shape_of_asyncapi_3() -> None:
    text = {"type": "string", "minLength": 1}
    reference = {"type": "object", "required": ["$ref"], "properties": {"$ref": text}, "additionalProperties": False}
    operation = {
        "type": "object",
        "required": ["action", "channel", "messages"],
        "properties": {
            "action": {"enum": ["send", "receive"]},
            "channel": reference,
            "messages": {"type": "array", "items": reference, "minItems": 1, "uniqueItems": True},
            "title": text,
        },
        "additionalProperties": False,
    }
    channel = {
        "type": "object",
        "required": ["address", "messages"],
        "properties": {
            "address": text,
            "title": text,
            "messages": {"type": "object", "additionalProperties": reference},
            "bindings": {"type": "object"},
        },
        "additionalProperties": False,
    }
    message = {
        "type": "object",
        "required": ["name", "payload"],
        "properties": {
            "name": text,
            "title": text,
            "summary": text,
            "contentType": text,
            "payload": {"type": "object"},
        },
        "additionalProperties": False,
    }
    server = {
        "type": "object",
        "required": ["host", "protocol"],
        "properties": {"host": text, "protocol": {"enum": ["ws", "wss"]}, "description": text},
        "additionalProperties": False,
    }
    shape = {
        "type": "object",
        "required": ["asyncapi", "info", "channels", "operations", "components"],
        "properties": {
            "asyncapi": {"const": "3.0.0"},
            "info": {"type": "object", "required": ["title", "version"]},
            "defaultContentType": text,
            "servers": {"type": "object", "additionalProperties": server},
            "channels": {"type": "object", "additionalProperties": channel},
            "operations": {"type": "object", "additionalProperties": operation},
            "components": {
                "type": "object",
                "properties": {
                    "messages": {"type": "object", "additionalProperties": message},
                    "schemas": {"type": "object", "additionalProperties": {"type": "object"}},
                },
                "additionalProperties": False,
            },
        },
        "additionalProperties": False,
    }
    assert [problem.message for problem in Draft7Validator(shape).iter_errors(document())] == []


def test_references_resolve() -> None:
    references = [node["$ref"] for _, node in _nodes(document()) if "$ref" in node]
    assert references
    for reference in references:
        assert isinstance(resolve(reference), dict), reference


def test_references_stand_alone() -> None:
    """In JSON Schema draft 7, what stands beside a `$ref` is ignored."""
    assert [path for path, node in _nodes(document()) if "$ref" in node and len(node) > 1] == []


def test_schemas_are_valid_and_closed() -> None:
    components = document()["components"]
    schemas = {name: message["payload"] for name, message in components["messages"].items()} | components["schemas"]
    for name, schema in schemas.items():
        Draft7Validator.check_schema(schema)
        for path, node in _nodes(schema, name):
            if node.get("type") == "object":
                assert "additionalProperties" in node, path
                assert set(node.get("required", ())) <= set(node.get("properties", ())), path


def test_every_message_is_in_the_channel_and_goes_one_way() -> None:
    channel = document()["channels"]["session"]
    assert channel["address"] == "/ws"
    assert {name: entry["$ref"] for name, entry in channel["messages"].items()} == {
        name: f"#/components/messages/{name}" for name in document()["components"]["messages"]
    }
    carried = [entry["$ref"] for operation in document()["operations"].values() for entry in operation["messages"]]
    assert sorted(carried) == sorted(f"#/channels/session/messages/{name}" for name in channel["messages"])
    assert [operation["action"] for operation in document()["operations"].values()] == ["receive", "send"]


def test_messages_are_named_for_their_type() -> None:
    for name, message in document()["components"]["messages"].items():
        assert message["name"] == name
    for action in ("receive", "send"):
        for kind, reference in json_messages(action).items():
            assert reference == f"#/components/messages/{kind}/payload"


def test_fields_are_those_of_the_code() -> None:
    for kind, reference in json_messages("receive").items():
        assert set(resolve(reference)["properties"]) == {"type", *MESSAGES[kind]}
    schemas = document()["components"]["schemas"]
    assert set(schemas["query"]["properties"]) == set(QUERY)
    assert schemas["options"]["required"] == list(schemas["options"]["properties"]) == list(OPTIONS)


def test_checks_do_fail() -> None:
    for wrong in (
        {"type": "ack"},
        {"type": "ack", "received_bytes": 1, "number": 2},
        {"type": "start"},
        {},
        "no JSON",
        "1",
    ):
        with pytest.raises(AssertionError):
            check_sent(wrong)
    for wrong in (
        {"type": "start", "sample_rate": 1},
        {"type": "ack", "received_bytes": 1},
        {"type": "end", "now": True},
    ):
        with pytest.raises(AssertionError):
            check_received(wrong)
    with pytest.raises(AssertionError):
        check_refusal({"code": "draining"})
    with pytest.raises(AssertionError):
        check_reference("#/components/schemas/chunk_range", "0-1")


def test_what_is_not_json_is_described_too() -> None:
    check_received(b"RIFF")
    check_received("END")


# The page


@pytest.mark.parametrize("example", EXAMPLES, ids=_name)
def test_examples_are_as_described(example: dict[str, Any]) -> None:
    if "error" in example and "type" not in example:
        check_refusal(example)
    elif example["type"] in MESSAGES:
        check_received(example)
    else:
        check_sent(example)


def test_every_message_has_a_section_with_an_example() -> None:
    described = {*json_messages("receive"), *json_messages("send")}
    assert {example["type"] for example in EXAMPLES if "type" in example} == described
    assert described <= set(re.findall(r"^### `(\w+)`$", TEXT, re.MULTILINE))


def test_the_simplest_client_is_ten_lines_of_python() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    compile(program, "protocol.md", "exec")
    assert len(program.splitlines()) == 10


def test_every_option_is_documented_with_its_default() -> None:
    rows = _rows("Options")
    assert list(rows) == list(OPTIONS)
    defaults = dataclasses.asdict(Options(keywords=()))
    for name, (default, _, configurable) in rows.items():
        assert default == _as_written(defaults[name]), name
        assert configurable == ("yes" if name in MESSAGES["configure"] else "no"), name


def _as_written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _codes() -> Iterator[tuple[str, str]]:
    """Every literal code of an error or warning that the service can tell, with the module it is in."""
    for path in sorted(SOURCE.rglob("*.py")):
        if path.is_relative_to(SOURCE / "client"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                code = node.args[0]
                if node.func.id in ("Error", "FieldError", "Warned") and isinstance(code, ast.Constant):
                    yield str(code.value), path.name


def test_every_code_is_documented() -> None:
    documented = {*_rows("Errors"), *re.findall(r"^### `(\w+)`$", TEXT, re.MULTILINE)}
    documented |= {code for cells in _rows_of_refusals() for code in re.findall(r"`(\w+)`", cells[0])}
    for page in ("http.md", "sessions.md"):
        documented |= set(re.findall(r"`(\w+)`", (ROOT / "docs" / page).read_text().split("\n## Errors\n")[1]))
    assert {(code, module) for code, module in _codes() if code not in documented} == set()


def test_every_documented_code_exists() -> None:
    known = {code for code, _ in _codes()}
    assert set(_rows("Errors")) <= known
    assert {code for cells in _rows_of_refusals() for code in re.findall(r"`(\w+)`", cells[0])} <= known


def _rows_of_refusals() -> list[list[str]]:
    section = TEXT.split("\n## Refusals\n")[1].split("\n## ")[0]
    return [re.split(r" \| ", line.strip("| "))[1:] for line in section.splitlines() if re.match(r"\| \d{3} ", line)]
