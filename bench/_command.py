"""What every measurement asks for and says: its options, the machine it ran on, a table."""

import argparse
import json
import math
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import psutil

from bench._speech import Clip, load_clips

Row = Mapping[str, str | int | float]
"""A line of the table by column; every row has the same columns."""

_PACKAGES = ("faster-whisper", "ctranslate2", "onnxruntime", "quart", "hypercorn", "websockets")


def options(about: str | None) -> argparse.ArgumentParser:
    """A parser with the options that all have; `about` is the module's docstring."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", metavar="DIR", help="folder of clips with manifest.jsonl; else the demo's passages")
    parser.add_argument("--limit", type=int, metavar="N", help="take only the first N clips")
    parser.add_argument("--json", action="store_true", help="print an object instead of a table")
    return parser


def clips_for(arguments: argparse.Namespace) -> list[Clip]:
    return load_clips(arguments.speech)[: arguments.limit]


def numbers(text: str) -> list[int]:
    """An option's value such as `11,12,13`."""
    return [int(part) for part in text.split(",")]


def announce(text: str) -> None:
    """Progress, which is no part of the result."""
    print(text, file=sys.stderr, flush=True)


def machine() -> str:
    """Processor, cores and the versions that matter."""
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}"


def report(rows: Sequence[Row], notes: Sequence[str], *, as_json: bool) -> None:
    """Print the result with what is needed to get it again; `notes` say what is measured, and how."""
    command = shlex.join(["python", "-m", f"bench.{Path(sys.argv[0]).stem}", *sys.argv[1:]])
    load = f"load average over the last 5 minutes, this measurement included: {psutil.getloadavg()[1]:.1f}"
    if as_json:
        cells = [{column: _or_null(value) for column, value in row.items()} for row in rows]
        print(json.dumps({"command": command, "machine": machine(), "notes": [*notes, load], "rows": cells}))
        return
    print(f"\n`{command}`\n{machine()}; {load}\n")
    print("\n".join([*table(rows), "", *(f"- {note}" for note in notes)]))


def table(rows: Sequence[Row]) -> list[str]:
    """The lines of a Markdown table; floats get two decimals."""
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns), *([_cell(row[column]) for column in columns] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _cell(value: str | float) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _or_null(value: str | float) -> str | float | None:
    """JSON knows no NaN."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _processor() -> str:
    """Its name, where the system tells it."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
