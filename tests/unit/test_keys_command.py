"""`transcriber keys`, as it is called."""

import json
import threading
from pathlib import Path

import pytest

from transcriber.__main__ import main
from transcriber.api_keys import KeyLimits, find, new_key, parse
from transcriber.key_ring import changing, read, write


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "keys.json"
    monkeypatch.setenv("API_KEYS_FILE", str(path))
    return path


def made(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The key that is said."""
    assert main(["keys", "new", *arguments]) == 0
    return capsys.readouterr().out.strip()


def test_a_key_is_said_once_and_its_hash_is_kept(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = made(capsys, "alice")
    keys, _ = read(file)
    key = find(keys, text)
    assert key is not None
    assert (key.name, key.limits) == ("alice", KeyLimits())
    assert text not in file.read_text()
    assert main(["keys", "list"]) == 0
    told = capsys.readouterr().out
    assert told.split() == [key.id, key.created, "alice"]


def test_limits_are_given_kept_and_listed(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    limits = "--sessions 2 --sessions-per-minute 9 --audio-seconds-per-day 3600 --session-seconds 60.5"
    made(capsys, "bob", *limits.split(), *["--models", "a,b", "--languages", "en", "--record", "text", "--metrics"])
    (key,) = read(file)[0]
    assert key.limits == KeyLimits(2, 9, 3600, 60.5, ("a", "b"), ("en",), "text", metrics=True)
    main(["keys", "list"])
    assert capsys.readouterr().out.split()[3:] == [
        *("sessions=2", "sessions_per_minute=9", "audio_seconds_per_day=3600", "session_seconds=60.5"),
        *("models=a,b", "languages=en", "record=text", "metrics=true"),
    ]


def test_a_key_is_replaced_by_another_one(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = made(capsys, "alice", "--sessions", "2")
    assert main(["keys", "new", "alice"]) == 2
    assert "--another" in capsys.readouterr().err
    new = made(capsys, "alice", "--another")
    other = made(capsys, "bob")
    assert [bool(find(read(file)[0], text)) for text in (old, new, other)] == [True, True, True]
    assert {key.limits.sessions for key in read(file)[0] if key.name == "alice"} == {2}
    assert main(["keys", "revoke", "alice", "--older"]) == 0
    assert capsys.readouterr().out.startswith("revoked ")
    assert [bool(find(read(file)[0], text)) for text in (old, new, other)] == [False, True, True]
    assert main(["keys", "revoke", "alice"]) == 0
    assert [bool(find(read(file)[0], text)) for text in (old, new, other)] == [False, False, True]


def test_a_change_waits_for_another_one(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(capsys, "alice")
    revoking = threading.Thread(target=main, args=[["keys", "revoke", "alice"]])
    with changing(file):
        before = read(file)[0]
        revoking.start()
        revoking.join(0.2)
        assert revoking.is_alive()
        write(file, [*before, new_key("bob", KeyLimits())[1]])
    revoking.join(10)
    assert [key.name for key in read(file)[0]] == ["bob"]


def test_the_only_key_of_a_name_is_not_one_of_its_older_ones(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(capsys, "alice")
    assert main(["keys", "revoke", "alice", "--older"]) == 1
    assert "alice has one key" in capsys.readouterr().err
    assert [key.name for key in read(file)[0]] == ["alice"]


def test_nothing_is_made_where_there_is_nothing_to_revoke(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "revoke", "alice", "--file", str(tmp_path / "nowhere" / "keys.json")]) == 1
    assert "no key of this name" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_revoked_by_its_id(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(capsys, "alice")
    text = made(capsys, "alice", "--another")
    first, second = read(file)[0]
    assert main(["keys", "revoke", first.id]) == 0
    assert read(file)[0] == (second,)
    assert find(read(file)[0], text) == second


def test_without_a_file_what_to_put_where_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["keys", "new", "alice", "--record", "none"]) == 0
    told = capsys.readouterr()
    entry = next(line for line in told.err.splitlines() if line.startswith("{"))
    key = find(parse(f"[{entry}]"), told.out.strip())
    assert key is not None
    assert key.limits.record == "none"
    assert json.loads(entry)["name"] == "alice"
    for command in (["list"], ["revoke", "alice"]):
        assert main(["keys", *command]) == 1
        assert "--file, or API_KEYS_FILE" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_another_file_can_be_named(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.json"
    made(capsys, "alice", "--file", str(other))
    assert [key.name for key in read(other)[0]] == ["alice"]
    assert not file.exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["new", "Alice"], "`name` must be"),
        (["new", "alice", "--sessions", "-1"], "`sessions` must be a whole number"),
        (["revoke", "nobody"], "no key of this name or id: nobody"),
    ],
)
def test_what_can_not_be_done_is_told(
    file: Path, arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", *arguments]) == 1
    assert reason in capsys.readouterr().err
    assert not file.exists()


def test_files_that_can_not_be_used(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("secret")
    assert main(["keys", "list"]) == 1
    assert capsys.readouterr().err == f"transcriber: {file} can't be read: not valid JSON\n".replace(
        " can't be read", ""
    )
    assert main(["keys", "new", "alice", "--file", str(file / "below")]) == 1
    assert "can't be written" in capsys.readouterr().err
