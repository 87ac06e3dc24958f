"""What a command remembers of the one before it."""

import os
from pathlib import Path

import pytest

from transcriber.client.ledger import Ledger, cache_folder, key_of, replace_file


def test_a_job_is_known_until_it_is_forgotten(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    assert ledger.job("a") is None
    ledger.begun("a", "job-1")
    assert (ledger.job("a"), Ledger(tmp_path / "ledger").job("a"), ledger.job("b")) == ("job-1", "job-1", None)
    ledger.forget("a")
    ledger.forget("a")
    assert ledger.job("a") is None


def test_a_file_is_done_while_its_output_is_there(tmp_path: Path) -> None:
    ledger, output = Ledger(tmp_path / "ledger"), tmp_path / "a.txt"
    ledger.done("a", output)
    assert not ledger.is_done("a", output)
    output.write_text("text")
    assert ledger.is_done("a", output)
    assert not ledger.is_done("a", tmp_path / "ledger")
    assert ledger.job("a") is None


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"{"])
def test_what_is_damaged_is_not_known(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    assert Ledger(tmp_path).job("a") is None


def test_a_key_changes_with_the_file_the_service_and_what_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"one")
    os.utime(path, (1, 1))
    keys = [key_of(path, "", {}), key_of(path, "http://x", {}), key_of(path, "", {"language": "en"})]
    assert key_of(path, "", {}) == keys[0]
    os.utime(path, (2, 2))
    keys.append(key_of(path, "", {}))
    assert len(set(keys)) == 4


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    replace_file(tmp_path / "a", b"1")
    replace_file(tmp_path / "a", b"2")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"2")]
    with pytest.raises(OSError, match="directory"):
        replace_file(tmp_path / "nowhere" / "a", b"3")


def test_where_things_are_remembered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "transcriber"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_folder() == Path.home() / ".cache" / "transcriber"
