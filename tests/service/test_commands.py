"""The commands beside `serve`, as a shell runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import lj001
from tests.openai_stub import OpenAIStub, error
from tests.protocol_schema import check_sent
from tests.service_process import ServiceProcess


def run(
    *arguments: str, folder: Path, audio: bytes | None = None, **settings: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        (sys.executable, "-m", "transcriber", *arguments),
        cwd=folder,
        env={**os.environ, **settings},
        input=audio,
        capture_output=True,
        timeout=40,
        check=False,
    )


def test_doctor_says_what_would_be_used(tmp_path: Path) -> None:
    done = run("doctor", folder=tmp_path, OPENAI_API_KEY="sk-secret", MAX_SESSIONS="7")
    said = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    assert "openai (ENGINE=auto: a key or base URL is set)" in said
    assert "gpt-transcribe" in said
    assert str(tmp_path / "data") in said
    assert "at most 7 at once" in said
    assert "sk-secret" not in said
    assert not list(tmp_path.iterdir()), "it only looks"


def test_doctor_says_what_is_wrong(tmp_path: Path) -> None:
    done = run("doctor", folder=tmp_path, ENGINE="local", LOCAL_MODEL="./nowhere")
    assert done.returncode == 1
    assert "local: can't be used: " in done.stdout.decode()
    assert b"Traceback" not in done.stderr
    assert run("doctor", folder=tmp_path, PORT="-1").returncode == 2


FINALS = ["in being comparatively modern."]


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    path = tmp_path / "speech.wav"
    path.write_bytes(lj001.wav(9.955, 11.9))
    return path


def test_stream_writes_a_final_a_line_and_nothing_else_into_a_pipe(service: ServiceProcess, speech: Path) -> None:
    done = run("stream", str(speech), "--url", service.url, folder=speech.parent)
    assert (done.returncode, done.stdout.decode().splitlines(), done.stderr) == (0, FINALS, b"")


def test_stream_reads_a_pipe(service: ServiceProcess, speech: Path) -> None:
    done = run("stream", "-", "--url", service.url, folder=speech.parent, audio=speech.read_bytes())
    assert (done.returncode, done.stdout.decode().splitlines(), done.stderr) == (0, FINALS, b"")


def test_stream_writes_events_as_the_service_tells_them(service: ServiceProcess, speech: Path) -> None:
    done = run("stream", str(speech), "--url", service.url, "--format", "json", folder=speech.parent)
    assert (done.returncode, done.stderr) == (0, b"")
    events = done.stdout.decode().splitlines()
    for event in events:
        check_sent(event)
    assert [json.loads(event)["type"] for event in (events[0], events[-1])] == ["status", "complete"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--language", "klingon"], 3, "language"),
        (["--url", "ws://127.0.0.1:1/ws"], 4, "127.0.0.1:1"),
        (["--sample-rate", "none"], 2, "--sample-rate"),
    ],
)
def test_exit_codes_of_stream(
    service: ServiceProcess, speech: Path, arguments: list[str], code: int, said: str
) -> None:
    done = run("stream", str(speech), "--url", service.url, *arguments, folder=speech.parent)
    assert (done.returncode, done.stdout) == (code, b"")
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_stream_says_that_text_is_missing(service: ServiceProcess, stub: OpenAIStub, speech: Path) -> None:
    stub.script.extend([error(503, "down")] * 100)
    done = run("stream", str(speech), "--url", service.url, folder=speech.parent)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"engine_failed" in done.stderr
