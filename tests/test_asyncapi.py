"""docs/asyncapi.yaml against the published schema of AsyncAPI 3.0 documents."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

DOCUMENT = Path(__file__).parents[1] / "docs" / "asyncapi.yaml"
SCHEMAS = Path(sys.prefix, "asyncapi", "node_modules", "@asyncapi", "specs", "schemas")


@pytest.fixture(scope="module")
def schema() -> Any:
    return json.loads((SCHEMAS / "3.0.0-without-$id.json").read_text())


def problems(schema: Any, document: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}"[:200] for error in Draft7Validator(schema).iter_errors(document)]


def test_the_document_is_valid(schema: Any) -> None:
    assert problems(schema, yaml.safe_load(DOCUMENT.read_text())) == []


def test_a_document_with_a_mistake_is_not(schema: Any) -> None:
    document = yaml.safe_load(DOCUMENT.read_text())
    del document["info"]["version"]
    assert problems(schema, document)
