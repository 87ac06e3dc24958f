import http.server
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from transcriber import probe


@contextmanager
def answering(status: int, context: ssl.SSLContext | None = None) -> Generator[int]:
    """The port of a server that gives one status to `GET /live`, and 404 to all else."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/live" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    """With a certificate that nobody trusts, for another name."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "transcriber.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "both.pem").write_bytes(private + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    return context


@pytest.mark.parametrize(("status", "expected"), [(200, True), (503, False), (500, False), (404, False)])
def test_what_is_answered(status: int, expected: bool) -> None:
    with answering(status) as port:
        assert probe.alive(port) is expected


def test_whatever_the_certificate(tls: ssl.SSLContext) -> None:
    with answering(200, tls) as port:
        assert probe.alive(port, tls=True)
        assert not probe.alive(port)


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert not probe.alive(port)
    assert not probe.alive(port, tls=True)


def test_an_answer_that_breaks_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            listener.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        assert not probe.alive(listener.getsockname()[1])
        thread.join()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (500, 1)])
def test_by_itself_and_without_the_package(status: int, code: int) -> None:
    with answering(status) as port:
        command = (sys.executable, "-S", "-P", probe.__file__)
        done = subprocess.run(
            command, env=os.environ | {"PORT": str(port)}, cwd="/", capture_output=True, timeout=30, check=False
        )
    assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")
