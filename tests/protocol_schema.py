"""The native protocol as docs/asyncapi.yaml describes it, to hold messages against: every test that sends or receives
one calls `check_received` or `check_sent`, named from the service's side."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator

DOCUMENT = Path(__file__).parents[1] / "docs" / "asyncapi.yaml"


@cache
def document() -> dict[str, Any]:
    return yaml.safe_load(DOCUMENT.read_text())


def resolve(reference: str) -> Any:
    """What a `#/…` reference points to; KeyError when nothing is there."""
    value: Any = document()
    for name in reference.removeprefix("#/").split("/"):
        value = value[name]
    return value


@cache
def json_messages(action: str) -> Mapping[str, str]:
    """References to the payloads of all JSON messages that the service does `action` with, by `type`."""
    return {
        payload["properties"]["type"]["const"]: reference
        for reference in _payloads(action)
        if "properties" in (payload := resolve(reference))
    }


def check_sent(message: str | Mapping[str, Any]) -> None:
    """A message from the service must be described."""
    check_reference(_payload("send", parsed := _parsed(message)), parsed)


def check_received(message: bytes | str | Mapping[str, Any]) -> None:
    """A message that the service should understand must be described."""
    if isinstance(message, bytes) or message == "END":
        return
    check_reference(_payload("receive", parsed := _parsed(message)), parsed)


def check_refusal(body: str | Mapping[str, Any]) -> None:
    """The body of a refused handshake must be described."""
    check_reference("#/components/schemas/refusal", _parsed(body))


def check_reference(reference: str, value: object) -> None:
    """AssertionError with the place and the reason when `value` is not as the schema at `reference` says."""
    problem = next(iter(_validator(reference).iter_errors(value)), None)
    assert problem is None, f"{reference}: {problem.json_path}: {problem.message} in {value!r}"


@cache
def _validator(reference: str) -> Draft7Validator:
    return Draft7Validator({"$ref": reference, "components": document()["components"]})


def _payloads(action: str) -> list[str]:
    """A reference to the payload of each message of the operation."""
    operations = (entry for entry in document()["operations"].values() if entry["action"] == action)
    return [f"{resolve(message['$ref'])['$ref']}/payload" for entry in operations for message in entry["messages"]]


def _payload(action: str, message: Any) -> str:
    assert isinstance(message, Mapping), f"not a JSON object: {message!r}"
    described = json_messages(action)
    assert message.get("type") in described, f"not a described message: {message!r}"
    return described[message["type"]]


def _parsed(message: str | Mapping[str, Any]) -> Any:
    if not isinstance(message, str):
        return message
    try:
        return json.loads(message)
    except ValueError:
        raise AssertionError(f"not JSON: {message!r}") from None
