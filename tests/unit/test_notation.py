"""Commands and events survive the spool: what `load` makes of dumped JSON is what went in."""

import dataclasses
import json
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.events import Command, Event, Options, Reconfigure, Started, Status, Transcription
from transcriber.notation import dump, load
from transcriber.transcript import Word

SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    type(None): st.none(),
    bool: st.booleans(),
    int: st.integers(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: st.text(max_size=20),
}

RECORDS: tuple[type, ...] = (*get_args(Command), *get_args(Event))


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Anything that the type hint allows."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in SIMPLE:
        return SIMPLE[hint]
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        return st.one_of(*map(values, arguments))
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, arguments))
    if origin is dict:
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=3)
    return st.builds(hint, **_fields(hint))


def _fields(cls: type) -> dict[str, st.SearchStrategy[Any]]:
    return {
        name: values(hint)
        for name, hint in get_type_hints(cls).items()
        if not (cls is Reconfigure and name == "changes")
    }


def records(cls: type) -> st.SearchStrategy[Any]:
    if cls is Reconfigure:
        changes = st.fixed_dictionaries({}, optional=_fields(Options))
        return st.builds(Reconfigure, changes, SIMPLE[int])
    return st.builds(cls, **_fields(cls))


@pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)
@given(st.data())
def test_a_record_survives_the_spool(cls: type, data: st.DataObject) -> None:
    record = data.draw(records(cls))
    loaded = load(json.loads(json.dumps(dump(record))))
    assert type(loaded) is cls
    assert loaded == record


def test_what_is_loaded_is_as_immutable_as_what_was_dumped() -> None:
    """Lists, which JSON has, compare unequal to tuples and can't be hashed."""
    words = (Word("one", 0.0, 0.2), Word("two", 0.3, 0.5, 0.9))
    told = Transcription(1, 1, 0, "one two", 0.0, 0.5, "silence", True, "en", words, "model", (1, 4))
    assert hash(load(json.loads(json.dumps(dump(told))))) == hash(told)
    options = Options(keywords=("Kahlenberg",))
    started = load(json.loads(json.dumps(dump(Started(options)))))
    assert hash(started.options) == hash(options)
    changed = load(json.loads(json.dumps(dump(Reconfigure({"keywords": ("Kahlenberg",), "prompt": None})))))
    assert dataclasses.replace(Options(), **changed.changes) == options


def test_dumped_records_say_what_they_are() -> None:
    status = Status("id", "2026-11-20T09:41:07Z", "local", "tiny.en", Options(), 60.0, "1")
    assert dump(status)["kind"] == "Status"


@pytest.mark.parametrize("stored", [{}, {"kind": "Probabilities"}, {"kind": ""}])
def test_what_is_no_record_is_a_key_error(stored: dict[str, Any]) -> None:
    with pytest.raises(KeyError):
        load(stored)


@pytest.mark.parametrize("stored", [{"kind": "Ack"}, {"kind": "Ack", "received_bytes": 1, "other": 2}])
def test_a_record_with_other_fields_is_a_type_error(stored: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        load(stored)
