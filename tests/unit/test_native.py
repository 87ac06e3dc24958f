"""The native protocol: each message both ways, held against its AsyncAPI document, and whatever else may come."""

import json
from collections.abc import Sequence
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.protocol_schema import check_received, check_refusal, check_sent, json_messages
from transcriber.events import (
    Ack,
    Complete,
    Ended,
    Error,
    Event,
    Failed,
    Finalize,
    Options,
    Partial,
    PauseRecording,
    Reconfigure,
    RecordingPaused,
    RecordingResumed,
    Rejected,
    ResumeRecording,
    SpeechStarted,
    SpeechStopped,
    Started,
    Status,
    Storage,
    Suspended,
    Transcription,
    TranscriptionLate,
    Warned,
)
from transcriber.transcript import Word
from transcriber.wire.fields import MESSAGES
from transcriber.wire.native import MAX_FULL_TEXT_BYTES, NativeProtocol
from transcriber.wire.protocol import Accepted, Audio, Credential, Handshake, KeepAlive, Received, Refused, WireProtocol

SESSION_ID = "019a9f3c-52e1-7c40-8d0a-6a6d3b1f4f0e"
WORDS = (Word("Grüß", 0.1, 0.4, 0.75), Word("Gott", 0.5, 0.9))
STORED = Storage("stored", {"audio": "data/audio.wav"})
COMPLETE = Complete("Grüß Gott", 64_044, 16, 2.0, 0.8, 1, STORED)


def final(text: str, utterance: int = 1) -> Transcription:
    return Transcription(utterance, 2, 0, text, 0.1, 0.9, "silence", True, "de", WORDS, "aligned", (1, 40))


def told(protocol: NativeProtocol, event: Event, number: int | None = 3) -> list[dict[str, Any]]:
    messages = protocol.send(event, number)
    for message in messages:
        check_sent(message)
    return [json.loads(message) for message in messages]


def understood(text: str, protocol: NativeProtocol | None = None) -> Received:
    (received,) = (protocol or NativeProtocol()).receive(text)
    return received


def opened(query: Sequence[tuple[str, str]], protocol: NativeProtocol | None = None) -> Accepted | Refused:
    return (protocol or NativeProtocol()).open(Handshake("/ws", query))


# What the service sends

SENT: list[tuple[Event, dict[str, Any]]] = [
    (
        SpeechStarted(2, 0, 0.1),
        {"type": "speech_started", "number": 3, "turn": 2, "channel": 0, "start": 0.1},
    ),
    (
        SpeechStopped(2, 0, 0.9),
        {"type": "speech_stopped", "number": 3, "turn": 2, "channel": 0, "end": 0.9},
    ),
    (
        TranscriptionLate(7, 2, 0, "Grüß Gott", 0.1, 0.9, None, WORDS[1:], "estimated"),
        {
            "type": "transcription_late",
            "number": 3,
            "utterance": 7,
            "turn": 2,
            "channel": 0,
            "text": "Grüß Gott",
            "start": 0.1,
            "end": 0.9,
            "language": None,
            "words": [{"text": "Gott", "start": 0.5, "end": 0.9}],
            "times": "estimated",
        },
    ),
    (RecordingPaused(1.5), {"type": "recording_paused", "number": 3, "at": 1.5}),
    (RecordingResumed(2.5), {"type": "recording_resumed", "number": 3, "at": 2.5}),
    (
        Warned("some_code", "Mind."),
        {"type": "warning", "number": 3, "code": "some_code", "message": "Mind."},
    ),
    (
        Warned("some_code", "Mind.", 1.5),
        {"type": "warning", "number": 3, "code": "some_code", "message": "Mind.", "at": 1.5},
    ),
    (
        Failed(Error("already_started", "No.", "type")),
        {"type": "error", "number": 3, "code": "already_started", "message": "No.", "field": "type", "fatal": False},
    ),
    (
        Failed(Error("unsupported_audio", "No.", close_code=1003)),
        {"type": "error", "number": 3, "code": "unsupported_audio", "message": "No.", "fatal": True},
    ),
    (
        Failed(Error("engine_failed", "No."), 1, 2, 0, 0.0, 0.9, (2, 4)),
        {
            "type": "error",
            "number": 3,
            "code": "engine_failed",
            "message": "No.",
            "fatal": False,
            "utterance": 1,
            "turn": 2,
            "channel": 0,
            "start": 0.0,
            "end": 0.9,
            "chunk_range": "2-4",
        },
    ),
    (
        COMPLETE,
        {
            "type": "complete",
            "number": 3,
            "message": "Transcription complete: 1 utterance in 2.0 s of audio. The recording is stored.",
            "full_transcription": "Grüß Gott",
            "total_chunks": 16,
            "received_bytes": 64_044,
            "duration_seconds": 2.0,
            "speech_seconds": 0.8,
            "utterances": 1,
            "storage": {"state": "stored", "locations": {"audio": "data/audio.wav"}},
        },
    ),
    (
        final("Grüß Gott"),
        {
            "type": "transcription",
            "number": 3,
            "text": "Grüß Gott",
            "full_text": "Grüß Gott",
            "chunk_range": "1-40",
            "utterance": 1,
            "turn": 2,
            "ends_turn": True,
            "reason": "silence",
            "start": 0.1,
            "end": 0.9,
            "channel": 0,
            "language": "de",
            "words": [
                {"text": "Grüß", "start": 0.1, "end": 0.4, "probability": 0.75},
                {"text": "Gott", "start": 0.5, "end": 0.9},
            ],
            "times": "aligned",
        },
    ),
]

