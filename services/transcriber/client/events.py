"""What the server tells, as frozen dataclasses: one class per message type of the native protocol."""

import dataclasses
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, cast, get_args, get_origin, get_type_hints


@dataclass(frozen=True, slots=True)
class Word:
    """One word as written; seconds from the start of the session."""

    text: str
    start: float
    end: float
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Storage:
    """`state` is stored, pending, failed or none; `locations` names each kept file by kind."""

    state: str
    locations: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Anything the server tells. A type that this client does not know stays of this class.

    `message` is the JSON object as received, with the fields that are newer than this client. Times are seconds from
    the start of the session.
    """

    type: str
    message: Mapping[str, Any] = field(repr=False)
    number: int | None = None
    """Its place among the session's events; partials and acks have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(Event):
    """The session has begun; `options` is what the server understood."""

    session_id: str
    started_at: str
    engine: str | None = None
    model: str | None = None
    version: str | None = None
    max_session_seconds: float | None = None
    resume_token: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted(Event):
    turn: int
    start: float
    channel: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStopped(Event):
    turn: int
    end: float
    channel: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial(Event):
    """The newest guess at an open utterance; its first `stable_words` words will not change."""

    text: str
    utterance: int
    start: float
    end: float
    stable_words: int = 0
    turn: int = 0
    channel: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcription(Event):
    """The final text of one utterance."""

    text: str
    utterance: int
    start: float
    end: float
    turn: int = 0
    channel: int = 0
    full_text: str | None = None
    """All final text so far; None once it is too long to travel."""
    chunk_range: str | None = None
    """First and last audio message, counted from 1, that the text comes from: "1-40"."""
    ends_turn: bool = True
    reason: str | None = None
    language: str | None = None
    words: tuple[Word, ...] = ()
    times: str | None = None
    """Where word times come from: model, aligned or estimated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionLate(Event):
    """The text of an utterance that was told as failed before."""

    text: str
    utterance: int
    start: float
    end: float
    turn: int = 0
    channel: int = 0
    language: str | None = None
    words: tuple[Word, ...] = ()
    times: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack(Event):
    """So many bytes are safe in the store."""

    received_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingPaused(Event):
    """From here on nothing is kept."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingResumed(Event):
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned(Event):
    code: str
    text: str
    at: float | None = None
    """Where in the audio, in seconds, if it is about a place in it."""
    end: float | None = None
    """Where that ends, if it is known."""
    cause: str | None = None
    """The code of the error that it comes of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Event):
    """An error after which the session goes on, unless it is `fatal`. With `utterance`, that speech has no text."""

    code: str
    text: str
    field: str | None = None
    fatal: bool = False
    utterance: int | None = None
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended(Event):
    resume_token: str
    received_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Complete(Event):
    """The last event of a session that reached its end."""

    summary: str
    full_transcription: str | None = None
    """None when it is too long to travel: it is where `storage` says."""
    total_chunks: int = 0
    duration_seconds: float = 0.0
    speech_seconds: float = 0.0
    storage: Storage = Storage("none")


_CLASSES: Mapping[str, type[Event]] = {
    "status": Status,
    "speech_started": SpeechStarted,
    "speech_stopped": SpeechStopped,
    "partial": Partial,
    "transcription": Transcription,
    "transcription_late": TranscriptionLate,
    "ack": Ack,
    "recording_paused": RecordingPaused,
    "recording_resumed": RecordingResumed,
    "warning": Warned,
    "error": Failed,
    "suspended": Suspended,
    "complete": Complete,
}

_LARGEST_NUMBER = 2**53
"""What every JSON reader keeps exactly, and more than any session has of anything."""

_WIRE_NAMES: Mapping[type[Event], Mapping[str, str]] = {
    Warned: {"text": "message"},
    Failed: {"text": "message"},
    Complete: {"summary": "message"},
}
"""Fields that are called otherwise on the wire, where `message` is the text of a message."""


def parse(text: str) -> Event:
    """The event that one text message tells.

    Raises:
        ValueError: it is no message of the native protocol.
    """
    try:
        values: object = json.loads(text)
    except RecursionError:
        raise ValueError("a message is nested too deeply") from None
    if not isinstance(values, dict):
        raise ValueError("a message must be a JSON object")  # noqa: TRY004 - one class for all that is unreadable
    message = cast("dict[str, Any]", values)
    kind: object = message.get("type")
    if not isinstance(kind, str):
        raise ValueError("a message must have a type")  # noqa: TRY004 - as above
    cls = _CLASSES.get(kind, Event)
    try:
        return cls(**_arguments(cls, message))
    except (KeyError, TypeError) as missing:
        raise ValueError(f"a {kind} message lacks a field or has a wrong one") from missing


def _arguments(cls: type[Event], message: dict[str, Any]) -> dict[str, Any]:
    """The constructor's arguments; what the server leaves out or sends as null keeps its default."""
    wire_names = _WIRE_NAMES.get(cls, {})
    hints = _hints(cls)
    arguments: dict[str, Any] = {"message": message}
    for name in (declared.name for declared in dataclasses.fields(cls) if declared.name != "message"):
        value = message.get(wire_names.get(name, name))
        if value is not None:
            arguments[name] = _checked(_value(name, value), hints[name])
    return arguments


def _value(name: str, value: Any) -> Any:
    match name:
        case "words":
            return tuple(_build(Word, word) for word in value)
        case "storage":
            return _build(Storage, value)
        case _:
            return value


def _build(cls: type[Word | Storage], values: dict[str, Any]) -> Word | Storage:
    """One nested object, without the fields that are newer than this client."""
    hints = _hints(cls)
    return cls(**{name: _checked(values[name], hint) for name, hint in hints.items() if name in values})


@functools.cache
def _hints(cls: type) -> Mapping[str, Any]:
    return get_type_hints(cls)


def _checked(value: Any, hint: Any) -> Any:
    if not _fits(value, hint):
        raise TypeError
    return value


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value from JSON is what a field declares; what a mapping holds is not looked at."""
    if isinstance(hint, UnionType):
        return any(_fits(value, option) for option in get_args(hint))
    if hint in (int, float):
        number = isinstance(value, int if hint is int else int | float) and not isinstance(value, bool)
        return number and abs(value) <= _LARGEST_NUMBER
    return isinstance(value, get_origin(hint) or hint)
