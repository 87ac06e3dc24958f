"""The service's own protocol, `GET /ws`: audio and JSON in, JSON out. docs/protocol.md describes it for clients."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, cast

from transcriber.events import (
    Ack,
    Command,
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
    Suspended,
    Transcription,
    TranscriptionLate,
    Warned,
)
from transcriber.transcript import Word
from transcriber.wire.credentials import in_headers, one_of
from transcriber.wire.fields import MESSAGES, QUERY, FieldError, parse_json, read_fields, read_query
from transcriber.wire.protocol import Accepted, Audio, Credential, Handshake, KeepAlive, Received, Refused

MAX_FULL_TEXT_BYTES = 64 * 1024
"""In UTF-8. A session may last for hours; what each final repeats must not grow with it."""

SUBPROTOCOL = "transcriber"
"""What a client asks for that shows its token as a subprotocol: a browser wants one of those it asked for back."""
TOKEN_SUBPROTOCOL = "token."  # noqa: S105 - what stands before a token
"""Begins the subprotocol that is a token."""

_TYPES: Mapping[type, str] = {
    Status: "status",
    SpeechStarted: "speech_started",
    SpeechStopped: "speech_stopped",
    Partial: "partial",
    Transcription: "transcription",
    TranscriptionLate: "transcription_late",
    Ack: "ack",
    RecordingPaused: "recording_paused",
    RecordingResumed: "recording_resumed",
    Warned: "warning",
    Failed: "error",
    Suspended: "suspended",
    Complete: "complete",
}


class NativeProtocol:
    """One connection's translator; a `WireProtocol`."""

    def __init__(self, defaults: Options | None = None) -> None:
        """`defaults` holds for what the client leaves open."""
        self._options = defaults or Options()
        self._full_text: str | None = ""

    def open(self, handshake: Handshake) -> Accepted | Refused:
        """Options come as query parameters, named as in `start`; a token among them, or as a subprotocol."""
        try:
            options = read_query(handshake.query, QUERY)
        except FieldError as wrong:
            return self.refuse(400, wrong.error)
        resume_token, last_event = options.pop("resume_token", None), options.pop("last_event", None)
        token = options.pop("token", None)
        if last_event is not None and resume_token is None:
            return self.refuse(400, _WITHOUT_TOKEN)
        self._options = replace(self._options, **options)
        return Accepted(
            self._options,
            subprotocol=SUBPROTOCOL if SUBPROTOCOL in handshake.subprotocols else None,
            resume_token=resume_token,
            last_event=last_event or 0,
            credential=_credential(handshake, token),
        )

    def refuse(self, status: int, error: Error) -> Refused:
        return Refused(status, _json({"error": _error(error)}))

    def receive(self, message: bytes | str) -> Sequence[Received]:
        if isinstance(message, bytes):
            return [Audio(message)] if message else []
        if message.strip() == "END":
            return [Ended()]
        try:
            return [self._understand(message)]
        except FieldError as wrong:
            return [Rejected(wrong.error)]

    def _understand(self, text: str) -> Command | KeepAlive:
        """What a JSON message means.

        Raises:
            FieldError: it means nothing, and has no effect.
        """
        kind, values = _split(parse_json(text))
        options = read_fields(values, MESSAGES[kind], f"`{kind}`")
        match kind:
            case "start":
                return Started(replace(self._options, **options))
            case "configure":
                self._options = replace(self._options, **options)
                return Reconfigure(options)
            case "finalize":
                return Finalize()
            case "pause_recording":
                return PauseRecording()
            case "resume_recording":
                return ResumeRecording()
            case "end":
                return Ended()
            case _:
                return KeepAlive()

    def send(self, event: Event, number: int | None) -> Sequence[str]:
        """One message, and a `warning` before the first transcription that has no `full_text`."""
        messages: list[str] = []
        if isinstance(event, Transcription) and self._outgrown_by(event.text):
            messages.append(_json({"type": "warning", **_known(asdict(_TOO_LONG))}))
        kind = _known({"type": _TYPES[type(event)], "number": number})
        return [*messages, _json(kind | self._body(event))]

    def _body(self, event: Event) -> dict[str, Any]:
        match event:
            case Status():
                told = _known(asdict(event))
                del told["owner"]
                return told
            case Transcription():
                return _transcription(event, self._full_text)
            case TranscriptionLate():
                return asdict(event) | {"words": _words(event.words)}
            case Failed():
                return _failed(event)
            case Complete():
                return _complete(event)
            case Warned():
                return _known(asdict(event))
            case _:
                return asdict(event)

    def _outgrown_by(self, text: str) -> bool:
        """Whether this final is the one that makes the whole text too long to travel."""
        if not text or self._full_text is None:
            return False
        joined = f"{self._full_text} {text}" if self._full_text else text
        self._full_text = joined if len(joined.encode(errors="replace")) <= MAX_FULL_TEXT_BYTES else None
        return self._full_text is None


