"""From spool to store: the audio as received, made playable, and the transcript, under one prefix per session.

Where the store allows it, audio is sent while the session lives, and let go of here when it is safe there.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

from transcriber.audio.decoder import Decoder, ReadAt
from transcriber.audio.formats import decoded_at_end, plain_samples
from transcriber.audio.wav import MAX_HEADER_BYTES
from transcriber.collecting import Unkept, collect
from transcriber.decoded import Decoded, store_decoded
from transcriber.events import Ack, Event, Options, Status, Storage, Stored
from transcriber.growing import Growing
from transcriber.metrics import Metrics
from transcriber.retries import Retries
from transcriber.spool import Spool
from transcriber.storage.store import Store, StoreError
from transcriber.transcript import FILES, Transcript

log = logging.getLogger(__name__)

WAIT_SECONDS = 5
"""How long the last event waits for the store."""
MAX_TEXT_BYTES = 512 << 10
"""A longer text does not travel; it is where it is stored."""
_PARTS_AT_ONCE = 8
"""Of all sessions together: each is in memory while it is sent."""
DECODED_NAMES = ("audio.wav", "audio.decoded.wav")
"""Of a recording that is not as it was received; the second where the first is what was received."""
_LEAST_PART_BYTES = 6 << 20
_MOST_PARTS = 9_000

_T = TypeVar("_T")
DecoderFor = Callable[[Options, ReadAt], Decoder]


def prefix(session_id: str, started_at: str) -> str:
    """`YYYY/MM/DD/<UTC timestamp>-<session id>/`."""
    began = datetime.fromisoformat(started_at).astimezone(UTC)
    return f"{began:%Y/%m/%d}/{began:%Y%m%dT%H%M%SZ}-{session_id}/"


class Recorder:
    """Stores what may be kept of sessions; shared by all of them."""

    def __init__(self, store: Store, *, wait_seconds: float = WAIT_SECONDS, metrics: Metrics | None = None) -> None:
        self.store = store
        self.metrics = metrics or Metrics()
        self.wait_seconds = wait_seconds
        self.retries = Retries()
        self.sending = asyncio.Semaphore(_PARTS_AT_ONCE)

    def begin(self, spool: Spool, status: Status, decoder_for: DecoderFor) -> "Recording":
        """The recording of a session, new or of a process before this one."""
        return Recording(self, spool, status, decoder_for)

    def give_up(self) -> None:
        """The process ends: what the store does not take now is left to the next one."""
        self.retries.stop()

    def piece_bytes(self, session_bytes: int) -> int | None:
        """How large the pieces of audio are that are sent while a session of at most so many bytes lives: an upload has
        at most 10,000 parts of at least 5 MiB. None where they are not sent."""
        return max(_LEAST_PART_BYTES, -(-session_bytes // _MOST_PARTS)) if self.store.lasting else None


class Recording:
    """What is kept of one session."""

    def __init__(self, recorder: Recorder, spool: Spool, status: Status, decoder_for: DecoderFor) -> None:
        self._recorder = recorder
        self._spool = spool
        self._status = status
        self._decoder_for = decoder_for
        self._place = prefix(status.session_id, status.started_at)
        self._unkept = Unkept(spool)
        self._growing: Growing | None = None
        self._following: asyncio.Task[None] | None = None
        self._whole = True
        """Whether all audio stays here until the end."""
        self._read_bytes = 0
        """How much of it is decoded."""

    def start(self, options: Options) -> None:
        """It is known how audio is coded, and what may be kept: from now on it is sent as it comes."""
        if self._growing is None and options.record == "audio+text":
            self._growing = Growing(self._spool, self._recorder.store, self._place, options)
            self._growing.stored = self._recorder.metrics.stored_bytes.labels("audio").inc
            self._spool.fetch = self._fetch
            if self._recorder.store.lasting:
                self._following = asyncio.create_task(self._follow(self._growing, options))

    def keeps(self, event: Event, options: Options) -> bool:
        """Whether what an event that is told says may be kept anywhere; of every event that is told, in their order."""
        return not self._unkept.told(event, options)

    def release(self, read_bytes: int) -> None:
        """Audio up to here is decoded: what is in the store, too, is not needed here any more."""
        self._read_bytes = read_bytes
        if not self._whole and self._growing:
            self._spool.release_audio(min(read_bytes, self._growing.safe_bytes))

    def stop(self) -> None:
        """Send nothing more."""
        if self._following:
            self._following.cancel()
            self._following = None

    async def discard(self) -> None:
        """Nothing of it is to stay in the store."""
        if self._growing:
            try:
                await self._growing.abandon()
            except StoreError as problem:
                self._log("an upload stays", problem)

    async def _follow(self, growing: Growing, options: Options) -> None:
        """Send piece after piece. What can't be sent now is sent at the end."""
        spool, looked = self._spool, False
        try:
            while True:
                if spool.whole_piece(0) and not looked:
                    self._whole, looked = decoded_at_end(options, self._head()), True
                while looked and await self._insist(growing.send):
                    spool.offer(Ack(growing.safe_bytes))
                    self.release(self._read_bytes)
                await spool.grown.wait()
                spool.grown.clear()
        except (StoreError, OSError) as problem:
            self._log("not sent meanwhile", problem)
        except Exception:
            log.exception("recorder failed", extra={"session": self._status.session_id})

    async def _insist(self, attempt: Callable[[], Awaitable[_T]]) -> _T:
        async def limited() -> _T:
            async with self._recorder.sending:
                return await attempt()

        return await self._recorder.retries.insist(limited, lambda problem: self._log("store fails", problem))

    async def _fetch(self, start: int, end: int) -> bytes:
        growing = self._growing
        assert growing is not None
        return await self._insist(lambda: growing.fetch(start, end))

    async def finish(self, options: Options, duration: float, tell: Callable[[Stored], None]) -> Storage:
        """Store a session that is owed nothing any more; `tell` once, when it is stored or the wait is over. What
        became of it in the end is returned.

        The spool is deleted when all that may be kept is stored, and left for another attempt when it is not.
        """
        self.start(options)
        self.stop()
        transcript = collect(self._spool, self._status, options, duration)
        storing = asyncio.create_task(self._keep(transcript, options))
        try:
            await asyncio.wait((storing,), timeout=self._recorder.wait_seconds)
            pending = Storage("pending", self._locations(options))
            text = transcript.text
            tell(
                Stored(
                    full_transcription=text if len(text.encode()) <= MAX_TEXT_BYTES else None,
                    storage=storing.result() if storing.done() else pending,
                    received_bytes=self._spool.received_bytes,
                    received_messages=self._spool.messages,
                    duration=duration,
                )
            )
            stored = await storing
        finally:
            storing.cancel()
        if stored.state != "failed":
            self._spool.delete()
        return stored

    async def _keep(self, transcript: Transcript, options: Options) -> Storage:
        """Where everything is stored now; `failed` leaves what was stored, to be overwritten by the next attempt."""
        locations = self._locations(options)
        if not locations:
            return Storage("none")
        began = time.monotonic()
        try:
            await self._keep_audio(options)
            for name, text in (await asyncio.to_thread(transcript.files)).items():
                await self._put_text(name, text)
        except (StoreError, OSError) as problem:
            self._recorder.metrics.store_errors.inc()
            self._log("not stored", problem)
            return Storage("failed", locations)
        self._recorder.metrics.store_duration.observe(time.monotonic() - began)
        return Storage("stored", locations)

    async def _put_text(self, name: str, text: str) -> None:
        data, store = text.encode(), self._recorder.store
        await self._insist(lambda: store.put(self._place + name, data))
        self._recorder.metrics.stored_bytes.labels("text").inc(len(data))

    async def _keep_audio(self, options: Options) -> None:
        growing, name = self._growing, self._audio_name(options)
        if growing is None:
            return
        if name == self._received_name(growing):
            await self._insist(growing.finish)
            return
        if name is not None:
            store, key = self._recorder.store, self._place + name
            decoded = lambda: Decoded(self._spool, self._decoder_for)  # noqa: E731 - each attempt begins anew
            await self._insist(lambda: store_decoded(store, key, decoded(), growing.stored))
        await self._insist(growing.abandon)

    def _received_name(self, growing: Growing) -> str:
        return growing.key.removeprefix(self._place)

    def _audio_name(self, options: Options) -> str | None:
        """What the recording is called; None when there is none."""
        if self._growing is None or options.record != "audio+text" or not self._spool.received_bytes:
            return None
        head, received = self._head(), self._received_name(self._growing)
        if not self._spool.pauses.ranges or plain_samples(options, head):
            return received
        if decoded_at_end(options, head):  # Nobody knows what such a file holds of the pause.
            return None
        # Never that of what was received: coded audio comes in WAV, too.
        return DECODED_NAMES[received == DECODED_NAMES[0]]

    def _locations(self, options: Options) -> dict[str, str]:
        if options.record == "none":
            return {}
        names = dict(FILES)
        if audio := self._audio_name(options):
            names = {"audio": audio, **names}
        return {kind: self._recorder.store.location(self._place + name) for kind, name in names.items()}

    def _head(self) -> bytes:
        return self._spool.read_audio(0, MAX_HEADER_BYTES)

    def _log(self, what: str, problem: Exception) -> None:
        log.error(what, extra={"session": self._status.session_id, "reason": type(problem).__name__})
