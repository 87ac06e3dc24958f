"""Where requests may come from."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.perimeter import (
    Asking,
    Origins,
    Perimeter,
    address_of,
    host_name,
    is_loopback,
    normal_origin,
    read_hosts,
    read_networks,
    read_origins,
)

KEYED = Perimeter(anonymous=False)
ALONE = Perimeter(anonymous=True)
OPEN = Perimeter(anonymous=True, open_to_all=True)
PROXIED = Perimeter(anonymous=True, open_to_all=True, proxies=(ip_network("10.0.0.0/8"),))


def asking(peer: str = "127.0.0.1", scheme: str = "ws", host: str = "localhost:8080", **headers: str) -> Asking:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Asking(peer, scheme, {"host": host, **named})


def code(perimeter: Perimeter, asked: Asking) -> str | None:
    error = perimeter.refusal(asked)
    return error.code if error else None


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "127.9.9.9"])
def test_a_service_without_keys_is_for_its_own_machine(peer: str) -> None:
    assert code(ALONE, asking(peer)) is None


@pytest.mark.parametrize("peer", ["192.168.1.5", "203.0.113.9", "fe80::1%eth0", "", "<local>"])
def test_others_are_refused_unless_it_is_open_to_all(peer: str) -> None:
    assert code(ALONE, asking(peer)) == "not_local"
    assert code(OPEN, asking(peer)) is None
    assert code(KEYED, asking(peer)) is None


@pytest.mark.parametrize("name", ["forwarded", "x_forwarded_for", "x_forwarded_host", "x_forwarded_proto", "x_real_ip"])
def test_what_was_forwarded_is_refused_without_keys_unless_the_proxy_is_trusted(name: str) -> None:
    for perimeter in (ALONE, OPEN, PROXIED):
        assert code(perimeter, asking(**{name: "127.0.0.1"})) == "forwarded_header"
    assert code(PROXIED, asking("10.1.2.3", **{name: "https"})) is None
    assert code(PROXIED, asking("::ffff:10.1.2.3", **{name: "https"})) is None
    assert code(KEYED, asking("10.1.2.3", **{name: "https"})) is None


@pytest.mark.parametrize(
    "host",
    [
        *(
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:8080",
            "[::1]:8080",
            "192.168.1.5",
            "a.localhost",
            "one:80",
        ),
    ],
)
def test_names_that_the_dns_can_not_give_away(host: str) -> None:
    assert code(ALONE, asking(host=host)) is None


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.ev.il"])
def test_names_that_it_can(host: str) -> None:
    assert code(ALONE, asking(host=host)) == code(OPEN, asking(host=host)) == "unknown_host"
    assert code(KEYED, asking(host=host)) is None


@pytest.mark.parametrize("host", ["", " ", "a b", "user@localhost", "a/b", "localhost?x", "localhost:port", "[::1"])
def test_hosts_that_are_none(host: str) -> None:
    assert code(KEYED, asking(host=host)) == "unknown_host"


def test_hosts_that_were_named_are_the_only_ones() -> None:
    named = Perimeter(anonymous=False, hosts=frozenset({"api.example.com"}))
    assert code(named, asking(host="API.example.com.:443")) is None
    assert code(named, asking(host="localhost")) == "unknown_host"


@pytest.mark.parametrize(
    ("scheme", "host", "origin"),
    [
        ("ws", "localhost:8080", "http://localhost:8080"),
        ("ws", "example.com", "http://example.com"),
        ("ws", "example.com", "https://example.com"),  # TLS may have ended before
        ("wss", "example.com", "https://example.com"),
        ("wss", "example.com:443", "https://EXAMPLE.com"),
        ("http", "[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_a_page_of_the_same_origin(scheme: str, host: str, origin: str) -> None:
    assert code(KEYED, asking(scheme=scheme, host=host, origin=origin)) is None


@pytest.mark.parametrize(
    ("scheme", "host", "origin"),
    [
        ("ws", "localhost:8080", "http://localhost:3000"),
        ("ws", "localhost:8080", "http://localhost"),
        ("wss", "example.com", "http://example.com"),
        ("ws", "example.com", "https://example.com.evil.example"),
        ("ws", "example.com", "https://evil.example/?example.com"),
        ("ws", "example.com", "https://example.com@evil.example"),
        ("ws", "example.com", "null"),
        ("ws", "example.com", ""),
        ("ws", "example.com", "file://"),
        ("ws", "example.com", "http://example.com, http://evil.example"),
    ],
)
def test_a_page_of_another_one(scheme: str, host: str, origin: str) -> None:
    assert code(KEYED, asking(scheme=scheme, host=host, origin=origin)) == "foreign_origin"


def test_pages_that_were_named() -> None:
    named = Perimeter(anonymous=False, origins=read_origins(["https://app.example.com", "http://localhost:3000"]))
    assert code(named, asking(origin="https://app.example.com:443")) is None
    assert code(named, asking(origin="http://localhost:3000")) is None
    assert code(named, asking(origin="http://app.example.com")) == "foreign_origin"
    assert code(Perimeter(anonymous=False, origins=Origins(any=True)), asking(origin="null")) is None


def test_a_trusted_proxy_says_where_a_page_is() -> None:
    forwarded = {"x_forwarded_host": "example.com", "x_forwarded_proto": "https"}
    proxied = Perimeter(anonymous=False, proxies=(ip_network("10.0.0.1"),))
    page = {"origin": "https://example.com", **forwarded}
    assert code(proxied, asking("10.0.0.1", host="task:8080", **page)) is None
    assert code(proxied, asking("10.0.0.2", host="task:8080", **page)) == "foreign_origin"
    insecure = {"origin": "http://example.com", **forwarded}
    assert code(proxied, asking("10.0.0.1", host="task:8080", **insecure)) == "foreign_origin"


@pytest.mark.parametrize(
    ("forwarded", "origin"),
    [
        ({"x_forwarded_proto": "https, http"}, "https://example.com"),
        ({"x_forwarded_proto": "https", "x_forwarded_host": "example.com, inner:8080"}, "https://example.com"),
        ({"x_forwarded_proto": "wss"}, "https://example.com"),
        ({"x_forwarded_proto": ""}, "http://example.com"),
    ],
)
def test_of_several_proxies_the_first_has_seen_the_page(forwarded: dict[str, str], origin: str) -> None:
    proxied = Perimeter(anonymous=False, proxies=(ip_network("10.0.0.1"),))
    assert code(proxied, asking("10.0.0.1", host="example.com", origin=origin, **forwarded)) is None
    for foreign in ("null", "file://", "", "https://evil.example", "https://inner:8080"):
        assert code(proxied, asking("10.0.0.1", host="example.com", origin=foreign, **forwarded)) == "foreign_origin"


@pytest.mark.parametrize("forwarded", [{"x_forwarded_host": "a/b"}, {"x_forwarded_proto": "h t"}])
def test_what_is_no_origin_is_never_the_same(forwarded: dict[str, str]) -> None:
    proxied = Perimeter(anonymous=False, proxies=(ip_network("10.0.0.1"),))
    assert code(proxied, asking("10.0.0.1", host="example.com", origin="null", **forwarded)) == "foreign_origin"


def test_who_asks_directly() -> None:
    assert KEYED.is_direct(asking())
    assert not KEYED.is_direct(asking(x_forwarded_for="127.0.0.1"))
    assert not KEYED.is_direct(asking("192.168.1.5"))
    assert OPEN.is_direct(asking("192.168.1.5"))
    assert not OPEN.is_direct(asking("8.8.8.8"))


def test_lists_are_read_or_told() -> None:
    assert read_networks(["10.0.0.0/8", "::1"]) == (ip_network("10.0.0.0/8"), ip_network("::1"))
    assert read_hosts(["Example.com", "[::1]"]) == {"example.com", "::1"}
    assert read_origins(["*"]).any
    for read in (read_networks, read_hosts, read_origins):
        with pytest.raises(ValueError, match="separated by commas") as caught:
            read(["a planted/secret"])
        assert "planted" not in str(caught.value)


@given(st.text(), st.text(), st.text(), st.sampled_from(["ws", "wss", "http", "", "x"]))
def test_any_text_is_judged(peer: str, host: str, origin: str, scheme: str) -> None:
    for perimeter in (KEYED, ALONE, PROXIED):
        perimeter.refusal(Asking(peer, scheme, {"host": host, "origin": origin, "x-forwarded-host": origin}))
    assert isinstance(is_loopback(peer), bool)
    assert normal_origin(f"https://{host_name(host)}") or host_name(host) is None or not host_name(host)
    address_of(host)
