"""Where requests may come from: peers, proxies, hosts and origins, judged without a clock, a file or a socket."""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from transcriber.events import Error

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")
"""What says that somebody else asked first. Anybody can write it."""
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True)
class Origins:
    """Pages that may use the service, beside its own; `any` is all of them."""

    allowed: frozenset[str] = frozenset()
    any: bool = False


@dataclass(frozen=True, slots=True)
class Asking:
    """What is known of a request before anything is looked at that it asks for. Header names are lower case."""

    peer: str
    """The address at the other end of the connection."""
    scheme: str
    """Of the connection: http, https, ws or wss."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @property
    def host(self) -> str:
        return self.headers.get("host", "")

    @property
    def origin(self) -> str | None:
        return self.headers.get("origin")

    def first(self, name: str) -> str:
        """Of a header that each proxy adds to: what the one says that the client has spoken to; empty without any."""
        return self.headers.get(name, "").partition(",")[0].strip()

    @property
    def forwarded(self) -> bool:
        return any(name in self.headers for name in _FORWARDED)


@dataclass(frozen=True, slots=True)
class Perimeter:
    """Who may ask at all.

    Anonymous is a service without keys: it is for its own machine, unless `open_to_all`. A page elsewhere must not
    speak to it through a browser on that machine, whatever name the page has in the DNS for the machine's address.
    """

    anonymous: bool
    open_to_all: bool = False
    hosts: frozenset[str] = frozenset()
    """Names, in lower case and without ports, that the service may be asked for by; empty leaves it to `anonymous`."""
    origins: Origins = field(default_factory=Origins)
    proxies: tuple[Network, ...] = ()
    """Who is believed what they say about others."""

    def refusal(self, asking: Asking) -> Error | None:
        """Why somebody may not ask; None when they may."""
        trusted = self._trusts(asking.peer)
        if self.anonymous and asking.forwarded and not trusted:
            return Error(
                "forwarded_header",
                "The service has no API keys and takes nothing from a proxy that TRUSTED_PROXIES does not name.",
            )
        if self.anonymous and not self.open_to_all and not is_loopback(asking.peer):
            return Error("not_local", "The service has no API keys and answers its own machine only.")
        if not self._known_host(asking.host):
            return Error("unknown_host", "The service is not asked for by this Host; ALLOWED_HOSTS may name it.")
        if not self._own_origin(asking, trusted=trusted):
            return Error("foreign_origin", "Pages of this Origin may not use the service; see ALLOWED_ORIGINS.")
        return None

    def is_direct(self, asking: Asking) -> bool:
        """Whether it comes from this machine, or, where everybody may come, from a private network; nobody between."""
        if asking.forwarded:
            return False
        return is_loopback(asking.peer) or (self.anonymous and _is_private(asking.peer))

    def _trusts(self, peer: str) -> bool:
        address = address_of(peer)
        return address is not None and any(address in network for network in self.proxies)

    def _known_host(self, host: str) -> bool:
        name = host_name(host)
        if name is None:
            return False
        if self.hosts:
            return name in self.hosts
        # The DNS can give any name with a dot this machine's address, so a page of that name would be our own.
        return not self.anonymous or "." not in name or name.endswith(".localhost") or address_of(name) is not None

    def _own_origin(self, asking: Asking, *, trusted: bool) -> bool:
        if asking.origin is None or self.origins.any:
            return True
        if (origin := normal_origin(asking.origin)) is None:
            return False
        if origin in self.origins.allowed:
            return True
        scheme, host = asking.scheme, asking.host
        if trusted:
            scheme, host = asking.first("x-forwarded-proto") or scheme, asking.first("x-forwarded-host") or host
        # Behind a proxy that is not trusted, TLS is not seen here: either scheme may be the page's.
        schemes = ("http", "https") if scheme in ("http", "ws") and not trusted else (_page_scheme(scheme),)
        return origin in {normal_origin(f"{one}://{host}") for one in schemes}


def _page_scheme(scheme: str) -> str:
    return {"ws": "http", "wss": "https"}.get(scheme, scheme)


def normal_origin(text: str) -> str | None:
    """An origin as browsers compare them (RFC 6454, section 5): scheme, host and port; None if it is none."""
    try:
        parts = urlsplit(text.strip().lower())
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    if not parts.scheme or not parts.hostname or parts.path.strip("/") or parts.query or "@" in parts.netloc:
        return None
    return f"{parts.scheme}://{parts.hostname}:{port}"


def host_name(host: str) -> str | None:
    """The name in a Host header, without its port and in lower case; None if there can be no such host."""
    try:
        parts = urlsplit(f"//{host}")
        name, _ = parts.hostname, parts.port
    except ValueError:
        return None
    if name is None or parts.path or parts.query or parts.fragment or "@" in host or any(map(str.isspace, host)):
        return None
    return name.rstrip(".")


def address_of(text: str) -> Address | None:
    """An IP address; one of IPv4 that is written as IPv6 is one of IPv4."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, ipaddress.IPv6Address) else address


def is_loopback(text: str) -> bool:
    """Whether this is the machine's own address, or its name for it."""
    address = address_of(text)
    return text == "localhost" if address is None else address.is_loopback


def _is_private(text: str) -> bool:
    address = address_of(text)
    return address is not None and address.is_private


def read_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and networks (`10.0.0.0/8`). Raises ValueError, which repeats nothing."""
    try:
        return tuple(ipaddress.ip_network(text) for text in texts)
    except ValueError:
        raise ValueError("must be IP addresses or networks like 10.0.0.0/8, separated by commas") from None


def read_origins(texts: Iterable[str]) -> Origins:
    """Origins like `https://app.example.com`, or `*`. Raises ValueError."""
    texts = list(texts)
    if texts == ["*"]:
        return Origins(any=True)
    origins = [normal_origin(text) for text in texts]
    if not all(origins):
        raise ValueError("must be origins like https://app.example.com, separated by commas, or *")
    return Origins(frozenset(origin for origin in origins if origin))


def read_hosts(texts: Iterable[str]) -> frozenset[str]:
    """Host names without ports. Raises ValueError."""
    names = [host_name(text) for text in texts]
    if not all(names):
        raise ValueError("must be host names like api.example.com, separated by commas")
    return frozenset(name for name in names if name)