UNNUMBERED: list[tuple[Event, dict[str, Any]]] = [
    (Ack(9), {"type": "ack", "received_bytes": 9}),
    (Suspended("abc", 1234), {"type": "suspended", "resume_token": "abc", "received_bytes": 1234}),
    (
        Partial(1, 2, 0, 0.1, 0.8, "Grüß", 1),
        {
            "type": "partial",
            "utterance": 1,
            "turn": 2,
            "channel": 0,
            "start": 0.1,
            "end": 0.8,
            "text": "Grüß",
            "stable_words": 1,
        },
    ),
]


def status(options: Options | None = None, resume_token: str | None = None) -> Status:
    return Status(
        SESSION_ID,
        "2026-11-20T09:41:07.482+00:00",
        "local",
        "tiny",
        options or Options(),
        60.0,
        "0.1.0",
        resume_token,
        5,
    )


def test_it_is_a_wire_protocol() -> None:
    protocol: WireProtocol = NativeProtocol()
    assert protocol.receive(b"RIFF") == [Audio(b"RIFF")]


@pytest.mark.parametrize(("event", "message"), SENT, ids=lambda value: type(value).__name__)
def test_an_event_is_one_numbered_message(event: Event, message: dict[str, Any]) -> None:
    (sent,) = told(NativeProtocol(), event)
    assert sent == message
    assert list(sent)[:2] == ["type", "number"]


@pytest.mark.parametrize(("event", "message"), UNNUMBERED, ids=lambda value: type(value).__name__)
def test_what_is_no_event_of_the_session_has_no_number(event: Event, message: dict[str, Any]) -> None:
    (sent,) = told(NativeProtocol(), event, None)
    assert sent == message
    assert next(iter(sent)) == "type"


def test_every_event_is_described_and_tested() -> None:
    types = {message["type"] for _, message in (*SENT, *UNNUMBERED)} | {"status"}
    assert types == set(json_messages("send"))
    assert {type(event) for event, _ in (*SENT, *UNNUMBERED)} | {Status} == set(get_args(Event))


def test_status_says_what_was_understood() -> None:
    options = Options(encoding="mulaw", sample_rate=8000, keywords=("Wien",), interim_results=True)
    (sent,) = told(NativeProtocol(), status(options, "abc"), 1)
    assert sent == {
        "type": "status",
        "number": 1,
        "session_id": SESSION_ID,
        "started_at": "2026-11-20T09:41:07.482+00:00",
        "version": "0.1.0",
        "engine": "local",
        "model": "tiny",
        "max_session_seconds": 60.0,
        "resume_token": "abc",
        "received_bytes": 5,
        "options": {
            "encoding": "mulaw",
            "sample_rate": 8000,
            "channels": None,
            "separate_channels": False,
            "language": None,
            "prompt": None,
            "keywords": ["Wien"],
            "model": None,
            "translate": False,
            "interim_results": True,
            "endpointing_ms": 600,
            "speech_threshold": 0.5,
            "record": "audio+text",
            "resume": False,
        },
    }


