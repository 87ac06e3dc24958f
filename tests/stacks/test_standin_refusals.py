"""Every rule of the stand-in has a program that breaks it, and the page has them counted."""

import subprocess
import sys
from pathlib import Path

import pytest

from .recording import ROOT
from .refusals import BEGIN, END, PAGE, written


@pytest.mark.timeout(600)
def test_no_rule_is_without_a_wrong_program_and_the_page_has_their_numbers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}{END}")
    command = [sys.executable, "-m", "tests.stacks.refusals", str(page)]
    counted = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert counted.returncode == 0, counted.stdout[-2000:] + counted.stderr
    assert written(page.read_text()) == written(PAGE.read_text()), "make refusals writes the table anew"
