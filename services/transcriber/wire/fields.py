"""What a client of the native protocol may set: one table of fields, and the answer to whatever is not in it."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args

from transcriber.events import Error, Record

MAX_EVENT_NUMBER = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly."""


_NAME_LENGTH = 40


class FieldError(Exception):
    """Something in a message or query is wrong; carries the answer to the client."""

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.error = Error(code, message, field if field is None else _presentable(field))


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that can be set. `read` makes an option of a JSON value, `parse` a JSON value of a query
    parameter; what can't be read raises TypeError or ValueError."""

    allowed: str
    """What it must be, as the end of a sentence."""
    read: Callable[[object], Any]
    parse: Callable[[str], object] = str
    nullable: bool = False


def parse_json(text: str) -> object:
    """A JSON value. Names that are there twice are refused: which one counts would be a guess.

    Raises:
        FieldError: not JSON, or JSON that this service does not read.
    """
    try:
        return json.loads(text, object_pairs_hook=_unambiguous, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise FieldError("invalid_json", "The text is not valid JSON. Send a JSON object, or END to finish.") from None


def read_fields(values: Mapping[str, object], fields: Mapping[str, Field], where: str) -> dict[str, Any]:
    """The options in `values`, each as its field wants it.

    Raises:
        FieldError: the first name or value that is wrong.
    """
    options = {name: _read_field(name, value, fields, where) for name, value in values.items()}
    if options.get("channels") == _SEPARATE:
        if options.get("separate_channels") is False:
            raise FieldError("invalid_field", "`channels` and `separate_channels` contradict each other.", "channels")
        options |= {"channels": None, "separate_channels": True}
    return options


def read_query(pairs: Sequence[tuple[str, str]], fields: Mapping[str, Field]) -> dict[str, Any]:
    """The options in a query string. Only lists may be spread over several parameters of the same name.

    Raises:
        FieldError: the first name or value that is wrong.
    """
    values: dict[str, object] = {}
    for name, text in pairs:
        field = _known(name, fields, "the query")
        try:
            value = field.parse(text)
        except (ValueError, FieldError):
            raise _invalid(name, field) from None
        earlier = values.get(name)
        if isinstance(earlier, list) and isinstance(value, list):
            value = cast("list[object]", earlier) + cast("list[object]", value)
        elif name in values:
            raise _given_twice(name)
        values[name] = value
    return read_fields(values, fields, "the query")


def _read_field(name: str, value: object, fields: Mapping[str, Field], where: str) -> Any:
    field = _known(name, fields, where)
    if value is None and field.nullable:
        return None
    try:
        return field.read(value)
    except (TypeError, ValueError):
        raise _invalid(name, field) from None


def _known(name: str, fields: Mapping[str, Field], where: str) -> Field:
    if name not in fields:
        takes = f"it takes: {', '.join(fields)}." if fields else "it takes no fields."
        raise FieldError("unknown_field", f"There is no such field in {where}; {takes}", name)
    return fields[name]


def _invalid(name: str, field: Field) -> FieldError:
    null = ", or null" if field.nullable else ""
    return FieldError("invalid_field", f"`{name}` must be {field.allowed}{null}.", name)


def _given_twice(name: str) -> FieldError:
    return FieldError("invalid_field", "The same field is given twice.", name)


def _presentable(name: str) -> str:
    """A name that came from outside, encodable. Longer than names are, it may be a key in the wrong place."""
    shown = name if len(name) <= _NAME_LENGTH else f"{name[:4]}…"
    return shown.encode(errors="replace").decode()


def _unambiguous(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values: dict[str, object] = {}
    for name, value in pairs:
        if name in values:
            raise _given_twice(name)
        values[name] = value
    return values


def _refuse_constant(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON (RFC 8259, section 6)")


def _number(low: float, high: float) -> Field:
    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError
        return float(value)

    return Field(f"a number from {low:g} to {high:g}", read, parse_json)


def _whole(low: int, high: int, *, nullable: bool = False) -> Field:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError
        if value != int(value):
            raise ValueError
        return int(value)

    return Field(f"a whole number from {low} to {high}", read, parse_json, nullable)


def _text(limit: int) -> Field:
    def read(value: object) -> str | None:
        if not isinstance(value, str) or len(value) > limit:
            raise ValueError
        value.encode()  # Lone surrogates, which JSON can escape but UTF-8 can't carry, raise here.
        return value or None

    return Field(f"text of at most {limit} characters", read, nullable=True)


def _token(limit: int) -> Field:
    """Not empty: a client that has lost its token would get another session than it thinks."""
    text = _text(limit)

    def read(value: object) -> str:
        if not (token := text.read(value)):
            raise ValueError
        return token

    return Field(f"text of 1 to {limit} characters", read)


def _choice(names: Sequence[str], aliases: Mapping[str, str] | None = None, *, nullable: bool = False) -> Field:
    choices = {name: name for name in names} | dict(aliases or {})

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError
        return choices[value]

    def parse(text: str) -> str:
        return text.replace(" ", "+")  # A literal + in a query string means a space; no choice has one.

    return Field(f"one of {', '.join(choices)}", read, parse, nullable)


def _flag() -> Field:
    def read(value: object) -> bool:
        if not isinstance(value, bool):
            raise TypeError
        return value

    def parse(text: str) -> object:
        return {"true": True, "1": True, "false": False, "0": False}.get(text)

    return Field("true or false", read, parse)


_LANGUAGE_TAG = re.compile(r"([A-Za-z]{2,3})([-_][A-Za-z0-9]{1,8}){0,4}")
"""ISO 639 code, then the subtags of RFC 5646, which are dropped."""


def _language() -> Field:
    def read(value: object) -> str:
        match = _LANGUAGE_TAG.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise ValueError
        return match[1].lower()

    return Field('an ISO 639-1 code like "en"', read, nullable=True)


def _keywords(count: int, limit: int) -> Field:
    def read_word(value: object) -> str:
        if not isinstance(value, str) or not 0 < len(word := value.strip()) <= limit:
            raise ValueError
        word.encode()
        return word

    def read(value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise TypeError
        words = cast("list[object]", value)
        if len(words) > count:
            raise ValueError
        return tuple(read_word(word) for word in words)

    def parse(text: str) -> object:
        return [word for word in text.split(",") if word.strip()]

    return Field(f"a list of at most {count} words or phrases of 1 to {limit} characters", read, parse)


_SEPARATE = "separate"


def _channels(high: int) -> Field:
    count = _whole(1, high)

    def read(value: object) -> int | str:
        return _SEPARATE if value == _SEPARATE else count.read(value)

    def parse(text: str) -> object:
        return text if text == _SEPARATE else parse_json(text)

    return Field(f"{count.allowed} or {_SEPARATE}", read, parse, nullable=True)


OPTIONS: Mapping[str, Field] = {
    "encoding": _choice(
        (
            *("wav", "webm", "ogg", "flac", "mp3", "aac", "mp4", "aiff", "au", "amr", "mpegts"),
            *("mpeg", "flv", "w64", "sphere", "caf", "avi", "asf"),
            *("pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s32le", "pcm_u8", "pcm_f32le", "pcm_f64le", "mulaw", "alaw"),
        ),
        {"linear16": "pcm_s16le", "ulaw": "mulaw"},
        nullable=True,
    ),
    "sample_rate": _whole(1000, 192_000, nullable=True),
    "channels": _channels(32),
    "separate_channels": _flag(),
    "language": _language(),
    "prompt": _text(2000),
    "keywords": _keywords(100, 80),
    "model": _text(200),
    "translate": _flag(),
    "interim_results": _flag(),
    "endpointing_ms": _whole(100, 5000),
    "speech_threshold": _number(0.1, 0.9),
    "record": _choice(get_args(Record)),
    "resume": _flag(),
}
"""Everything in `events.Options`, by name."""

_CHANGEABLE = ("language", "prompt", "keywords", "interim_results", "endpointing_ms", "speech_threshold")

QUERY: Mapping[str, Field] = {
    **OPTIONS,
    "resume_token": _token(512),
    "last_event": _whole(0, MAX_EVENT_NUMBER),
    "token": _text(2000),
}

MESSAGES: Mapping[str, Mapping[str, Field]] = {
    "start": OPTIONS,
    "configure": {name: OPTIONS[name] for name in _CHANGEABLE},
    "finalize": {},
    "keep_alive": {},
    "pause_recording": {},
    "resume_recording": {},
    "end": {},
}
"""The JSON messages that a client may send, by type."""
