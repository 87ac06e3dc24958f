"""The HTTP routes do what their description says, whatever is asked: schemathesis makes the requests up."""

import os
import re
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.service_process import ServiceProcess
from transcriber.api_keys import KeyLimits, dump, new_key

ROOT = Path(__file__).parents[2]
TEXT, KEY = new_key("alice", KeyLimits())


@pytest.fixture
def described(openai_settings: dict[str, str], tmp_path: Path) -> Generator[ServiceProcess]:
    folder = tmp_path / "service"
    with ServiceProcess(folder, max_jobs=10_000, api_keys=dump([KEY]), **openai_settings) as running:
        yield running


@pytest.mark.timeout(120)
def test_no_request_breaks_the_description(described: ServiceProcess, tmp_path: Path) -> None:
    # A request of the right form may still be refused, as for a model that there is not.
    checks = ("--checks", "all", "--exclude-checks", "positive_data_acceptance")
    work = ("--phases", "examples,coverage,fuzzing", "--max-examples", "8", "--seed", "1", "--no-color")
    where = f"http://127.0.0.1:{described.port}/openapi.json"
    command = (sys.executable, "-m", "schemathesis.cli", "run", where, "-H", f"X-API-Key: {TEXT}", *checks, *work)
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.api_hooks", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=55, check=False
    )
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
    cases = re.search(r"(\d+) generated", ran.stdout)
    assert cases is not None
    assert int(cases[1]) > 300
    assert "Traceback" not in described.log_text()
