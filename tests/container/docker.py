"""A Docker engine for as long as it is needed: no network but the host's, nothing on the machine changed."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_START_SECONDS = 30
_STOP_SECONDS = 60
_DAEMON = (
    *("setpriv", "--pdeathsig", "TERM", "dockerd", "--storage-driver=overlay2", "--bridge=none", "--iptables=false"),
    *("--ip6tables=false", "--ip-forward=false", "--ip-masq=false", "--userland-proxy=false"),
)
"""Ends with the process that starts it, whatever becomes of that."""


def missing() -> str:
    """Why there can be no engine here; empty if there can."""
    if os.uname().sysname != "Linux":
        return "needs Linux"
    if os.geteuid():
        return "needs root, to start a Docker engine of its own"
    absent = [name for name in ("dockerd", "docker", "setpriv", "dpkg-query") if shutil.which(name) is None]
    return f"needs {', '.join(absent)}" if absent else ""


class Failed(Exception):
    """A command of Docker did; the message has its last words."""


class Docker:
    """The engine as its command line shows it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "DOCKER_HOST": f"unix://{folder}/socket",
            "DOCKER_CONFIG": str(folder / "config"),
        }
        # A machine may have another client first in its path: one that needs buildx to build.
        self.client = next(path for path in ("/usr/bin/docker", "docker") if shutil.which(path))
        self.environment["DOCKER_BUILDKIT"] = "1" if self._has_buildkit() else "0"

    def run(self, *arguments: str, seconds: float = 60) -> str:
        """What a command prints.

        Raises:
            Failed: it does not end with 0.
        """
        done = subprocess.run(
            (self.client, *arguments),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if done.returncode:
            raise Failed(f"docker {arguments[0]}: {(done.stdout + done.stderr)[-3000:]}")
        return done.stdout.strip()

    def inspect(self, name: str) -> Any:
        (found,) = json.loads(self.run("inspect", name))
        return found

    def build(self, target: str, *options: str, context: Path = ROOT, seconds: float = 400) -> str:
        """Builds a target of the Dockerfile; the name of the image."""
        tag = f"transcriber:{target}"
        self.run(
            "build", "--network", "host", "--target", target, "--tag", tag, *options, str(context), seconds=seconds
        )
        return tag

    def load(self, root: Path, tag: str) -> None:
        """Makes an image of a folder."""
        path = "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
        command = (self.client, "import", "--change", path, "-", tag)
        packing = ("tar", "-C", str(root), "--numeric-owner", "-c", ".")
        with subprocess.Popen(packing, stdout=subprocess.PIPE) as packed:
            subprocess.run(command, env=self.environment, stdin=packed.stdout, stdout=subprocess.DEVNULL, check=True)
        assert packed.returncode == 0

    def _has_buildkit(self) -> bool:
        """Whether this client builds with BuildKit: by itself up to version 22, later with a plugin."""
        version = subprocess.run((self.client, "--version"), capture_output=True, text=True, check=True).stdout
        if (found := re.search(r"version (\d+)", version)) and int(found[1]) < 23:
            return True
        plugin = (self.client, "buildx", "version")
        return subprocess.run(plugin, env=self.environment, capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def docker() -> Iterator[Docker]:
    """Runs inside; behind it nothing runs, is mounted or is left in a folder.

    Raises:
        Failed: it does not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="docker-"))
    try:
        with (folder / "log").open("wb") as log:
            options = [f"--host=unix://{folder}/socket", f"--pidfile={folder}/pid"]
            options += [f"--data-root={folder}/data", f"--exec-root={folder}/exec"]
            daemon = subprocess.Popen((*_DAEMON, *options), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            engine = Docker(folder)
            _wait(engine, daemon)
            yield engine
            for container in engine.run("ps", "--all", "--quiet").split():
                engine.run("rm", "--force", "--volumes", container)
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(_STOP_SECONDS)
    finally:
        _unmount(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(engine: Docker, daemon: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and daemon.poll() is None:
        with contextlib.suppress(Failed):
            engine.run("version")
            return
        time.sleep(0.1)
    raise Failed(f"dockerd: {(engine.folder / 'log').read_text()[-3000:]}")


def _unmount(folder: Path) -> None:
    """What a daemon leaves mounted where it could not end by itself."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in reversed([point for point in points if point.startswith(f"{folder}/")]):
        subprocess.run(("umount", point), check=False)
