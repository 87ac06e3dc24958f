"""The service's certificate, as it is now: a renewed one holds from the next connection on."""

import asyncio
import logging
import ssl
from pathlib import Path

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""Between two looks at the files. Who renews certificates does so days before they expire."""
_Stamp = tuple[tuple[int, int, int], ...]


class CertificateError(ValueError):
    """A certificate that can't be used; says why, with the settings' names."""


class Certificate:
    """A chain and its key in two files, which somebody else may replace at any time."""

    def __init__(self, cert_file: Path, key_file: Path) -> None:
        """Raises CertificateError."""
        self._files = (cert_file, key_file)
        self._stamp = self._stamped()
        self._newest = self._load()

    def server_context(self) -> ssl.SSLContext:
        """For a server, for good: each handshake takes the newest certificate."""
        context = self._load()
        context.sni_callback = self._switch
        return context

    def _switch(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """OpenSSL asks this in every handshake, whether or not the client names a server."""
        connection.context = self._newest

    def look(self) -> None:
        """Take a certificate that was put into the files. One that can't be used changes nothing: the two files may be
        of different certificates until both are written."""
        stamp = self._stamped()
        if stamp == self._stamp:
            return
        try:
            self._newest = self._load()
        except CertificateError as wrong:
            log.warning("the certificate is left as it was", extra={"reason": str(wrong)})
        else:
            log.info("certificate read again")
        self._stamp = stamp

    async def watch(self, seconds: float = LOOK_SECONDS) -> None:
        """Look now and then, until cancelled."""
        while True:
            await asyncio.sleep(seconds)
            self.look()

    def _stamped(self) -> _Stamp:
        """What tells the files from those that replace them."""
        try:
            found = [path.stat() for path in self._files]
        except OSError:
            return ()
        return tuple((status.st_ino, status.st_mtime_ns, status.st_size) for status in found)

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        # WebSockets over HTTP/2 crash in Hypercorn (hypercorn#329).
        context.set_alpn_protocols(["http/1.1"])
        try:
            # Without a password: OpenSSL would ask for it on the terminal.
            context.load_cert_chain(*self._files, password="")
        except ssl.SSLError as problem:
            reason = problem.reason or "they can't be read"
            raise CertificateError(f"TLS_CERT_FILE, TLS_KEY_FILE: {reason.lower().replace('_', ' ')}") from None
        except OSError as problem:
            raise CertificateError(f"TLS_CERT_FILE, TLS_KEY_FILE: {problem.strerror}") from None
        return context
