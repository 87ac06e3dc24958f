"""Whether the service on this machine is alive, as an exit code: `python -S -P probe.py`, a container's health check.

Runs every few seconds beside the service, so it imports nothing of ours and little else: to start Python is most of it.
"""

import os
import socket
import sys

_TIMEOUT_SECONDS = 4
_REQUEST = b"GET /live HTTP/1.0\r\nHost: localhost\r\n\r\n"


def alive(port: int, *, tls: bool = False) -> bool:
    """Whether `GET /live` is answered with 200; whose certificate it is does not matter here."""
    try:
        with _connected(port, tls=tls) as connection:
            connection.sendall(_REQUEST)
            return connection.recv(64).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False


def _connected(port: int, *, tls: bool) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), _TIMEOUT_SECONDS)
    if not tls:
        return connection
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection)


def main() -> int:
    """0 when it is alive; PORT and TLS_CERT_FILE are those of the service."""
    return 0 if alive(int(os.environ.get("PORT") or 8080), tls=bool(os.environ.get("TLS_CERT_FILE"))) else 1


if __name__ == "__main__":
    sys.exit(main())