def _credential(handshake: Handshake, token: str | None) -> Credential | None:
    """Who asks, wherever they show it."""
    shown = [Credential(token, in_url=True)] if token else []
    shown += [
        Credential(offered.removeprefix(TOKEN_SUBPROTOCOL))
        for offered in handshake.subprotocols
        if offered.startswith(TOKEN_SUBPROTOCOL)
    ]
    if in_header := in_headers(handshake.headers):
        shown.append(in_header)
    return one_of(shown)


_WITHOUT_TOKEN = Error("invalid_field", "`last_event` is only used together with `resume_token`.", "last_event")

_TOO_LONG = Warned(
    "full_text_too_long",
    "The text of the session is longer than 64 KiB: `full_text` is left out from here on. Join the `text` of each"
    " transcription instead.",
)


def _split(message: object) -> tuple[str, dict[str, object]]:
    """A message's type, and its other fields."""
    if not isinstance(message, dict):
        raise FieldError("invalid_message", 'A message must be a JSON object with a "type".')
    values = cast("dict[str, object]", message)
    kind = values.get("type")
    if not isinstance(kind, str):
        raise FieldError("invalid_message", 'A message must have a "type" that is text.', "type")
    if kind not in MESSAGES:
        known = ", ".join(MESSAGES)
        raise FieldError("unknown_message", f"There is no message of this type; there are: {known}.", "type")
    return kind, {name: value for name, value in values.items() if name != "type"}


def _known(values: dict[str, Any]) -> dict[str, Any]:
    """`values` without those that are None: fields that are left out, not null."""
    return {name: value for name, value in values.items() if value is not None}


def _transcription(event: Transcription, full_text: str | None) -> dict[str, Any]:
    accumulated = {"full_text": full_text, "chunk_range": _chunk_range(event.chunk_range)}
    return {
        "text": event.text,
        **_known(accumulated),
        "utterance": event.utterance,
        "turn": event.turn,
        "ends_turn": event.ends_turn,
        "reason": event.reason,
        "start": event.start,
        "end": event.end,
        "channel": event.channel,
        "language": event.language,
        "words": _words(event.words),
        "times": event.times,
    }


def _words(words: Sequence[Word]) -> list[dict[str, Any]]:
    return [_known(asdict(word)) for word in words]


def _chunk_range(chunks: tuple[int, int] | None) -> str | None:
    return f"{chunks[0]}-{chunks[1]}" if chunks else None


def _error(error: Error) -> dict[str, Any]:
    return _known({"code": error.code, "message": error.message, "field": error.field})


def _failed(event: Failed) -> dict[str, Any]:
    where = asdict(event) | {"chunk_range": _chunk_range(event.chunk_range)}
    del where["error"], where["heard_at"]
    return _error(event.error) | {"fatal": event.error.close_code is not None} | _known(where)


def _complete(event: Complete) -> dict[str, Any]:
    return {
        "message": _summary(event),
        "full_transcription": event.full_transcription,
        "total_chunks": event.total_chunks,
        "received_bytes": event.received_bytes,
        "duration_seconds": event.duration,
        "speech_seconds": event.speech,
        "utterances": event.utterances,
        "storage": asdict(event.storage),
    }


_STORAGE = {
    "stored": "The recording is stored.",
    "pending": "The recording is still being stored.",
    "failed": "The recording could not be stored.",
    "none": "Nothing was stored.",
}


def _summary(event: Complete) -> str:
    """The end of a session in words."""
    utterances = "1 utterance" if event.utterances == 1 else f"{event.utterances} utterances"
    heard = f"Transcription complete: {utterances} in {event.duration:.1f} s of audio."
    long = [] if event.full_transcription is not None else ["The text is too long to be sent whole."]
    return " ".join([heard, *long, _STORAGE[event.storage.state]])


def _json(values: dict[str, Any]) -> str:
    """Compact JSON that UTF-8 can carry: JSON from an engine may escape lone surrogates."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace").decode()
