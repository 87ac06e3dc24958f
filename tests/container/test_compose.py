"""The quick start: compose.yaml by Docker Compose itself, with the image that it builds."""

import json
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests import lj001
from tests.checked_client import transcribe
from tests.container.container import free_port
from tests.container.docker import ROOT, Docker
from tests.http_get import get

pytestmark = pytest.mark.timeout(600)

SPEECH = lj001.wav(0, 12)
OVERRIDE = """
services:
  transcriber:
    build: {{network: host}}
    network_mode: host
    environment: {{HOST: 127.0.0.1, PORT: "{port}"}}
    ports: !reset []
"""
"""An engine that changes nothing on the machine has no network but the host's."""


class Project:
    """compose.yaml in a folder of its own, with an .env."""

    def __init__(self, engine: Docker, folder: Path, settings: str) -> None:
        self._engine = engine
        self.folder = folder
        self.port = free_port()
        allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
        for name in ("compose.yaml", "Dockerfile", ".dockerignore", *allowed):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            copy(ROOT / name, folder / name)
        (folder / "compose.override.yaml").write_text(OVERRIDE.format(port=self.port))
        (folder / ".env").write_text(settings)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    def compose(self, *arguments: str, **environment: str) -> str:
        """What a command prints."""
        done = subprocess.run(
            (self._engine.client, "compose", *arguments),
            cwd=self.folder,
            env={**self._engine.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        return done.stdout

    def config(self, **environment: str) -> dict[str, Any]:
        """The services as Compose understands them."""
        return json.loads(self.compose("config", "--format", "json", **environment))["services"]


@pytest.fixture
def project(engine: Docker, local: str, tmp_path: Path) -> Generator[Project]:
    """Its image is built from the layers that are there, and takes the name of theirs until it is over."""
    made = Project(engine, tmp_path, "MAX_SESSION_SECONDS=600\nDRAIN_SECONDS=2\n")
    without_labels = engine.inspect(local)["Id"]
    yield made
    made.compose("down", "--volumes", "--timeout", "10")
    engine.run("tag", without_labels, local)


async def test_up_transcribes_and_what_it_kept_outlives_it(project: Project, engine: Docker) -> None:
    project.compose("up", "--build", "--detach", "--wait")
    speaker = await transcribe(project.url, SPEECH, "END")
    status, complete = speaker.received[0], speaker.received[-1]
    assert (status["engine"], status["max_session_seconds"]) == ("local", 600)
    assert complete["storage"]["state"] == "stored"
    assert complete["storage"]["locations"]["transcript"].startswith("/data/")
    (container,) = project.compose("ps", "--quiet").split()
    host = engine.inspect(container)["HostConfig"]
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["PidsLimit"]) == (True, ["ALL"], 512)
    project.compose("down")
    project.compose("up", "--detach", "--wait")
    _, text = get(project.port, f"/v1/sessions/{status['session_id']}/transcript.txt")
    assert speaker.text.split()[-1] in text


def test_a_setting_of_the_shell_goes_before_that_of_the_file(project: Project) -> None:
    assert project.config()["transcriber"]["image"] == "transcriber:local"
    chosen = project.config(TARGET="api", BASE="mirror/python:3.12")["transcriber"]
    assert (chosen["image"], chosen["build"]["target"]) == ("transcriber:api", "api")
    assert chosen["build"]["args"]["BASE"] == "mirror/python:3.12"


def test_the_store_is_a_profile_and_the_service_knows_it(project: Project) -> None:
    assert list(project.config()) == ["transcriber"]
    assert project.config()["transcriber"]["environment"]["S3_BUCKET"] == ""
    services = project.config(COMPOSE_PROFILES="s3")
    given, store = services["transcriber"]["environment"], services["store"]
    assert (given["S3_BUCKET"], given["AWS_ENDPOINT_URL_S3"]) == ("recordings", "http://store:8333")
    assert store["command"][-1] == "-bucket=recordings"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        assert given[name] == store["environment"][name]
