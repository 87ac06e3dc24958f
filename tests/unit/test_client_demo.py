import argparse
import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import psutil
import pytest

from tests.native_server import native_server, until
from tests.wavs import speechlike, wav
from transcriber.client import demo


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def file_server(folder: Path, port: int) -> list[str]:
    """A process that answers /health once the file is there."""
    return [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder)]


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]


async def test_the_recording_is_streamed_in_real_time_with_partials(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clip.wav").write_bytes(wav(speechlike(16_000, 0.5), 16_000))
    async with native_server() as server:
        assert await demo.run_demo(server.url, str(tmp_path / "clip.wav")) == 0
    conversation = server.conversation
    assert conversation.arrivals[-1] - conversation.arrivals[0] >= 0.35
    assert conversation.query == [("interim_results", "true")]
    shown = capsys.readouterr()
    assert shown.out == "Hello.\n"
    assert shown.err == "2.0 s of audio, 1.0 s of speech\naudio: /data/audio.wav\n"


async def test_the_service_is_there_once_it_is_healthy_and_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    port = free_port()
    before = children()
    becoming_healthy = asyncio.get_running_loop().call_later(0.5, (tmp_path / "health").touch)
    async with demo.service(file_server(tmp_path, port), {}, port):
        assert (tmp_path / "health").exists()
        (child,) = (child for child in children() if child not in before)
        assert os.getsid(child.pid) == child.pid, "Ctrl-C in the terminal must not reach it"
    becoming_healthy.cancel()
    assert child not in children()


async def test_the_service_gets_its_settings(tmp_path: Path) -> None:
    port = free_port()
    script = f"import os, pathlib; pathlib.Path({str(tmp_path / 'seen')!r}).write_text(os.environ['ENGINE'])"
    with pytest.raises(demo.ServiceFailed):
        async with demo.service([sys.executable, "-c", script], {"ENGINE": "local"}, port):
            pass
    assert (tmp_path / "seen").read_text() == "local"


async def test_a_service_that_does_not_start_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    demo.add_arguments(parser)
    os.environ["MAX_SESSIONS"] = "many"
    try:
        exit_code = await demo.run(parser.parse_args(["--data-dir", str(tmp_path)]))
    finally:
        del os.environ["MAX_SESSIONS"]
    shown = capsys.readouterr().err
    assert exit_code == 4
    assert "transcriber: service_failed: it ended with exit code 2, having said:" in shown
    assert "MAX_SESSIONS" in shown


async def test_a_service_that_will_not_end_is_killed() -> None:
    script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    await demo.stop(process, timeout_seconds=0.2)
    assert process.returncode == -signal.SIGKILL


async def test_the_end_of_the_demo_is_the_end_of_its_service(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "transcriber", "demo", "--data-dir", str(tmp_path)), stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    assert (await process.stderr.readline()).startswith(b"Starting the service")
    await until(psutil.Process(process.pid).children)
    started = psutil.Process(process.pid).children()
    process.terminate()
    await process.communicate()
    assert process.returncode == 130
    assert [child.pid for child in started if child.is_running() and child.status() != psutil.STATUS_ZOMBIE] == []
