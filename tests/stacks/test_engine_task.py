"""What is deployed works: `make up` with the real Dockerfile, from nothing to the smoke test by a balancer's name.
There is the container that the task definition in the account says, as Fargate runs it."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import wave
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ..container.base_image import add_python, find_python, make_root
from ..container.docker import Docker, docker
from .builder import Builder
from .deployed import STACKS, Deployed
from .ecs_api import ecs_api
from .engine import ROOT
from .fargate import Fargate, Outside, Task, metrics_of, seen_as_hosts
from .moto_account import MotoAccount

pytestmark = pytest.mark.timeout(1800)

BASE = "python:3.12-slim-bookworm"
ENGINE_KEY = "sk-of-the-engine"
MAIN = ROOT / ".venv/bin"
"""The packages of the service's tests, which those of the stacks are not."""
_SECONDS = 1500


@dataclass
class Live:
    """`said` is what `make up` printed."""

    deployed: Deployed
    fargate: Fargate
    aws: MotoAccount
    key: str
    said: str

    @property
    def task(self) -> Task:
        assert self.fargate.task is not None
        return self.fargate.task

    def run(self, *command: str, key: str = "") -> "subprocess.CompletedProcess[str]":
        """In the working copy, with the load balancer's name."""
        return subprocess.run(
            seen_as_hosts(self.fargate.hosts, *command),
            cwd=self.deployed.root,
            env={**self.deployed.engine.environment, "TRANSCRIBER_API_KEY": key or self.key},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )

    def stream(self, *options: str, key: str = "", clip: str = "demo/lj001.wav") -> "subprocess.CompletedProcess[str]":
        url = self.deployed.outputs("service")["websocket_url"]
        return self.run(sys.executable, "-m", "transcriber", "stream", "--url", url, *options, clip, key=key)

    def health(self) -> tuple[int, dict[str, Any]]:
        """By the door that clients come through."""
        host = self.deployed.outputs("service")["url"].removeprefix("http://")
        request = urllib.request.Request(f"http://{self.fargate.address}/health", headers={"Host": host})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read())


@pytest.fixture(scope="module")
def engine(building: Builder) -> Generator[Docker]:
    """Docker, and in the registry what the Dockerfile begins with."""
    with docker() as running:
        root = running.folder / "root"
        make_root(root)
        add_python(root, find_python())
        running.load(root, BASE)
        shutil.rmtree(root)
        base = f"127.0.0.1:{building.port}/library/{BASE}"
        running.run("tag", BASE, base)
        running.run("push", base, seconds=300)
        yield running


@pytest.fixture(scope="module")
def live(building: Builder, engine: Docker, tmp_path_factory: pytest.TempPathFactory) -> Generator[Live]:
    """From nothing, by `make up`."""
    folder = tmp_path_factory.mktemp("live")
    deployed = Deployed.at(folder / "environment", building, dockerfile="")
    key, parameters = _secrets()
    with deployed.engine.ledger.open() as account:
        for name, value in parameters.items():
            account.outside["parameters"][f"/transcriber/dev/{name}"] = {"type": "SecureString", "value": value}
    with (
        _server(str(MAIN / "moto_server"), "-H", "127.0.0.1", "-p") as s3_port,
        _server(str(MAIN / "python"), "-m", "tests.openai_stub", "--demo", "--key", ENGINE_KEY, "--port") as openai,
    ):
        aws = MotoAccount(f"http://127.0.0.1:{s3_port}")
        fargate = Fargate(engine, deployed, Outside(s3_port, openai, aws.credentials), folder, _own_address())
        with fargate.running(), ecs_api(fargate.answer) as (address, _):
            deployed.engine.environment |= {"AWS_ENDPOINT_URL_ECS": address, **aws.environment}
            deployed.engine.environment["PULUMI_SECRETS_PROVIDER"] = aws.secrets_provider
            live = Live(deployed, fargate, aws, key, "")
            made = live.run("make", "up", "ENV=dev", "ARGS=--yes --skip-preview", "--assume-old=.venv-stacks/.stamp")
            assert fargate.problem is None
            assert made.returncode == 0, made.stdout[-6000:] + (fargate.task.log()[-3000:] if fargate.task else "")
            live.said = made.stdout
            yield live


def _secrets() -> tuple[str, dict[str, str]]:
    """A client's key, and what is in SSM."""
    made = subprocess.run((MAIN / "transcriber", "keys", "new", "tester"), capture_output=True, text=True, check=True)
    said = made.stdout + made.stderr
    key, entry = re.findall(r"\btrk_[\w-]+", said)[0], re.findall(r"\{.*\}", said)[0]
    return key, {"api-keys": f"[{entry}]", "openai-api-key": ENGINE_KEY, "token-secret": "0123456789abcdef" * 4}


def _own_address() -> str:
    """One of the loopback's, so that a load balancer's port is free there."""
    return f"127.{os.getpid() >> 8 & 255}.{os.getpid() & 255}.80"


