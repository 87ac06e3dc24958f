"""What is done about a session that ends, beside storing it: it is noted for its owner, and told by webhook."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Protocol

from transcriber.catalogue import Catalogue, Entry
from transcriber.events import Event, Options, Status, Storage, Transcription, TranscriptionLate
from transcriber.figures import Figures
from transcriber.prices import dollars
from transcriber.storage.store import StoreError

log = logging.getLogger(__name__)

_PAUSES_SECONDS = (0.5, 2.0, 8.0)
"""Before each further attempt to note a session."""


class Told(Protocol):
    """Where webhooks are put."""

    def put(self, kind: str, data: Mapping[str, Any]) -> None: ...


class Endings:
    """Shared by all sessions; without a catalogue nothing is noted, and without an outbox nothing is told."""

    def __init__(
        self,
        catalogue: Catalogue | None = None,
        outbox: Told | None = None,
        *,
        finals: bool = False,
        pauses_seconds: tuple[float, ...] = _PAUSES_SECONDS,
    ) -> None:
        """`finals`: whether each final text is told, too."""
        self._catalogue = catalogue
        self._outbox = outbox
        self._finals = finals
        self._pauses_seconds = pauses_seconds

    async def note(self, owner: str, entry: Entry) -> StoreError | None:
        """Have it found and counted; why that was not possible."""
        if self._catalogue is None:
            return None
        for pause in (*self._pauses_seconds, None):
            try:
                await self._catalogue.add(owner, entry)
                break
            except StoreError as problem:
                if pause is None:
                    return problem
            await asyncio.sleep(pause)
        return None

    def told(self, status: Status, event: Event) -> None:
        """A client was told something; final texts may be of use elsewhere."""
        if self._outbox is not None and self._finals and isinstance(event, Transcription | TranscriptionLate):
            said = {
                "session_id": status.session_id,
                "owner": status.owner or None,
                "utterance": event.utterance,
                "channel": event.channel,
                "start": event.start,
                "end": event.end,
                "language": event.language,
                "text": event.text,
                "late": isinstance(event, TranscriptionLate),
            }
            self._outbox.put("transcription.final", said)

    async def stored(self, owner: str, entry: Entry, storing: Coroutine[Any, Any, Storage]) -> Storage:
        """While it is being stored, note it; then tell. What could not be stored is told by the process that does.

        A recording waits for a store for much longer than a note does, which is tried again behind it. The recording
        is worth more, too: a store that takes it and not the note fails nothing.
        """
        noting = asyncio.create_task(self.note(owner, entry))
        try:
            storage = await storing
            problem = await noting
            if problem is not None and storage.state != "failed":
                problem = await self.note(owner, entry)
            if problem is not None:
                reason = type(problem).__name__
                log.error("not noted", extra={"session": entry.session_id, "reason": reason, **asdict(entry)})
        finally:
            noting.cancel()
        if self._outbox is not None and storage.state != "failed":
            about = {**asdict(entry), "owner": owner or None, "storage": asdict(storage)}
            self._outbox.put("session.ended", about)
        return storage


def entry_of(status: Status, options: Options, figures: Figures, duration: float) -> Entry:
    """What is noted of a session that has had so many seconds of audio."""
    model = options.model or status.model
    return Entry(
        session_id=status.session_id,
        started_at=status.started_at,
        ended_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        duration_seconds=round(duration, 3),
        speech_seconds=round(figures.speech_seconds, 3),
        upstream_seconds=round(figures.upstream_seconds, 3),
        utterances=figures.utterances,
        engine=status.engine,
        model=model,
        record=options.record,
        job=figures.job,
        dollars=dollars(status.engine, model, figures.upstream_seconds),
    )
