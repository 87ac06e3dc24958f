"""What Hypercorn is told, and the limits that it does not know by itself."""

from dataclasses import dataclass
from ssl import SSLContext

from hypercorn.config import Config


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client, and all together, may take of the transport."""

    connections: int = 500
    """At once, whatever they are for; one more gets a 503."""
    head_bytes: int = 32 << 10
    """Request line and headers."""
    head_seconds: float = 10
    """From connecting, or from a request's first byte, to the end of its headers."""
    keep_alive_seconds: float = 75
    """Between requests. Longer than a load balancer keeps connections (60 s), or it sends into one that just closed."""
    body_bytes: int = 1 << 20
    body_seconds: float = 30
    message_bytes: int = 1 << 20
    """One WebSocket message, in UTF-8 where it is text."""
    ping_seconds: float = 20
    pong_seconds: float = 20
    """From a ping to anything that the client sends."""
    send_seconds: float = 20
    """For what is sent to leave, once the kernel's buffers are full."""
    linger_seconds: float = 3
    """For a client to answer our close frame, and again for it to close the connection behind that."""


class ServerConfig(Config):
    """Hypercorn's configuration with these limits; with a `tls` context, the service speaks TLS alone."""

    def __init__(self, limits: Limits, tls: SSLContext | None = None) -> None:
        super().__init__()
        self.limits = limits
        self._tls = tls
        self.ssl_handshake_timeout = limits.head_seconds
        self.h11_max_incomplete_size = limits.head_bytes
        self.keep_alive_timeout = limits.keep_alive_seconds
        self.websocket_max_message_size = limits.message_bytes
        self.websocket_ping_interval = limits.ping_seconds

    @property
    def ssl_enabled(self) -> bool:
        return self._tls is not None

    def create_ssl_context(self) -> SSLContext | None:
        return self._tls


def limits_of(config: Config) -> Limits:
    """The limits of a server; the defaults for one that was configured without them, by hand."""
    return config.limits if isinstance(config, ServerConfig) else Limits()
