"""The command and its sub-commands, in this process."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import transcriber
from transcriber.__main__ import main


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _with_the_signals_of_this_process() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_it_starts_where_nothing_but_the_client_is_installed() -> None:
    """As on the machine that tries a deployment."""
    extras = ("av", "hypercorn", "numpy", "openai", "quart", "soxr")
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({extras})); import transcriber.__main__, transcriber.settings"
    )
    done = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out.strip()) == (0, transcriber.__version__)


@pytest.mark.parametrize("arguments", [[], ["sing"], ["stream"], ["serve", "--port", "1"]], ids=str)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: transcriber" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["serve", "doctor"])
def test_wrong_settings(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PORT", "eighty")
    monkeypatch.setenv("MAX_SESSIONS", "0")
    assert main([command]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines()[0] == "transcriber: wrong settings:"
    assert [line.split(":")[0].strip() for line in told.err.splitlines()[1:]] == ["PORT", "MAX_SESSIONS"]


def test_doctor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert main(["doctor"]) == 0
    assert "engine      openai" in capsys.readouterr().out
    monkeypatch.setenv("DATA_DIR", str(Path(__file__) / "data"))
    assert main(["doctor"]) == 1


def test_stream(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stream", "nowhere.wav"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "nowhere.wav" in told.err


def test_a_certificate_that_can_not_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("TLS_CERT_FILE", "TLS_KEY_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere.pem"))
    assert main(["serve"]) == 2
    assert capsys.readouterr().err == "transcriber: TLS_CERT_FILE, TLS_KEY_FILE: No such file or directory\n"
