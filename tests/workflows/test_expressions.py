"""What GitHub makes of an expression, and this here, too."""

from typing import Any

import pytest

from tests.workflows.expressions import Unknown, evaluate, filled, holds

CONTEXT = {
    "github": {"run_id": "42", "event": {"pull_request": {"number": 7}}},
    "inputs": {"ref": "", "environment": "prod"},
    "needs": {"plan": {"result": "success", "outputs": {"suites": '["a","b"]'}}},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("github.run_id", "42"),
        ("inputs.ref || github.run_id", "42"),
        ("inputs.environment == 'prod' && 'it''s' || 'no'", "it's"),
        ("inputs.environment != 'prod'", False),
        ("!cancelled() && needs.plan.result != 'skipped'", True),
        ("!(inputs.environment == 'dev')", True),
        ("fromJSON(needs.plan.outputs.suites)", ["a", "b"]),
        ("true", True),
    ],
)
def test_values(text: str, value: Any) -> None:
    assert evaluate(text, CONTEXT) == value


@pytest.mark.parametrize("text", ["inputs.reff", "github.event.issue.number", "secrets.TOKEN", "hashFiles('a')"])
def test_what_nothing_has_is_an_error(text: str) -> None:
    with pytest.raises(Unknown):
        evaluate(text, CONTEXT)


@pytest.mark.parametrize("text", ["", "inputs.ref ||", "(inputs.ref", "inputs.ref inputs.ref", "1 + 1", "=="])
def test_what_is_no_expression_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        evaluate(text, CONTEXT)


def test_values_are_put_in_everywhere_and_keep_their_type_alone() -> None:
    value = {"a": ["run-${{ github.run_id }}-${{ true }}"], "b": "${{ github.event.pull_request.number }}", "c": 1}
    assert filled(value, CONTEXT) == {"a": ["run-42-true"], "b": 7, "c": 1}


@pytest.mark.parametrize("condition", ["inputs.environment == 'prod'", "${{ inputs.environment == 'prod' }}"])
def test_conditions_need_no_braces(condition: str) -> None:
    assert holds(condition, CONTEXT)
