"""Messages put together from frames, and the pulse of a client. The rest is rows of tests/service/test_transport.py."""

from itertools import pairwise
from typing import Any

import pytest
from hypercorn.protocol.ws_stream import FrameTooLargeError
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, TextMessage

from tests.transport.raw_client import BINARY, CLOSE, PING, TEXT, frame
from transcriber.hypercorn_websocket import MessageBuffer, Pulse

# Messages


@pytest.mark.parametrize("parts", [[b""], [b"abc"], [b"a", b"", b"bc"]])
def test_bytes_stay_bytes(parts: list[bytes]) -> None:
    buffer = MessageBuffer(3)
    for part in parts:
        buffer.extend(BytesMessage(data=part))
    assert buffer.take() == {"type": "websocket.receive", "bytes": b"".join(parts), "text": None}


@pytest.mark.parametrize("parts", [[""], ["äb"], ["ä", "", "b"]])
def test_text_stays_text(parts: list[str]) -> None:
    buffer = MessageBuffer(3)
    for part in parts:
        buffer.extend(TextMessage(data=part))
    assert buffer.take() == {"type": "websocket.receive", "bytes": None, "text": "".join(parts)}


@pytest.mark.parametrize("event", [BytesMessage(data=b"abcd"), TextMessage(data="ää")])
def test_the_limit_is_in_bytes(event: BytesMessage | TextMessage) -> None:
    with pytest.raises(FrameTooLargeError):
        MessageBuffer(3).extend(event)


def test_a_message_leaves_nothing_behind() -> None:
    buffer = MessageBuffer(3)
    buffer.extend(TextMessage(data="abc"))
    assert buffer.take()["text"] == "abc"
    buffer.extend(BytesMessage(data=b"def"))
    assert buffer.take()["bytes"] == b"def"


FRAMES = st.lists(
    st.tuples(st.sampled_from([BINARY, TEXT, 0, PING, CLOSE, 3]), st.binary(max_size=40), st.booleans(), st.booleans()),
    max_size=6,
)
MESSAGE_BYTES = 64


def received(data: bytes, cuts: list[int]) -> list[dict[str, Any]]:
    """The messages that bytes of a WebSocket hold, read in pieces; the last says why there are no more."""
    connection, buffer, messages = Connection(ConnectionType.SERVER), MessageBuffer(MESSAGE_BYTES), []
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, stop in pairwise(places):
        connection.receive_data(data[start:stop])
        for event in connection.events():
            if isinstance(event, CloseConnection):
                return [*messages, {"closed": int(event.code)}]
            if isinstance(event, BytesMessage | TextMessage):
                try:
                    buffer.extend(event)
                except FrameTooLargeError:
                    return [*messages, {"closed": 1009}]
                if event.message_finished:
                    messages.append(buffer.take())
    return messages


@given(FRAMES, st.binary(max_size=20), st.lists(st.integers(min_value=0), max_size=8))
def test_how_bytes_are_cut_changes_no_message(
    frames: list[tuple[int, bytes, bool, bool]], noise: bytes, cuts: list[int]
) -> None:
    data = b"".join(frame(code, body, final=final, masked=masked) for code, body, final, masked in frames) + noise
    whole = received(data, [])
    assert received(data, cuts) == whole
    assert received(data, list(range(len(data)))) == whole
    for message in whole:
        body = message.get("bytes") or (message.get("text") or "").encode()
        assert len(body) <= MESSAGE_BYTES


# Pulse


def beats(pulse: Pulse, heard: float, until: float) -> list[tuple[float, str]]:
    """What comes to pass of a client that was heard at one time only."""
    beats: list[tuple[float, str]] = []
    while (now := pulse.look_at) < until:
        if pulse.lost(now, heard):
            return [*beats, (now, "lost")]
        if pulse.ping_due(now):
            beats.append((now, "ping"))
    return beats


@pytest.mark.parametrize(
    ("interval", "patience", "expected"),
    [
        (20, 20, [(20, "ping"), (40, "lost")]),
        (20, 5, [(20, "ping"), (25, "lost")]),
        (5, 12, [(5, "ping"), (10, "ping"), (15, "ping"), (17, "lost")]),
    ],
)
def test_a_client_that_is_silent_is_lost(interval: float, patience: float, expected: list[tuple[float, str]]) -> None:
    assert beats(Pulse(0, interval, patience), heard=3, until=100) == expected


@pytest.mark.parametrize("heard", [20, 20.001, 24])
def test_anything_behind_the_ping_is_an_answer(heard: float) -> None:
    pulse = Pulse(0, 20, 5)
    assert pulse.ping_due(20)
    assert not pulse.lost(25, heard)
    assert pulse.look_at == 40


def test_what_came_before_the_ping_is_none() -> None:
    pulse = Pulse(0, 20, 5)
    assert pulse.ping_due(20)
    assert not pulse.lost(24.9, 19.9)
    assert pulse.lost(25, 19.9)
