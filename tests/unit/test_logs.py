"""Log lines for machines and for people."""

import json
import logging

import pytest

from transcriber.logs import JsonFormatter, TextFormatter


def record(level: int = logging.INFO, **fields: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"msg": "session %s", "args": ("over",), "levelno": level, "levelname": "INFO"})
    made.__dict__.update(fields)
    return made


def test_a_line_for_machines_is_json_with_its_fields() -> None:
    line = json.loads(JsonFormatter().format(record(session="s1", seconds=2.5)))
    assert (line["event"], line["level"], line["session"], line["seconds"]) == ("session over", "info", "s1", 2.5)
    assert line["time"].endswith("+00:00")


def test_what_json_does_not_know_becomes_text() -> None:
    assert json.loads(JsonFormatter().format(record(thing={1})))["thing"] == "{1}"


def test_a_line_for_people_is_short() -> None:
    assert TextFormatter().format(record(session="s1")).split(" ", 1)[1] == "info    session over session=s1"


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_an_exception_is_told_with_its_traceback(formatter: logging.Formatter) -> None:
    problem = ValueError("no")
    assert "ValueError: no" in formatter.format(record(exc_info=(type(problem), problem, None)))
