"""What a trace is to those who make one: spans within spans. Without a place to send them to, nothing happens."""

from collections.abc import Mapping
from typing import Protocol

Attribute = str | int | float | bool


class Span(Protocol):
    """Something that takes time. Its attributes are names, numbers and codes, and never what was said."""

    def child(self, name: str, *, ago_seconds: float = 0.0, **attributes: Attribute) -> "Span":
        """A span within this one, which began so long ago."""
        ...

    def end(self, error: str | None = None, attributes: Mapping[str, Attribute] | None = None) -> None:
        """It is over; `error` is the code of what went wrong."""
        ...


class Traces(Protocol):
    """Where spans go."""

    def begin(self, name: str, **attributes: Attribute) -> Span:
        """The first span of a trace."""
        ...

    async def close(self) -> None:
        """Send what is left; waits for seconds at most."""
        ...


class NoSpan:
    """Is not recorded."""

    def child(self, name: str, *, ago_seconds: float = 0.0, **attributes: Attribute) -> "NoSpan":
        return self

    def end(self, error: str | None = None, attributes: Mapping[str, Attribute] | None = None) -> None:
        return None


class NoTraces:
    """Records nothing."""

    def begin(self, name: str, **attributes: Attribute) -> NoSpan:
        return NoSpan()

    async def close(self) -> None:
        return None
