"""A container registry and BuildKit's daemon on free ports, for as long as they are needed."""

import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .standin.images import Registry

TOOLS = ("docker-registry", "buildkitd", "runc", "setpriv")
_SECONDS = 90

_REGISTRY = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: false}}}}
storage:
  filesystem: {{rootdirectory: {folder}}}
  delete: {{enabled: true}}
http: {{addr: "127.0.0.1:{port}"}}
"""

_REQUEST = re.compile(r'"([A-Z]+) (/v2/\S*) HTTP/')

_BUILDKIT = """\
root = "{folder}/buildkit"
[otel]
  socketPath = "{folder}/otel.sock"
[grpc]
  address = ["unix://{folder}/buildkit.sock"]
[worker.oci]
  enabled = true
  networkMode = "host"
[worker.containerd]
  enabled = false
[registry."docker.io"]
  mirrors = ["127.0.0.1:{port}"]
[registry."127.0.0.1:{port}"]
  http = true
[registry."localhost:{port}"]
  http = true
"""


@dataclass(frozen=True)
class Builder:
    """`environment` is what makes the docker-build provider use this BuildKit, `log` what the registry writes."""

    registry: Registry
    environment: dict[str, str]
    port: int
    log: Path

    def requests(self) -> list[tuple[str, str]]:
        """Method and path of each that the registry answered so far."""
        return _REQUEST.findall(self.log.read_text())


def missing_tools() -> list[str]:
    return [tool for tool in TOOLS if shutil.which(tool) is None]


@contextlib.contextmanager
def builder(folder: Path) -> Iterator[Builder]:
    """Both end with the process that starts them, whatever becomes of it."""
    port = _free_port()
    (folder / "registry.yml").write_text(_REGISTRY.format(folder=folder / "registry", port=port))
    (folder / "buildkitd.toml").write_text(_BUILDKIT.format(folder=folder, port=port))
    instances = folder / "docker/buildx/instances"
    instances.mkdir(parents=True)
    node = {"Name": "local0", "Endpoint": f"unix://{folder}/buildkit.sock"}
    group = {"Name": "local", "Driver": "remote", "Nodes": [node], "Dynamic": False}
    (instances / "local").write_text(json.dumps(group))
    commands = (
        ("docker-registry", "serve", str(folder / "registry.yml")),
        ("buildkitd", "--config", str(folder / "buildkitd.toml")),
    )
    with contextlib.ExitStack() as running:
        for command in commands:
            running.enter_context(_daemon(command, folder / f"{command[0]}.log"))
        _until(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5).close())
        _until(lambda: _connect(folder / "buildkit.sock"))
        settings = {"DOCKER_CONFIG": str(folder / "docker"), "BUILDX_BUILDER": "local"}
        yield Builder(Registry(f"localhost:{port}"), settings, port, folder / "docker-registry.log")


@contextlib.contextmanager
def _daemon(command: tuple[str, ...], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            ("setpriv", "--pdeathsig", "KILL", *command), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _connect(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def _until(attempt: Callable[[], None]) -> None:
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            attempt()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