def test_status_without_a_token_has_none() -> None:
    assert "resume_token" not in told(NativeProtocol(), status(), 1)[0]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            Complete(None, 1, 1, 61.25, 50.0, 12, Storage("pending", {"text": "data/a.txt"})),
            "Transcription complete: 12 utterances in 61.2 s of audio. The text is too long to be sent whole."
            " The recording is still being stored.",
        ),
        (
            Complete("", 0, 0, 0.0, 0.0, 0, Storage("none")),
            "Transcription complete: 0 utterances in 0.0 s of audio. Nothing was stored.",
        ),
        (
            Complete("a", 0, 0, 0.0, 0.0, 0, Storage("failed")),
            "Transcription complete: 0 utterances in 0.0 s of audio. The recording could not be stored.",
        ),
    ],
)
def test_complete_says_in_words_how_it_went(event: Complete, expected: str) -> None:
    (sent,) = told(NativeProtocol(), event)
    assert sent["message"] == expected
    assert sent["full_transcription"] == event.full_transcription


def test_text_that_utf8_cannot_carry_is_sent_without_it() -> None:
    (sent,) = NativeProtocol().send(final("a\ud800b"), 1)
    assert json.loads(sent)["text"] == "a?b"
    assert "Grüß" in sent, "other text is not escaped"


# The whole text so far


def full_texts(protocol: NativeProtocol, texts: Sequence[str]) -> list[str | None]:
    messages = [message for text in texts for message in told(protocol, final(text))]
    return [message.get("full_text") for message in messages if message["type"] == "transcription"]


def test_full_text_joins_all_finals_and_skips_empty_ones() -> None:
    assert full_texts(NativeProtocol(), ["", "One.", "", "Two.", "Three."]) == [
        "",
        "One.",
        "One.",
        "One. Two.",
        "One. Two. Three.",
    ]


def test_only_finals_add_to_full_text() -> None:
    protocol = NativeProtocol()
    for event, _ in SENT[:-1]:
        told(protocol, event)
    for event, _ in UNNUMBERED:
        told(protocol, event, None)
    assert full_texts(protocol, ["One."]) == ["One."]


@pytest.mark.parametrize("letter", ["a", "ß", "語"])
def test_full_text_may_be_64_kib_long_and_is_then_left_out_after_one_warning(letter: str) -> None:
    protocol = NativeProtocol()
    width = len(letter.encode())
    fits = letter * (MAX_FULL_TEXT_BYTES // width) + "." * (MAX_FULL_TEXT_BYTES % width)
    assert told(protocol, final(fits))[0]["full_text"] == fits
    assert told(protocol, final("", 2))[0]["full_text"] == fits
    warning, first = told(protocol, final("x", 3), 5)
    assert (warning["type"], warning["code"]) == ("warning", "full_text_too_long")
    assert "number" not in warning
    assert (first["number"], first["text"]) == (5, "x")
    (second,) = told(protocol, final("y", 4), 6)
    (empty,) = told(protocol, final("", 5), 7)
    assert [("full_text" in message) for message in (first, second, empty)] == [False, False, False]


@given(st.lists(st.text(max_size=3), max_size=5), st.lists(st.text(max_size=3), max_size=3))
def test_sent_the_same_events_again_it_goes_on_the_same(before: list[str], after: list[str]) -> None:
    first, second = NativeProtocol(), NativeProtocol()
    assert full_texts(first, before) == full_texts(second, before)
    assert full_texts(first, after) == full_texts(second, after)
    joined = " ".join(text for text in (*before, *after) if text)
    assert full_texts(first, [""]) == [joined]


# What a client sends


def test_audio_is_passed_on_and_nothing_is_nothing() -> None:
    protocol = NativeProtocol()
    assert protocol.receive(b"\x00") == [Audio(b"\x00")]
    assert protocol.receive(b"") == []


@pytest.mark.parametrize("text", ["END", "END\n", " END ", '{"type": "end"}'])
def test_the_end(text: str) -> None:
    assert understood(text) == Ended()


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"type": "finalize"}, Finalize("finalize")),
        ({"type": "keep_alive"}, KeepAlive()),
        ({"type": "pause_recording"}, PauseRecording()),
        ({"type": "resume_recording"}, ResumeRecording()),
        ({"type": "end"}, Ended()),
        ({"type": "start"}, Started(Options())),
        (
            {"type": "start", "encoding": "linear16", "sample_rate": 16000, "resume": True},
            Started(Options(encoding="pcm_s16le", sample_rate=16000, resume=True)),
        ),
        ({"type": "configure"}, Reconfigure({})),
        (
            {"type": "configure", "language": None, "keywords": ["Wien"], "endpointing_ms": 300},
            Reconfigure({"language": None, "keywords": ("Wien",), "endpointing_ms": 300}),
        ),
    ],
)
def test_json_is_a_command(message: dict[str, Any], expected: Received) -> None:
    check_received(message)
    assert understood(json.dumps(message)) == expected


