"""Log lines for machines and for people."""

import asyncio
import gc
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from transcriber.logs import JsonFormatter, TextFormatter, set_up, unhandled


@pytest.fixture
def restored() -> Iterator[None]:
    """Logging is as before, behind the test."""
    loggers = [logging.getLogger(name) for name in (None, "transcriber", "hypercorn")]
    before = [(logger.level, logger.handlers[:]) for logger in loggers]
    yield
    for logger, (level, handlers) in zip(loggers, before, strict=True):
        logger.setLevel(level)
        logger.handlers[:] = handlers


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


def test_numbers_that_json_does_not_have_become_text() -> None:
    text = JsonFormatter().format(record(lag=float("inf"), share=float("nan"), seconds=1.5))
    line = json.loads(text, parse_constant=pytest.fail)
    assert (line["lag"], line["share"], line["seconds"]) == ("inf", "nan", 1.5)


def test_fields_do_not_pass_for_what_every_line_has() -> None:
    line = json.loads(JsonFormatter().format(record(event="forged", time="never")))
    assert line["event"] == "session over"
    assert line["time"].endswith("+00:00")


def test_a_line_for_people_is_one_line_and_does_nothing_to_the_terminal() -> None:
    text = TextFormatter().format(record(session="s1\n12:00:00 error forged\x1b[2J\u2028\x9b"))
    assert text.endswith(r"session=s1\n12:00:00 error forged\x1b[2J\u2028\x9b")
    assert len(text.splitlines()) == 1


def test_a_line_for_people_is_short() -> None:
    assert TextFormatter().format(record(session="s1")).split(" ", 1)[1] == "info    session over session=s1"


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_an_exception_is_told_with_its_place_and_without_its_message(formatter: logging.Formatter) -> None:
    line = formatter.format(record(exc_info=caught()))
    for kind in ("LookupError", "ExceptionGroup", "ValueError", "KeyError"):
        assert kind in line
    assert line.count(__file__) >= 3
    assert " fail" in line
    assert "said" not in line


def test_what_nobody_handled_is_told_without_what_was_said(capsys: pytest.CaptureFixture[str], restored: None) -> None:
    async def leave() -> None:
        asyncio.get_running_loop().set_exception_handler(unhandled)
        asyncio.get_running_loop().call_soon(fail, "said")
        task = asyncio.create_task(failing("said"), name="session s1")
        await asyncio.wait((task,))
        del task
        gc.collect()
        await asyncio.sleep(0)

    set_up("json", "DEBUG")
    asyncio.run(leave())
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line.get("task")) for line in lines] == [
        ("unhandled exception", None),
        ("unhandled exception", "session s1"),
    ]
    assert all("fail" in line["exception"] and "said" not in str(line) for line in lines)


def test_libraries_are_heard_from_a_warning_on(capsys: pytest.CaptureFixture[str], restored: None) -> None:
    set_up("text", "DEBUG")
    logging.getLogger("openai._base_client").info("request with a prompt")
    logging.getLogger("transcriber.runner").debug("ours")
    logging.getLogger("some.library").warning("trouble")
    set_up("text", "ERROR")
    logging.getLogger("transcriber.runner").warning("not asked for")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[-1] for line in lines] == ["ours", "trouble"]


def fail(what: str) -> None:
    raise ValueError(what)


async def failing(what: str) -> None:
    fail(what)


def caught() -> object:
    """An exception with a cause that is a group, and each message something that was said."""
    try:
        try:
            try:
                fail("said")
            except ValueError as problem:
                raise ExceptionGroup("said", [problem, KeyError("said")]) from None
        except ExceptionGroup as group:
            raise LookupError("said") from group
    except LookupError:
        return sys.exc_info()
