"""Log lines: JSON for machines, short text for people. Texts, prompts and keys are never among their fields."""

import asyncio
import json
import logging
import math
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

log = logging.getLogger(__name__)

_OURS = ("transcriber", "hypercorn")

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def set_up(form: str, level: str) -> None:
    """Log to stderr from `level` on; `auto` is text on a terminal and JSON elsewhere.

    Libraries are heard from a warning on, whatever the level: some log requests with all that is in them.
    """
    handler = logging.StreamHandler()
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler.setFormatter(TextFormatter() if text else JsonFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for ours in _OURS:
        logging.getLogger(ours).setLevel(level)


def unhandled(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The event loop's exception handler. asyncio's own shows tasks, callbacks and their arguments, and with them what
    was said."""
    problem = context.get("exception")
    task = context.get("future") or context.get("task")
    about = {"task": task.get_name()} if isinstance(task, asyncio.Task) else {}
    log.error("unhandled exception" if problem else context.get("message", ""), exc_info=problem, extra=about)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in record.__dict__.items() if name not in _STANDARD}


def _json_value(value: object) -> object:
    """JSON has no infinity and no NaN."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _one_line(text: str) -> str:
    """Nothing in it begins a line of its own, or tells a terminal what to do."""
    if text.isprintable():
        return text
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {"time": moment, "level": record.levelname.lower(), "event": record.getMessage()}
        line |= {name: _json_value(value) for name, value in _fields(record).items() if name not in line}
        if record.exc_info:
            line["exception"] = _traceback(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """Time, level, event, fields."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created).astimezone()
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        line = _one_line(f"{moment:%H:%M:%S} {record.levelname.lower():7} {record.getMessage()}{fields}")
        return line + (f"\n{_traceback(record.exc_info[1])}" if record.exc_info else "")


def _traceback(problem: BaseException | None) -> str:
    """Where an exception, and those that led to it, came from; without their messages, which may hold what was said."""
    lines: list[str] = []
    while problem is not None:
        lines += [type(problem).__name__, *(f"  {place}" for place in _places(problem))]
        if isinstance(problem, BaseExceptionGroup):
            group = cast("BaseExceptionGroup[BaseException]", problem)
            lines += [f"  | {line}" for one in group.exceptions for line in _traceback(one).splitlines()]
        problem = problem.__cause__ or (None if problem.__suppress_context__ else problem.__context__)
    return "\n".join(lines)


def _places(problem: BaseException) -> Iterator[str]:
    for frame in traceback.extract_tb(problem.__traceback__):
        yield f"{frame.filename}:{frame.lineno} {frame.name}"
