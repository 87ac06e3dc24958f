"""The audio of one recording on its way into the store: part by part while it is received, where the store allows it.

What was sent is noted in the spool, so that the process after this one goes on with it. A part is a piece of the spool;
the first one, which has the header, is sent again when sizes are known. Audio that was let go of here is read from the
store, where it can be read once the upload is completed: then a new upload begins with copies of what was sent.
"""

import asyncio
import contextlib
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, field

from transcriber.audio.formats import Finished, Plain, finish_recording, plain_samples
from transcriber.audio.wav import MAX_HEADER_BYTES
from transcriber.events import Options
from transcriber.pauses import silenced
from transcriber.records import RecordCursor, Records
from transcriber.spool import Spool
from transcriber.storage.store import LastingUpload, NotFound, Part, Store, StoreError, Upload

PART_BYTES = 8 << 20
"""Of what is sent when all of it is there."""


@dataclass(slots=True)
class _Sent:
    """An upload, and how far its parts go in the received audio."""

    key: str
    upload_id: str
    parts: list[Part] = field(default_factory=list[Part])
    ends: list[int] = field(default_factory=list[int])

    @property
    def end(self) -> int:
        return self.ends[-1] if self.ends else 0

    @property
    def added_bytes(self) -> int:
        """How much later audio lies in the object than in what was received: by its header."""
        return self.parts[0].size - self.ends[0]

    def add(self, part: Part, end: int) -> None:
        """The next part; or the first one again."""
        if part.number <= len(self.parts):
            self.parts[part.number - 1] = part
        else:
            self.parts.append(part)
            self.ends.append(end)


