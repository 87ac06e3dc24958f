"""The Python client: a library (`connect`) and what `transcriber stream` is made of. Imports nothing else of ours.

async with connect("ws://127.0.0.1:8080/ws", interim_results=True) as session:
    await session.send(audio)
    await session.finish()
    async for event in session:
        print(event)
"""

from transcriber.client.errors import (
    ConnectionFailed,
    ConnectionLost,
    Refused,
    SessionFailed,
    SessionOver,
    TranscriberError,
)
from transcriber.client.events import (
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
from transcriber.client.session import OptionValue, Session, connect
from transcriber.client.webhooks import WebhookInvalid, verify_webhook

__all__ = [
    "Ack",
    "Complete",
    "ConnectionFailed",
    "ConnectionLost",
    "Event",
    "Failed",
    "OptionValue",
    "Partial",
    "RecordingPaused",
    "RecordingResumed",
    "Refused",
    "Session",
    "SessionFailed",
    "SessionOver",
    "SpeechStarted",
    "SpeechStopped",
    "Status",
    "Storage",
    "Suspended",
    "TranscriberError",
    "Transcription",
    "TranscriptionLate",
    "Warned",
    "WebhookInvalid",
    "Word",
    "connect",
    "verify_webhook",
]
