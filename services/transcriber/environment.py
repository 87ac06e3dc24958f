"""The variables that settings come from: the process's own, and a `.env` file behind them."""

import os
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

FILE = ".env"


def read(folder: Path, process: Mapping[str, str] = os.environ) -> tuple[dict[str, str], list[str]]:
    """All variables, and a line for each thing that is wrong with the file in `folder`, if there is one."""
    try:
        text = (folder / FILE).read_text("utf-8")
    except FileNotFoundError:
        text = ""
    except UnicodeDecodeError:
        return dict(process), [f"{FILE}: is not text in UTF-8"]
    except OSError as problem:
        return dict(process), [f"{FILE}: can't be read: {problem.strerror}"]
    wrong = [binding.original.line for binding in parse_stream(StringIO(text)) if binding.error]
    if wrong:
        return dict(process), [f"{FILE}: line {line} is not NAME=value" for line in wrong]
    values = dotenv_values(stream=StringIO(text))
    return {**{name: value or "" for name, value in values.items()}, **process}, []