class Growing:
    """Calls raise StoreError, and may then be made again. One at a time works; the others wait."""

    def __init__(self, spool: Spool, store: Store, place: str, options: Options) -> None:
        """`place` is what its key begins with."""
        self._spool = spool
        self._store = store
        self._place = place
        self._options = options
        self._lock = asyncio.Lock()
        self._notes: Records | None = None
        self._sent: _Sent | None = None
        self._object: _Sent | None = None
        """What can be read: an upload that was completed."""
        self._upload: Upload | None = None
        self._plain: Plain | None = None
        self.stored: Callable[[int], None] = lambda _: None
        """Told how many bytes each request stored."""
        self._recovered = bool(store.lasting) and (spool.directory / "upload").exists()
        if self._recovered:
            self._load()

    @property
    def safe_bytes(self) -> int:
        """How much of what was received is in the store."""
        return max(self._sent.end if self._sent else 0, self._object.end if self._object else 0)

    @property
    def begun(self) -> bool:
        return self._sent is not None or self._object is not None

    async def send(self) -> bool:
        """Send the next piece that is whole; whether there was one. Coded audio is not sent on once its recording was
        paused: it becomes another file."""
        async with self._lock:
            with self._beginning_anew():
                return await self._send_piece()

    async def fetch(self, start: int, end: int) -> bytes:
        """Audio that was let go of, from one position to another."""
        async with self._lock:
            if self._object is None or self._object.end < end:
                await self._make_readable()
            while await self._send_piece():
                pass
            found = self._object
            assert found is not None
        return await self._store.get(found.key, start + found.added_bytes, end - start)

    async def finish(self) -> None:
        """All that was received is stored, with a header that fits."""
        async with self._lock:
            total = self._spool.received_bytes
            if not self.begun and total <= PART_BYTES:
                data = await asyncio.to_thread(self._first, total, total)
                await self._store.put(self.key, data)
                self.stored(len(data))
            else:
                await self._finish_upload(total)
            await self._end_strays()

    async def _finish_upload(self, total: int) -> None:
        try:
            with self._beginning_anew():
                await self._send_rest(total)
        except BaseException:
            if not self._store.lasting and self._upload:
                await self._upload.abort()
                self._sent = self._upload = None
            raise

    async def _end_strays(self) -> None:
        """Uploads that a process before this one began, and died before it knew their id."""
        if self._recovered and (lasting := self._store.lasting):
            # The recording is stored whatever becomes of them: what is left is ended by the next sweep.
            with contextlib.suppress(StoreError):
                for key, upload_id in await lasting.unfinished(self._place):
                    await lasting.end(key, upload_id)

    @contextlib.contextmanager
    def _beginning_anew(self) -> Generator[None]:
        """Where somebody else has ended the upload, the next attempt begins another, if all audio is still here."""
        try:
            yield
        except NotFound as problem:
            if not self._spool.all_audio_here:
                raise
            self._sent = self._object = self._upload = None
            raise StoreError("The upload is gone", retryable=True) from problem

    async def _send_rest(self, total: int) -> None:
        while await self._send_piece():
            pass
        sent, upload = await self._begin()
        # Where the header says nothing of sizes, the first part is as it was sent.
        stale = sent.ends and self._finished(None).header != self._finished(total).header
        for start in range(sent.end, total, PART_BYTES):
            await self._put(len(sent.parts) + 1, start, min(start + PART_BYTES, total), total)
        if stale:
            await self._put(1, 0, sent.ends[0], total)
        await upload.complete()

    async def abandon(self) -> None:
        """Nothing of it is to stay in the store."""
        async with self._lock:
            if self._sent:
                await (await self._resumed(self._sent)).abort()
            if self._object:
                await self._store.delete([self._object.key])
            self._sent = self._object = self._upload = None
            (self._spool.directory / "upload").unlink(missing_ok=True)
            self._notes = None

    @property
    def key(self) -> str:
        return f"{self._place}audio.{self._finished(None).extension}"

    async def _send_piece(self) -> bool:
        start = self._sent.end if self._sent else 0
        piece = self._spool.whole_piece(start) if self._store.lasting else None
        if piece is None or (self._spool.pauses.ranges and self._form() is None):
            return False
        sent, _ = await self._begin()
        number, end, found = len(sent.parts) + 1, piece[1], self._object
        if self._spool.has_audio(start) or found is None:
            await self._put(number, start, end)
        else:
            upload = await self._resumed(sent)
            part = await upload.copy_part(number, found.key, start + found.added_bytes, end - start)
            self._add(part, end)
        return True

    async def _begin(self) -> tuple[_Sent, Upload]:
        """The upload there is, or a new one."""
        if self._sent and self._upload:
            return self._sent, self._upload
        if self._sent:
            return self._sent, await self._resumed(self._sent)
        key, upload_id = self._object.key if self._object else self.key, ""
        if lasting := self._store.lasting:
            self._note({"kind": "beginning"})
            upload = await lasting.upload(key)
            upload_id = upload.upload_id
        else:
            upload = await self._store.upload(key)
        self._upload, self._sent = upload, _Sent(key, upload_id)
        self._note({"kind": "begun", "key": key, "id": upload_id})
        return self._sent, upload

    async def _resumed(self, sent: _Sent) -> LastingUpload:
        lasting = self._store.lasting
        assert lasting is not None
        self._upload = upload = await lasting.resume(sent.key, sent.upload_id, sent.parts)
        return upload

    async def _make_readable(self) -> None:
        sent = self._sent
        if sent is None or not sent.parts:
            raise NotFound("Nothing was sent that could be read")
        await (await self._resumed(sent)).complete()
        self._note({"kind": "readable"})
        self._object, self._sent, self._upload = sent, None, None

    async def _put(self, number: int, start: int, end: int, total: int | None = None) -> None:
        """Send a part. The first one has the header of a recording of `total` bytes; None: nobody knows how many."""
        assert self._upload is not None
        header = b""
        if number == 1:
            finished = self._finished(total)
            header, start = finished.header, finished.replaces
        data = header + await asyncio.to_thread(self._audio, start, end)
        self._add(await self._upload.put_part(number, data), end)
        self.stored(len(data))

    def _add(self, part: Part, end: int) -> None:
        assert self._sent is not None
        self._sent.add(part, end)
        self._note({"kind": "part", "end": end, **asdict(part)})

    def _first(self, end: int, total: int) -> bytes:
        finished = self._finished(total)
        return finished.header + self._audio(finished.replaces, end)

    def _finished(self, total: int | None) -> Finished:
        return finish_recording(self._options, self._head(), total)

    def _audio(self, start: int, end: int) -> bytes:
        data = self._spool.read_audio(start, end - start)
        if self._spool.pauses.ranges and (plain := self._form()):
            return silenced(data, start, self._spool.pauses.ranges, plain.form, plain.start)
        return data

    def _form(self) -> Plain | None:
        if self._plain is None:
            self._plain = plain_samples(self._options, self._head())
        return self._plain

    def _head(self) -> bytes:
        return self._spool.read_audio(0, MAX_HEADER_BYTES)

    def _note(self, record: dict[str, object]) -> None:
        if self._store.lasting:
            if self._notes is None:
                self._notes = Records(self._spool.directory / "upload")
            self._notes.append(record)

    def _load(self) -> None:
        """What a process before this one has sent."""
        self._notes = Records(self._spool.directory / "upload")
        cursor = RecordCursor(self._notes)
        while (record := cursor.next()) is not None:
            kind = record.pop("kind", None)
            if kind == "begun":
                self._sent = _Sent(record["key"], record["id"])
            elif kind == "readable":
                self._object, self._sent = self._sent, None
            elif kind == "part" and self._sent:
                end = record.pop("end")
                self._sent.add(Part(**record), end)

    def close(self) -> None:
        if self._notes:
            self._notes.log.close()
            self._notes = None
