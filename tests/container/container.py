"""The service in a container under Fargate's limits, used as one that runs as a process."""

import contextlib
import itertools
import os
import re
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from tests.container.docker import Docker, Failed
from tests.service_process import ServiceProcess

LIMITS = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--pids-limit", "128")
_NUMBERS = itertools.count(1)
_HEALTHY_SECONDS = 60
_STOP_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Container(ServiceProcess):
    """As a service process, with the exit code of the container; its data are in the volume that the image declares."""

    def __init__(
        self,
        docker: Docker,
        image: str,
        folder: Path,
        options: Sequence[str] = (),
        *,
        reachable: bool = True,
        **settings: object,
    ) -> None:
        """`options` of `docker run`, for instance how much processor and memory there is. It listens on the machine's
        loopback, on a free port; or, if it need not be reachable, where the image says, in a network of its own."""
        self.docker = docker
        self.name = f"service-{os.getpid()}-{next(_NUMBERS)}"
        network = "host" if reachable else "none"
        if reachable:
            settings = {"host": "127.0.0.1", "port": free_port(), **settings}
        else:
            settings = {"allow_anonymous": "true", **settings}
        given = [part for name, value in settings.items() for part in ("--env", f"{name.upper()}={value}")]
        command = (docker.client, "run", "--name", self.name, "--network", network, *LIMITS, *options, *given, image)
        super().__init__(folder, command=command)
        self.started_at = 0.0

    @property
    def environment(self) -> dict[str, str]:
        """Of the client; the service gets its settings by name."""
        return self.docker.environment

    @property
    def state(self) -> dict[str, Any]:
        return self.docker.inspect(self.name)["State"]

    @property
    def health(self) -> str:
        """starting, healthy or unhealthy; empty before it is there."""
        with contextlib.suppress(Failed):
            return self.state["Health"]["Status"]
        return ""

    @property
    def data(self) -> Path:
        """The volume, as the machine sees it."""
        (mount,) = (mount for mount in self.docker.inspect(self.name)["Mounts"] if mount["Destination"] == "/data")
        return Path(mount["Source"])

    def launch(self) -> Self:
        self.started_at = time.monotonic()
        return super().launch()

    def until_healthy(self) -> float:
        """Seconds from the start until Docker's own health check has passed."""
        while self.health != "healthy":
            assert time.monotonic() < self.started_at + _HEALTHY_SECONDS, self.log_text()
            time.sleep(0.1)
        return time.monotonic() - self.started_at

    def wait(self) -> int:
        """Longer than for a process, since there is little processor."""
        assert self._process is not None
        return self._process.wait(_STOP_SECONDS)

    def send_signal(self, number: int) -> None:
        self.docker.run("kill", "--signal", str(number), self.name)

    def in_it(self, *command: str) -> str:
        """What a command prints that runs in the container."""
        return self.docker.run("exec", self.name, *command)

    def mapped_files(self) -> str:
        """Libraries that its first process has loaded, as the kernel lists them; empty before it is there."""
        with contextlib.suppress(Failed, OSError):
            return Path(f"/proc/{self.state['Pid']}/maps").read_text()
        return ""

    def changed_files(self) -> list[str]:
        """What was written outside of volumes: only where the root file system is not read-only can it be."""
        return self.docker.run("diff", self.name).splitlines()

    def memory_bytes(self) -> int:
        """All that counts against its limit, but for file pages that the kernel may drop."""
        text = self.docker.run("stats", "--no-stream", "--format", "{{.MemUsage}}", self.name).split(" ")[0]
        number, unit = re.fullmatch(r"([\d.]+)([KMG]?)i?B", text).groups()  # type: ignore[union-attr]
        return round(float(number) * 1024 ** " KMG".index(unit or " "))

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.docker.run("rm", "--force", "--volumes", self.name)
        super().__exit__()
