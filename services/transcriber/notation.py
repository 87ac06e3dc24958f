"""Commands and events as values that JSON can hold, and back."""

import dataclasses
from typing import Any, get_args

from transcriber.events import Command, Error, Event, Options, Storage
from transcriber.transcript import Word

_NESTED: dict[str, type] = {"options": Options, "error": Error, "storage": Storage}
_BY_NAME: dict[str, type] = {cls.__name__: cls for cls in (*get_args(Command), *get_args(Event))}


def dump(record: Command | Event) -> dict[str, Any]:
    """A command or event as JSON-ready values, its kind under `kind`."""
    return {"kind": type(record).__name__, **dataclasses.asdict(record)}


def load(values: dict[str, Any]) -> Any:
    """What `dump` made values of.

    Raises:
        KeyError, TypeError: the values are of no command or event.
    """
    kind = _BY_NAME[values["kind"]]
    return kind(**{name: _load_field(name, value) for name, value in values.items() if name != "kind"})


def _load_field(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _NESTED:
        nested = _NESTED[name]
        return nested(**{key: _load_field(key, item) for key, item in value.items()})
    if name == "words":
        return tuple(Word(**word) for word in value)
    if name in ("chunk_range", "keywords"):
        return tuple(value)
    if name == "changes":
        return {key: _load_field(key, item) for key, item in value.items()}
    return value
