"""From spool to store: the audio as received, made playable, and the transcript, under one prefix per session."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime

from transcriber.audio.formats import finish_recording
from transcriber.audio.wav import MAX_HEADER_BYTES
from transcriber.events import Failed, Options, Status, Storage, Stored, Transcription, TranscriptionLate, Warned
from transcriber.metrics import Metrics
from transcriber.spool import Spool
from transcriber.storage.store import Store, StoreError
from transcriber.transcript import FILES, Line, Transcript

log = logging.getLogger(__name__)

WAIT_SECONDS = 5
"""How long the last event waits for the store."""
MAX_TEXT_BYTES = 512 << 10
"""A longer text does not travel; it is where it is stored."""
_PART_BYTES = 8 << 20


def prefix(session_id: str, started_at: str) -> str:
    """`YYYY/MM/DD/<UTC timestamp>-<session id>/`."""
    began = datetime.fromisoformat(started_at).astimezone(UTC)
    return f"{began:%Y/%m/%d}/{began:%Y%m%dT%H%M%SZ}-{session_id}/"


class Recorder:
    """Stores what may be kept of sessions; shared by all of them."""

    def __init__(self, store: Store, *, wait_seconds: float = WAIT_SECONDS, metrics: Metrics | None = None) -> None:
        self._store = store
        self._metrics = metrics or Metrics()
        self._wait_seconds = wait_seconds

    async def finish(
        self, spool: Spool, status: Status, options: Options, duration: float, tell: Callable[[Stored], None]
    ) -> Storage:
        """Store a session that is owed nothing any more; `tell` once, when it is stored or the wait is over. What
        became of it in the end is returned.

        The spool is deleted when all that may be kept is stored, and left for another attempt when it is not.
        """
        transcript = collect(spool, status, options, duration)
        storing = asyncio.create_task(self._keep(spool, transcript, options))
        await asyncio.wait((storing,), timeout=self._wait_seconds)
        storage = (
            storing.result() if storing.done() else Storage("pending", self._locations(transcript, options, spool))
        )
        text = transcript.text
        tell(
            Stored(
                full_transcription=text if len(text.encode()) <= MAX_TEXT_BYTES else None,
                storage=storage,
                received_bytes=spool.received_bytes,
                received_messages=spool.messages,
                duration=duration,
            )
        )
        stored = await storing
        if stored.state != "failed":
            spool.delete()
        return stored

    async def _keep(self, spool: Spool, transcript: Transcript, options: Options) -> Storage:
        """Where everything is stored now; `failed` leaves what was stored, to be overwritten by the next attempt."""
        locations = self._locations(transcript, options, spool)
        if not locations:
            return Storage("none")
        place = prefix(transcript.session_id, transcript.started_at)
        began = time.monotonic()
        try:
            if "audio" in locations:
                await self._keep_audio(spool, options, place)
            for name, text in (await asyncio.to_thread(transcript.files)).items():
                await self._put_text(place + name, text)
        except (StoreError, OSError) as problem:
            self._metrics.store_errors.inc()
            log.error("not stored", extra={"session": transcript.session_id, "reason": type(problem).__name__})
            return Storage("failed", locations)
        self._metrics.store_duration.observe(time.monotonic() - began)
        return Storage("stored", locations)

    async def _put_text(self, key: str, text: str) -> None:
        data = text.encode()
        await self._store.put(key, data)
        self._metrics.stored_bytes.labels("text").inc(len(data))

    async def _keep_audio(self, spool: Spool, options: Options, place: str) -> None:
        pieces = _recording(spool, options)
        upload = await self._store.upload(place + _audio_name(spool, options))
        try:
            number = 0
            while part := await asyncio.to_thread(_part, pieces):
                number += 1
                await upload.put_part(number, part)
                self._metrics.stored_bytes.labels("audio").inc(len(part))
            await upload.complete()
        except BaseException:
            await upload.abort()
            raise

    def _locations(self, transcript: Transcript, options: Options, spool: Spool) -> dict[str, str]:
        if options.record == "none":
            return {}
        place = prefix(transcript.session_id, transcript.started_at)
        names = dict(FILES)
        if options.record == "audio+text" and spool.received_bytes:
            names = {"audio": _audio_name(spool, options), **names}
        return {kind: self._store.location(place + name) for kind, name in names.items()}


def collect(spool: Spool, status: Status, options: Options, duration: float) -> Transcript:
    """The transcript that a session's events make; a late text fills its gap."""
    lines: dict[int, Line] = {}
    damages: list[float] = []
    cursor = spool.events()
    while (numbered := cursor.next()) is not None:
        event = numbered[1]
        if isinstance(event, Transcription | TranscriptionLate | Failed) and event.utterance is not None:
            lines[event.utterance] = _line(event, lines.get(event.utterance))
        elif isinstance(event, Warned) and event.code == "audio_damaged" and event.at is not None:
            damages.append(event.at)
    asked = asdict(options)
    del asked["resume"]
    return Transcript(
        session_id=status.session_id,
        started_at=status.started_at,
        duration=duration,
        engine=status.engine,
        model=status.model,
        service_version=status.version,
        options=asked,
        lines=tuple(lines.values()),
        damages=tuple(damages),
    )


def _line(event: Transcription | TranscriptionLate | Failed, before: Line | None) -> Line:
    """An utterance as an event has it; `before` is what was told of it, if that failed."""
    if isinstance(event, Failed):
        start, end = event.start or 0.0, event.end or 0.0
        number, turn, channel = event.utterance or 0, event.turn or 0, event.channel or 0
        return Line(number, turn, channel, start, end, "", gap=event.error.code, heard_at=event.heard_at)
    heard_at = event.heard_at if isinstance(event, Transcription) else before and before.heard_at
    return Line(
        event.utterance,
        event.turn,
        event.channel,
        event.start,
        event.end,
        event.text,
        event.language,
        event.words,
        event.times,
        heard_at=heard_at,
    )


def _audio_name(spool: Spool, options: Options) -> str:
    head = spool.read_audio(0, MAX_HEADER_BYTES)
    return f"audio.{finish_recording(options, head, spool.received_bytes).extension}"


def _recording(spool: Spool, options: Options) -> Iterator[bytes]:
    """The bytes of the file that the received audio becomes."""
    finished = finish_recording(options, spool.read_audio(0, MAX_HEADER_BYTES), spool.received_bytes)
    if finished.header:
        yield finished.header
    yield from spool.audio_pieces(finished.replaces)


def _part(pieces: Iterator[bytes]) -> bytes:
    """The next part of an upload; empty at the end."""
    part = bytearray()
    for piece in pieces:
        part += piece
        if len(part) >= _PART_BYTES:
            break
    return bytes(part)
