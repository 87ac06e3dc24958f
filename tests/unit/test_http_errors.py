"""Answers to requests that can't be served."""

import json

import pytest

from transcriber.http_errors import CODES, error_answer, error_body


@pytest.mark.parametrize("status", CODES)
def test_every_status_has_a_code_and_words(status: int) -> None:
    error = json.loads(error_body(status))["error"]
    assert error["code"] == CODES[status]
    assert error["message"].endswith(".")


@pytest.mark.parametrize(("status", "code"), [(415, "bad_request"), (418, "bad_request"), (502, "internal_error")])
def test_a_status_without_a_code_has_that_of_its_kind(status: int, code: str) -> None:
    assert json.loads(error_body(status))["error"]["code"] == code


def test_an_answer_is_the_last_on_its_connection() -> None:
    headers, body = error_answer(400)
    assert dict(headers) == {
        b"content-type": b"application/json",
        b"content-length": str(len(body)).encode(),
        b"connection": b"close",
    }
