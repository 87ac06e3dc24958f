"""A service over TLS that asks for a key, with the local engine; and clients of it."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.clients.programs import PROGRAMS, Program, build_go
from tests.service_process import ServiceProcess
from transcriber.api_keys import KeyLimits, dump, new_key

KEY, STORED_KEY = new_key("clients", KeyLimits())


@dataclass(frozen=True)
class Secure:
    process: ServiceProcess
    authority: Path

    @property
    def url(self) -> str:
        return f"wss://localhost:{self.process.port}/ws"


def launched(folder: Path) -> ServiceProcess:
    folder.mkdir(parents=True, exist_ok=True)
    authority = Authority()
    (folder / "authority.pem").write_bytes(authority.pem)
    cert, key = authority.write(folder)
    settings = {"tls_cert_file": cert, "tls_key_file": key, "api_keys": dump([STORED_KEY]), "drain_seconds": 0}
    return ServiceProcess(folder, engine="local", **settings)


@pytest.fixture(scope="session")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Generator[Secure]:
    folder = tmp_path_factory.mktemp("secure")
    with launched(folder) as running:
        yield Secure(running, folder / "authority.pem")


@pytest.fixture
def mortal(tmp_path: Path) -> Generator[Secure]:
    """One that a test may end."""
    with launched(tmp_path) as running:
        yield Secure(running, tmp_path / "authority.pem")


@pytest.fixture(scope="session")
def _go_example() -> None:
    build_go()


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> Program:
    if request.param == "example-go":
        request.getfixturevalue("_go_example")
    return PROGRAMS[request.param]
