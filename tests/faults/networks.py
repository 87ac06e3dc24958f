"""Two hosts on a cable that can be pulled: network namespaces of Linux, joined by a pair of virtual devices."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass


def _ip(*arguments: str) -> None:
    subprocess.run(("ip", *arguments), check=True, capture_output=True)


@dataclass(frozen=True)
class Network:
    """Its hosts are called by their namespaces."""

    server: str
    client: str

    server_address = "10.99.0.1"
    client_address = "10.99.0.2"

    def on(self, host: str, *command: str) -> tuple[str, ...]:
        """The command as it is run on a host."""
        return ("ip", "netns", "exec", host, *command)

    def pull(self) -> None:
        """Packets are lost from now on; nobody is told."""
        _ip("-n", self.client, "link", "set", "cable", "down")


@contextlib.contextmanager
def network() -> Iterator[Network]:
    """Raises CalledProcessError, FileNotFoundError where this is not allowed, or there is no such thing."""
    made = Network(f"server{os.getpid()}", f"client{os.getpid()}")
    try:
        for host in (made.server, made.client):
            _ip("netns", "add", host)
            _ip("-n", host, "link", "set", "lo", "up")
        _ip("-n", made.server, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", made.client)
        for host, address in ((made.server, made.server_address), (made.client, made.client_address)):
            _ip("-n", host, "address", "add", f"{address}/24", "dev", "cable")
            _ip("-n", host, "link", "set", "cable", "up")
        yield made
    finally:
        for host in (made.server, made.client):
            subprocess.run(("ip", "netns", "delete", host), check=False, capture_output=True)


def possible() -> bool:
    """Whether this machine lets this user make networks."""
    try:
        with network():
            return True
    except (OSError, subprocess.CalledProcessError):
        return False
