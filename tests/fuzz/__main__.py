"""Fuzzes every target for a while, one after the other: `make fuzz`. Ends with 1 when something was found."""

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.targets import MODULES, targets_of

_ROOT = Path(__file__).parent.parent.parent
_RUNS = 10_000_000
_INPUT_SECONDS = 10
_MEMORY_MB = 1024
_START_SECONDS = 120
"""For imports, with every function instrumented, and seeds."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of fuzzing one target. `found` is how it ended before its time, empty if it did not."""

    inputs: int
    edges: int
    found: str = ""


def available() -> bool:
    """Whether there is a fuzzer for this platform."""
    return importlib.util.find_spec("atheris") is not None


def fuzz(module: str, name: str, folder: Path, *, seconds: int, seed: int = 0) -> Outcome:
    """Inputs that break the target are left in `folder`, and its output beside them; seed 0 is another every time."""
    corpus = folder / "corpus"
    corpus.mkdir(parents=True)
    options = (
        f"-max_total_time={seconds}",
        f"-runs={_RUNS}",
        f"-timeout={_INPUT_SECONDS}",
        f"-rss_limit_mb={_MEMORY_MB}",
        f"-seed={seed}",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
    )
    command = (sys.executable, "-m", "tests.fuzz.worker", module, name, str(corpus), *options)
    log = folder / "output"
    with log.open("wb") as output:
        try:
            code = subprocess.run(
                command, stdout=output, stderr=output, cwd=_ROOT, timeout=_START_SECONDS + 2 * seconds, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            code = -1
    text = log.read_text(errors="replace")
    inputs = re.findall(r"number_of_executed_units: (\d+)|^#(\d+)", text, re.MULTILINE)
    edges = [int(count) for count in re.findall(r" cov: (\d+) ", text)]
    return Outcome(int("".join(inputs[-1]) if inputs else 0), max(edges, default=0), _found(text) if code else "")


def _found(text: str) -> str:
    """In a line: the exception, or what libFuzzer itself says."""
    raised = re.search(r"Uncaught Python exception: ===\n(.*)", text)
    said = re.search(r"^SUMMARY: (.*)", text, re.MULTILINE)
    match = raised or said
    return match[1] if match else "ended without a word"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="for each target")
    parser.add_argument("--seed", type=int, default=0, help="0 takes another every time")
    parser.add_argument("targets", nargs="*", metavar="target", help="names; all if left out")
    asked = parser.parse_args(arguments)
    if not available():
        print(f"Nothing is fuzzed: there is no atheris for {sys.platform} on {os.uname().machine}.")
        return 0
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    broken = 0
    print(f"{'target':<18}{'inputs':>9}{'edges':>7}  found")
    for module in MODULES:
        for name in targets_of(module):
            if asked.targets and name not in asked.targets:
                continue
            outcome = fuzz(module, name, folder / name.replace(" ", "-"), seconds=asked.seconds, seed=asked.seed)
            broken += bool(outcome.found)
            print(f"{name:<18}{outcome.inputs:>9}{outcome.edges:>7}  {outcome.found or '-'}", flush=True)
    if broken:
        print(f"What breaks {broken} of them, and what was said, is in {folder}.")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
