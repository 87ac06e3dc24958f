"""The certificate that a client is shown, in real handshakes; also when it is renewed."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.certificates import Authority
from transcriber.tls import Certificate, CertificateError


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


async def _nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


class Shown:
    """A server with a certificate, and what clients see of it."""

    def __init__(self, certificate: Certificate, authority: Authority) -> None:
        self._certificate = certificate
        self._client = authority.client_context()

    async def __aenter__(self) -> "Shown":
        context = self._certificate.server_context()
        self._server = await asyncio.start_server(_nothing, "127.0.0.1", 0, ssl=context)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def common_name(self, host: str = "localhost", context: ssl.SSLContext | None = None) -> str:
        """Of the certificate in a handshake; `host` is what the client believes to speak to."""
        _, writer = await asyncio.open_connection(
            "127.0.0.1", self._port, ssl=context or self._client, server_hostname=host
        )
        try:
            shown = writer.get_extra_info("peercert")
            return dict(pair for (pair,) in shown["subject"])["commonName"]
        finally:
            writer.close()


@pytest.fixture
async def files(tmp_path: Path, authority: Authority) -> tuple[Path, Path]:
    return authority.write(tmp_path, "before")


@pytest.fixture
async def certificate(files: tuple[Path, Path]) -> Certificate:
    return Certificate(*files)


@pytest.fixture
async def server(certificate: Certificate, authority: Authority) -> AsyncIterator[Shown]:
    async with Shown(certificate, authority) as running:
        yield running


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_renewed_certificate_is_shown_from_the_next_connection_on(
    server: Shown, certificate: Certificate, authority: Authority, tmp_path: Path, host: str
) -> None:
    assert await server.common_name(host) == "before"
    authority.write(tmp_path, "after")
    assert await server.common_name(host) == "before"
    certificate.look()
    assert await server.common_name(host) == "after"


async def test_files_are_looked_at_now_and_then(
    server: Shown, certificate: Certificate, authority: Authority, tmp_path: Path
) -> None:
    watching = asyncio.create_task(certificate.watch(seconds=0.01))
    authority.write(tmp_path, "after")
    async with asyncio.timeout(5):
        while await server.common_name() != "after":  # noqa: ASYNC110 - it rings no bell
            await asyncio.sleep(0.01)
    watching.cancel()


async def test_half_a_renewal_changes_nothing(
    server: Shown,
    certificate: Certificate,
    authority: Authority,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    key = (tmp_path / "key.pem").read_bytes()
    authority.write(tmp_path, "after")
    new_key = (tmp_path / "key.pem").read_bytes()
    (tmp_path / "key.pem").write_bytes(key)
    with caplog.at_level(logging.WARNING):
        certificate.look()
        certificate.look()
    assert len(caplog.records) == 1
    assert await server.common_name() == "before"
    (tmp_path / "key.pem").write_bytes(new_key)
    certificate.look()
    assert await server.common_name() == "after"
    (tmp_path / "cert.pem").unlink()
    certificate.look()
    assert await server.common_name() == "after"


async def test_old_versions_of_tls_are_not_spoken(server: Shown, authority: Authority) -> None:
    context = authority.client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await server.common_name(context=context)


async def test_who_does_not_trust_the_authority_does_not_connect(server: Shown) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        await server.common_name(context=Authority().client_context())


def test_a_certificate_that_can_not_be_used_is_told(tmp_path: Path, authority: Authority) -> None:
    cert, key = authority.write(tmp_path)
    with pytest.raises(CertificateError, match=r"^TLS_CERT_FILE, TLS_KEY_FILE: No such file or directory$"):
        Certificate(tmp_path / "nowhere.pem", key)
    (tmp_path / "garbage.pem").write_text("no certificate")
    with pytest.raises(CertificateError, match=r"^TLS_CERT_FILE, TLS_KEY_FILE: \w"):
        Certificate(tmp_path / "garbage.pem", key)
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(CertificateError, match=r"key values mismatch"):
        Certificate(cert, authority.write(other)[1])
