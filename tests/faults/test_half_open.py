"""Clients whose network is gone without a word: TCP alone would hold them for a quarter of an hour."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.faults.networks import Network, network
from tests.service_process import SERVE, ServiceProcess

CLIENTS = 10


@pytest.fixture
def cable() -> Generator[Network]:
    with network() as made:
        yield made


@pytest.fixture(params=["asyncio", "uvloop"])
def service(request: pytest.FixtureRequest, cable: Network, tmp_path: Path) -> Generator[ServiceProcess]:
    process = ServiceProcess(
        tmp_path,
        command=cable.on(cable.server, *SERVE),
        host=cable.server_address,
        allow_anonymous="true",
        event_loop=request.param,
        ping_seconds=1,
        pong_seconds=2,
        engine="openai",
        openai_base_url="http://127.0.0.1:9/v1",
    )
    process.launch()
    yield process
    process.__exit__()


def port(service: ServiceProcess) -> int | None:
    running = re.search(r"Running on http://10\.99\.0\.1:(\d+)", service.log_text())
    return int(running[1]) if running else None


def connections(cable: Network) -> int:
    """TCP connections that the server's host holds open; those it has closed wait in its kernel for an answer."""
    command = cable.on(cable.server, "ss", "-Htn", "state", "established")
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    return len(listed.stdout.splitlines())


def wait(condition: Callable[[], object]) -> float:
    """How many seconds it takes to come true."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < 40
        time.sleep(0.02)
    return time.monotonic() - began


@pytest.mark.timeout(120)
def test_clients_without_a_network(cable: Network, service: ServiceProcess, capsys: pytest.CaptureFixture[str]) -> None:
    wait(lambda: port(service))
    arguments = (cable.server_address, str(port(service)), str(CLIENTS))
    command = cable.on(cable.client, sys.executable, "-m", "tests.faults.half_open_client", *arguments)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as clients:
        try:
            assert clients.stdout is not None
            assert clients.stdout.readline() == b"holding\n"
            before = connections(cable)
            cable.pull()
            seconds = wait(lambda: not any((service.data / "spool").iterdir()))
            wait(lambda: connections(cable) == 0)
        finally:
            clients.kill()
    recordings = list(service.data.rglob("audio.wav"))
    with capsys.disabled():
        sys.stdout.write(f"\n{before} clients without a network: sessions stored after {seconds:.1f} s\n")
    assert before == CLIENTS
    assert len(recordings) == CLIENTS
    assert all(recording.stat().st_size == 44 + 32_000 for recording in recordings)
    assert [line for line in service.log() if "exception" in line] == []
