"""Messages put together from frames, and the pulse of a client. The rest is rows of tests/service/test_transport.py."""

import pytest
from hypercorn.protocol.ws_stream import FrameTooLargeError
from wsproto.events import BytesMessage, TextMessage

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
