"""Variables, and the file behind them."""

from pathlib import Path

import pytest

from transcriber.environment import read


def test_what_the_process_has_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text('# a comment\nPORT=1\nexport NAME = "two words" # and why\nEMPTY=\nBARE\n')
    variables, problems = read(tmp_path, {"PORT": "2", "HOME": "/"})
    assert variables == {"PORT": "2", "HOME": "/", "NAME": "two words", "EMPTY": "", "BARE": ""}
    assert problems == []


def test_without_a_file_there_is_the_process(tmp_path: Path) -> None:
    assert read(tmp_path, {"PORT": "2"}) == ({"PORT": "2"}, [])


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        (b"\xff\xfeP\0", [".env: is not text in UTF-8"]),
        (b"PORT=1\nsecret words\nHOST=::1\n=x\n", [".env: line 2 is not NAME=value", ".env: line 4 is not NAME=value"]),
    ],
    ids=["bytes", "lines"],
)
def test_what_can_not_be_understood_is_named_and_not_shown(tmp_path: Path, content: bytes, problems: list[str]) -> None:
    (tmp_path / ".env").write_bytes(content)
    assert read(tmp_path, {"PORT": "2"}) == ({"PORT": "2"}, problems)


def test_what_can_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert read(tmp_path, {}) == ({}, [".env: can't be read: Is a directory"])