@contextmanager
def _server(*command: str) -> Iterator[int]:
    """A program of the main virtual environment, until its port answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*command, str(port)], cwd=ROOT, **quiet) as process:  # type: ignore[call-overload]
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
            yield port
        finally:
            process.terminate()


def test_make_up_ends_with_the_demo_heard(live: Live, printed: Callable[[str], None]) -> None:
    outputs = live.deployed.outputs("service")
    said = {line.strip() for line in live.said.splitlines()}
    assert f"{outputs['service_name']} runs {outputs['image_digest']}" in said
    (heard,) = (line for line in said if line.startswith(f"{outputs['websocket_url']} heard "))
    assert heard.endswith(" of the demo's words")
    assert live.key not in live.said + live.deployed.everything_written()
    assert live.fargate.task is not None
    assert live.task.definition.arn == outputs["task_definition_arn"]
    printed(heard)


def test_all_stacks_keep_their_secrets_with_the_provider_that_make_up_was_given(live: Live) -> None:
    kept = []
    for project in ("transcriber", *(f"transcriber-{name}" for name in STACKS)):
        provider = live.deployed.engine.state(project, "dev")["secrets_providers"]
        kept.append((provider["type"], provider["state"]["url"]))
    assert kept == [("cloud", live.aws.secrets_provider)] * 6


def test_it_transcribes_and_stores_as_its_role_may(live: Live) -> None:
    done = live.stream()
    assert done.returncode == 0, done.stdout + live.task.log()[-3000:]
    assert "Printing, in the only sense" in done.stdout
    stored = live.aws.objects(live.deployed.outputs("service")["bucket"])
    names = {name.rpartition("/")[2] for name in stored}
    assert {"audio.wav", "transcript.json", "transcript.txt"} <= names, live.task.log()[-3000:]


def test_it_lets_nobody_in_without_a_key(live: Live) -> None:
    refused = live.stream(key="not-a-key")
    assert refused.returncode == 3, refused.stdout


def test_it_is_nobody_and_writes_nowhere_else(live: Live) -> None:
    assert live.task.execute("id", "--user") == (0, "10001\n")
    assert live.task.execute("touch", "/app/x")[0] != 0
    assert live.task.execute("touch", "/data/x")[0] == 0
    status = live.task.execute("cat", "/proc/self/status")[1]
    assert "CapEff:\t0000000000000000" in status
    limits = live.task.container.attrs["HostConfig"]
    assert (limits["NanoCpus"], limits["Memory"]) == (250_000_000, 512 << 20)


def test_its_health_check_turns_healthy(live: Live, printed: Callable[[str], None]) -> None:
    deadline = time.monotonic() + 120
    while (status := live.task.state()["Health"]["Status"]) == "starting" and time.monotonic() < deadline:
        time.sleep(0.5)
    assert status == "healthy", live.task.state()["Health"]


def test_the_check_of_an_up_tells_of_a_balancer_without_tasks(live: Live) -> None:
    door = live.fargate.lead_to("/nobody")
    try:
        seen = live.run(sys.executable, "-m", "stacks.environment.verify", "dev")
    finally:
        live.fargate.lead_to(door)
    assert seen.returncode == 1
    assert "did not transcribe the demo (exit code 3):" in seen.stdout
    assert "503" in seen.stdout


def test_going_back_to_a_digest_runs_the_old_image_again(live: Live, printed: Callable[[str], None]) -> None:
    first, version = live.deployed.outputs("service")["image_digest"], live.health()[1]["version"]
    source = live.deployed.root / "services/transcriber/__init__.py"
    source.write_text(re.sub(r'__version__ = ".*"', '__version__ = "9.9.9"', source.read_text()))
    live.deployed.do("up", "service")
    _until(lambda: live.health()[1]["version"] == "9.9.9", live)
    live.deployed.configure("dev", image_digest=first)
    live.deployed.do("up", "service")
    _until(lambda: live.health()[1]["version"] == version, live)
    assert live.health()[0] == 200
    assert live.task.container.attrs["Config"]["Image"].endswith(f"@{first}")
    assert live.stream().returncode == 0
    printed(f"rolled back to {first[:19]}: the old image, pulled by its digest, answers as {version}")


def _until(true: Callable[[], bool], live: Live) -> None:
    deadline = time.monotonic() + 120
    while True:
        assert live.fargate.problem is None
        try:
            if true():
                return
        except OSError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_it_emits_every_metric_that_alarms_scaling_and_the_dashboard_name(live: Live) -> None:
    """Behind somebody who speaks and the end of the task, whose last line has what there was."""
    spoken = live.stream("--realtime", clip=str(_passage(live.fargate.folder / "passage.wav")))
    assert spoken.stdout.strip() == "in being comparatively modern."
    live.task.stop()
    emitted = metrics_of(live.task.log())
    account = live.deployed.account()
    named = {
        (alarm["namespace"], alarm["metricName"]) for alarm in account.of("aws:cloudwatch/metricAlarm:MetricAlarm")
    }
    for policy in account.of("aws:appautoscaling/policy:Policy"):
        if custom := policy["targetTrackingScalingPolicyConfiguration"].get("customizedMetricSpecification"):
            named.add((custom["namespace"], custom["metricName"]))
    (dashboard,) = account.of("aws:cloudwatch/dashboard:Dashboard")
    for widget in json.loads(dashboard["dashboardBody"])["widgets"]:
        named |= {(line[0], line[1]) for line in widget["properties"]["metrics"]}
    own = {(namespace, name) for namespace, name in named if namespace == "Transcriber/dev"}
    assert len(own) > 8
    assert own == {(namespace, name) for namespace, names in emitted.items() for name in names}
    assert {namespace for namespace, _ in named - own} == {"AWS/ApplicationELB", "AWS/ECS", "ECS/ContainerInsights"}
    assert live.task.state()["ExitCode"] == 0


def _passage(path: Path) -> Path:
    """Two seconds of the demo."""
    with wave.open(str(ROOT / "demo/lj001.wav")) as demo, wave.open(str(path), "wb") as file:
        file.setparams(demo.getparams())
        demo.setpos(round(9.955 * demo.getframerate()))
        file.writeframes(demo.readframes(round(1.945 * demo.getframerate())))
    return path


def test_nothing_that_was_said_or_is_secret_is_in_its_log(live: Live) -> None:
    log = live.task.log()
    assert "session" in log
    assert [text for text in ("only sense", ENGINE_KEY, live.key) if text in log] == []