def test_every_message_is_described() -> None:
    assert set(MESSAGES) == set(json_messages("receive"))


def test_start_adds_to_what_the_query_and_the_service_say() -> None:
    protocol = NativeProtocol(Options(endpointing_ms=400, language="de", record="text"))
    accepted = opened([("sample_rate", "8000"), ("language", "en")], protocol)
    assert accepted == Accepted(Options(endpointing_ms=400, language="en", record="text", sample_rate=8000))
    started = understood('{"type": "start", "encoding": "mulaw", "language": null}', protocol)
    assert started == Started(Options(endpointing_ms=400, record="text", sample_rate=8000, encoding="mulaw"))


def test_start_adds_to_what_was_configured_before_it() -> None:
    protocol = NativeProtocol()
    understood('{"type": "configure", "language": "de"}', protocol)
    assert understood('{"type": "start", "resume": true}', protocol) == Started(Options(language="de", resume=True))


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        ("end", "invalid_json", None),
        ("", "invalid_json", None),
        ("{", "invalid_json", None),
        ('{"type": "start", "speech_threshold": NaN}', "invalid_json", None),
        ("[" * 100_000, "invalid_json", None),
        ('{"type": "start", "sample_rate": ' + "9" * 5000 + "}", "invalid_json", None),
        ("[]", "invalid_message", None),
        ('"END"', "invalid_message", None),
        ("null", "invalid_message", None),
        ("{}", "invalid_message", "type"),
        ('{"type": 1}', "invalid_message", "type"),
        ('{"type": ["start"]}', "invalid_message", "type"),
        ('{"type": "clear"}', "unknown_message", "type"),
        ('{"type": "pause_recording", "at": 1}', "unknown_field", "at"),
        ('{"type": "\\ud800"}', "unknown_message", "type"),
        ('{"type": "start", "langauge": "en"}', "unknown_field", "langauge"),
        ('{"type": "finalize", "now": true}', "unknown_field", "now"),
        ('{"type": "configure", "encoding": "wav"}', "unknown_field", "encoding"),
        ('{"type": "start", "resume_token": "abc"}', "unknown_field", "resume_token"),
        ('{"type": "start", "language": "auto"}', "invalid_field", "language"),
        ('{"type": "end", "type": "end"}', "invalid_field", "type"),
    ],
)
def test_anything_else_is_rejected_and_the_session_goes_on(text: str, code: str, field: str | None) -> None:
    received = understood(text)
    assert isinstance(received, Rejected)
    assert (received.error.code, received.error.field, received.error.close_code) == (code, field, None)
    told(NativeProtocol(), Failed(received.error))


def test_a_message_with_an_error_has_no_effect() -> None:
    protocol = NativeProtocol()
    assert isinstance(understood('{"type": "configure", "language": "de", "prompt": 1}', protocol), Rejected)
    assert understood('{"type": "start"}', protocol) == Started(Options())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
