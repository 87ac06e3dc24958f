"""Request heads of any kind are answered by a status, or are whole."""

import h11
from hypothesis import given
from hypothesis import strategies as st

from tests.transport.raw_client import handshake
from transcriber.hypercorn_http import CheckedHeads

LIMIT_BYTES = 2000

TARGETS = st.sampled_from(["/ws", "/ws?a=%ff", "//[", "http://[::1", "*", "/\x7f", "/" * LIMIT_BYTES, "/é"])
HEADERS = st.sampled_from(
    [
        *("Connection: \xff", "Sec-WebSocket-Extensions: \xe9", "Upgrade: h2c", "Content-Length: -1", "Host: other"),
        *("Content-Length: 5", "Transfer-Encoding: chunked", " folded", ": none", "a: " + "b" * LIMIT_BYTES, "A"),
    ]
)


@given(TARGETS, st.lists(HEADERS, max_size=3), st.sampled_from(["1.1", "1.0", "1.2", "2.0"]), st.binary(max_size=9))
def test_a_head_is_refused_or_whole_and_within_the_limit(
    target: str, headers: list[str], version: str, noise: bytes
) -> None:
    connection = CheckedHeads(LIMIT_BYTES)
    try:
        connection.receive_data(handshake(target, *headers, version=version) + noise)
        request = connection.next_event()
    except h11.RemoteProtocolError as refusal:
        status = refusal.error_status_hint
        assert 400 <= status < 600
        return
    assert isinstance(request, h11.Request)
    assert request.target.isascii()
    assert len(request.target) + sum(len(name) + len(value) for name, value in request.headers) <= LIMIT_BYTES


@given(st.binary(min_size=1, max_size=200).filter(lambda data: b"HTTP/" not in data))
def test_bytes_that_are_no_head_are_refused_or_waited_with(data: bytes) -> None:
    connection = CheckedHeads(LIMIT_BYTES)
    try:
        connection.receive_data(data)
        assert connection.next_event() is h11.NEED_DATA
    except h11.RemoteProtocolError as refusal:
        status = refusal.error_status_hint
        assert status == 400
