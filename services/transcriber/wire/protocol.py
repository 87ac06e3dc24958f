"""What a wire protocol is: one object per connection that translates, without I/O, between messages and the session."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from transcriber.events import Command, Error, Event, Options


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a client asks with, before it is let in. Header names are lower case; one that came several times has all
    its values, separated by commas (RFC 9110, section 5.3)."""

    path: str
    query: Sequence[tuple[str, str]] = field(default=(), repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    subprotocols: Sequence[str] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Credential:
    """What a client shows to be let in: an API key, or a token."""

    text: str = field(repr=False)
    in_url: bool = False
    """Whether it stood where anybody on the way may write it down."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the handshake itself declares: the options, and who asks; `resume_token` asks for a session that was
    suspended, from the event after `last_event` on."""

    options: Options
    subprotocol: str | None = None
    resume_token: str | None = None
    last_event: int = 0
    credential: Credential | None = None


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
