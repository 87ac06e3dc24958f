import dataclasses
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.native_server import DEFAULTS, ENGINE_FAILED, told
from transcriber.client import (
    Ack,
    Complete,
    Event,
    Failed,
    Partial,
    RecordingPaused,
    RecordingResumed,
    SpeechStarted,
    SpeechStopped,
    Status,
    Storage,
    Suspended,
    Transcription,
    TranscriptionLate,
    Warned,
    Word,
)
from transcriber.client.display import Display
from transcriber.client.events import parse

CLASSES = {
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


@pytest.mark.parametrize("kind", DEFAULTS)
def test_each_message_type_has_its_class(kind: str) -> None:
    message = told(kind, number=7)
    event = parse(json.dumps(message))
    assert type(event) is CLASSES[kind]
    assert event.type == kind
    assert event.number == message.get("number")
    assert event.message == message


@pytest.mark.parametrize("kind", DEFAULTS)
def test_fields_have_the_values_of_the_message(kind: str) -> None:
    message = told(kind)
    event = parse(json.dumps(message))
    same = {field.name for field in dataclasses.fields(event)} & set(message) - {"message", "words", "storage"}
    assert {name: getattr(event, name) for name in same} == {name: message[name] for name in same}


def test_words_and_storage_become_objects() -> None:
    words = [{"text": "Hello.", "start": 0.1, "end": 0.5, "probability": 0.9}, {"text": "You", "start": 1, "end": 2}]
    final = parse(json.dumps(told("transcription", words=words)))
    assert isinstance(final, Transcription)
    assert final.words == (Word("Hello.", 0.1, 0.5, 0.9), Word("You", 1, 2))
    complete = parse(json.dumps(told("complete")))
    assert isinstance(complete, Complete)
    assert complete.storage == Storage("stored", {"audio": "/data/audio.wav"})


def test_the_text_of_errors_warnings_and_the_end() -> None:
    failed = parse(json.dumps(told("error", field="encoding", fatal=True)))
    assert isinstance(failed, Failed)
    assert (failed.code, failed.text, failed.field, failed.fatal) == (
        *("unsupported_audio", "Declare it."),
        *("encoding", True),
    )
    gap = parse(json.dumps(told("error", **ENGINE_FAILED)))
    assert isinstance(gap, Failed)
    assert (gap.utterance, gap.start, gap.end) == (1, 0.0, 1.0)
    warned = parse(json.dumps(told("warning")))
    assert isinstance(warned, Warned)
    assert warned.text == "Look."
    complete = parse(json.dumps(told("complete", full_transcription=None)))
    assert isinstance(complete, Complete)
    assert (complete.summary, complete.full_transcription) == ("Complete.", None)


def test_types_of_newer_servers_are_kept() -> None:
    event = parse('{"type": "speaker_changed", "number": 3, "speaker": "B"}')
    assert type(event) is Event
    assert (event.type, event.number, event.message["speaker"]) == ("speaker_changed", 3, "B")


def test_fields_of_newer_servers_are_kept() -> None:
    word = {"text": "Hi", "start": 0, "end": 1, "speaker": "B"}
    message = {**told("transcription"), "mood": "merry", "words": [word]}
    event = parse(json.dumps(message))
    assert isinstance(event, Transcription)
    assert event.message["mood"] == "merry"
    assert event.words == (Word("Hi", 0, 1),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "[]",
        "{}",
        '{"type": 1}',
        '{"type": "partial"}',
        '{"type": "transcription", "text": "a", "utterance": 1, "start": 0, "end": 1, "words": 5}',
        '{"type": "transcription", "text": "a", "utterance": 1, "start": 0, "end": 1, "words": [{}]}',
        '{"type": "complete", "message": "a", "storage": 5}',
    ],
)
def test_what_is_no_message_of_the_protocol(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - JSON errors have texts of their own
        parse(text)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("transcription", {"text": 5}),
        ("transcription", {"start": "0"}),
        ("transcription", {"end": 1e300}),
        ("transcription", {"end": float("nan")}),
        ("transcription", {"utterance": True}),
        ("transcription", {"words": [{"text": "a", "start": None, "end": 1}]}),
        ("partial", {"stable_words": 0.5}),
        ("complete", {"storage": {"state": "stored", "locations": []}}),
        ("status", {"options": "none"}),
    ],
)
def test_fields_of_another_kind_are_none_of_the_protocol(kind: str, fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="wrong one"):
        parse(json.dumps(told(kind) | fields))


def test_messages_nested_without_end_are_none_of_the_protocol() -> None:
    with pytest.raises(ValueError, match="nested"):
        parse("[" * 200_000)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["text", "start", "state"]), inner),
    max_leaves=5,
)


@given(st.sampled_from([*DEFAULTS]), st.data())
def test_what_can_be_read_can_be_shown(kind: str, data: st.DataObject) -> None:
    message = told(kind)
    changed = {name: data.draw(JSON) for name in data.draw(st.sets(st.sampled_from([*message]), max_size=2))}
    try:
        event = parse(json.dumps(message | changed))
    except ValueError:
        return
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    for as_json in (False, True):
        display = Display(out, err, as_json=as_json, summary=True)
        display.show(event)
        display.close(event if isinstance(event, Complete) else None)