NAMES = st.sampled_from([*MESSAGES["start"], "type", "other"])
ALMOST = st.builds(
    lambda kind, values: {"type": kind} | values, st.sampled_from([*MESSAGES]), st.dictionaries(NAMES, JSON, max_size=3)
)


@given(st.one_of(st.text(), st.binary(), JSON.map(json.dumps), ALMOST.map(json.dumps)))
@example("\ud800")
def test_whatever_comes_is_received(message: bytes | str) -> None:
    """Never raises; what is not understood is rejected with a reason that can be told, and the rest is described."""
    received = NativeProtocol().receive(message)
    assert len(received) == (message != b"")
    for item in received:
        assert isinstance(item, Received)
        if isinstance(item, Rejected):
            assert item.error.code
            assert item.error.message
            told(NativeProtocol(), Failed(item.error))
        elif isinstance(message, str) and message.strip() != "END":
            check_received(message)


@given(st.lists(st.tuples(st.text() | st.sampled_from([*MESSAGES["start"], "last_event"]), st.text()), max_size=3))
def test_whatever_the_query_says_is_answered(query: list[tuple[str, str]]) -> None:
    answer = opened(query)
    if isinstance(answer, Refused):
        assert answer.status == 400
        check_refusal(answer.body)


# The handshake


def test_a_plain_handshake_asks_for_nothing() -> None:
    assert opened([]) == Accepted(Options())


def test_a_client_that_comes_back_says_where_it_was() -> None:
    assert opened([("resume_token", "abc"), ("last_event", "22")]) == Accepted(
        Options(), resume_token="abc", last_event=22
    )
    assert opened([("resume_token", "abc")]) == Accepted(Options(), resume_token="abc", last_event=0)


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ([("langauge", "en")], "unknown_field", "langauge"),
        ([("language", "auto")], "invalid_field", "language"),
        ([("last_event", "3")], "invalid_field", "last_event"),
        ([("last_event", "0"), ("resume_token", "")], "invalid_field", "resume_token"),
    ],
)
def test_a_bad_query_is_refused(query: list[tuple[str, str]], code: str, field: str) -> None:
    answer = opened(query)
    assert isinstance(answer, Refused)
    assert (answer.status, answer.content_type) == (400, "application/json")
    check_refusal(answer.body)
    error = json.loads(answer.body)["error"]
    assert (error["code"], error["field"]) == (code, field)


def test_a_refusal_for_another_reason_looks_the_same() -> None:
    answer = NativeProtocol().refuse(503, Error("draining", "Later."))
    check_refusal(answer.body)
    assert answer.status == 503
    assert json.loads(answer.body) == {"error": {"code": "draining", "message": "Later."}}


@pytest.mark.parametrize(
    ("handshake", "credential", "subprotocol"),
    [
        (Handshake("/ws"), None, None),
        (Handshake("/ws", [("token", "t")]), Credential("t", in_url=True), None),
        (Handshake("/ws", headers={"authorization": "Bearer k"}), Credential("k"), None),
        (Handshake("/ws", subprotocols=["transcriber", "token.t"]), Credential("t"), "transcriber"),
        (Handshake("/ws", subprotocols=["other"]), None, None),
        (Handshake("/ws", [("token", "t")], {"x-api-key": "k"}), Credential(""), None),
        (Handshake("/ws", subprotocols=["token.t", "token.u"]), Credential(""), None),
    ],
)
def test_who_asks_is_found_wherever_they_show_it(
    handshake: Handshake, credential: Credential | None, subprotocol: str | None
) -> None:
    accepted = NativeProtocol().open(handshake)
    assert isinstance(accepted, Accepted)
    assert (accepted.credential, accepted.subprotocol) == (credential, subprotocol)
    assert accepted.options == Options()


def test_whose_session_it_is_is_not_told() -> None:
    (message,) = NativeProtocol().send(Status("id", "now", "e", "m", Options(), 1, "1", owner="alice"), 1)
    assert "alice" not in message
    assert "owner" not in message
