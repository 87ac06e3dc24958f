"""What a wire protocol is: one object per connection that translates, without I/O, between messages and the session."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from transcriber.events import Command, Error, Event, Options


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a client asks with, before it is let in. Header names are lower case."""

    path: str
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] | None = None
    subprotocols: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """The options that the handshake itself declares; `resume_token` asks for a session that was suspended, from the
    event after `last_event` on."""

    options: Options
    subprotocol: str | None = None
    resume_token: str | None = None
    last_event: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer instead of a WebSocket."""

    status: int
    body: str
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Audio:
    """Bytes for the decoder, as received."""

    data: bytes


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """The client is there and has nothing to say."""


Received = Audio | Command | KeepAlive


class WireProtocol(Protocol):
    """Never raises for what a client sent: bad input becomes a `Rejected` command, in order with the rest."""

    def open(self, handshake: Handshake) -> Accepted | Refused: ...

    def refuse(self, status: int, error: Error) -> Refused:
        """A refusal for another reason than the handshake (no room, draining), in the protocol's own form."""
        ...

    def receive(self, message: bytes | str) -> Sequence[Received]:
        """What one message means. Commands carry `at=0`: the spool knows their position."""
        ...

    def send(self, event: Event, number: int | None) -> Sequence[bytes | str]:
        """The messages that tell `event`; `number` is its place among the session's events, None for partials and
        acks. Sent the same events again, the object reaches the same state again."""
        ...
