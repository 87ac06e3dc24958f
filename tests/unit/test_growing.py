"""Audio on its way into S3 while a session lives, over HTTP; and what the process after a crash makes of it."""

import asyncio
import wave
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from tests.corpus import encoded
from tests.fakes import LengthEngine, LevelDetector
from tests.s3_server import S3Server, s3_server
from tests.stage import SPEECH, until, wav
from transcriber.audio.formats import open_decoder
from transcriber.engines.scheduler import Scheduler
from transcriber.events import (
    Ack,
    Complete,
    Disconnected,
    Ended,
    Event,
    Options,
    PauseRecording,
    ResumeRecording,
    Started,
    Status,
    Transcription,
)
from transcriber.growing import Growing
from transcriber.parts import Parts
from transcriber.recorder import Recorder
from transcriber.runner import Runner
from transcriber.spool import Spool
from transcriber.storage.s3 import S3Store
from transcriber.storage.s3_uploads import S3Upload
from transcriber.storage.store import NotFound, Part, StoreError

MIB = 1 << 20
RAW = Options(encoding="pcm_s16le", sample_rate=192_000, channels=8)
"""3 MB a second: few samples, many bytes."""
PLACE = "2026/01/02/20260102T030405Z-id/"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


class Streamed:
    """A session whose audio goes to S3, in pieces of 6 MiB."""

    def __init__(self, s3: S3Server, folder: Path, bucket: str) -> None:
        self.s3, self.bucket = s3, bucket
        self.engine = LengthEngine()
        self.scheduler = Scheduler(self.engine)
        self.store = S3Store(s3.client, bucket)
        self.recorder = Recorder(self.store)
        parts = Parts(self.engine, self.scheduler, LevelDetector(), self.recorder, open_decoder, 5)
        self.status = Status("id", "2026-01-02T03:04:05Z", "fake", "length", Options(), 3600, "1")
        self.spool = Spool(folder, limit_bytes=1 << 30, piece_bytes=self.recorder.piece_bytes(1 << 30))
        self._parts = parts
        self.acks: list[int] = []

    def start(self, *, recovering: bool = False) -> asyncio.Task[None]:
        self.runner = Runner(self.spool, self.status, self._parts, recovering=recovering)
        return asyncio.create_task(self.runner.run())

    async def hear(self, audio: bytes, step: int = MIB) -> None:
        for start in range(0, len(audio), step):
            self.spool.append_audio(audio[start : start + step])
            await asyncio.sleep(0)
            self.acks += [offer.received_bytes for offer in self.spool.take_offers() if isinstance(offer, Ack)]

    async def acked(self, count: int) -> None:
        def heard() -> bool:
            self.acks += [offer.received_bytes for offer in self.spool.take_offers() if isinstance(offer, Ack)]
            return bool(self.acks) and self.acks[-1] >= count

        await until(heard)

    def of(self, kind: type[Event]) -> list[Event]:
        cursor, events = self.spool.events(), list[Event]()
        while (numbered := cursor.next()) is not None:
            events += [numbered[1]] if isinstance(numbered[1], kind) else []
        return events

    def stored(self, name: str) -> bytes:
        return self.s3.client.get_object(Bucket=self.bucket, Key=PLACE + name)["Body"].read()

    def names(self) -> list[str]:
        found = self.s3.client.list_objects_v2(Bucket=self.bucket).get("Contents", ())
        return [item["Key"].removeprefix(PLACE) for item in found]

    def uploads(self) -> int:
        return len(self.s3.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", ()))

    @property
    def local_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.spool.directory.glob("audio-*"))

    async def crash(self, task: asyncio.Task[None]) -> None:
        """As if the process had died: nothing is finished."""
        task.cancel()
        await asyncio.wait([task])
        await self.close()

    async def close(self) -> None:
        await self.scheduler.close()
        self.spool.close()


class Broken:
    """A store whose uploads can't be begun for a while."""

    def __init__(self, store: S3Store, failures: int) -> None:
        self._store = store
        self._failures = failures

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    @property
    def lasting(self) -> "Broken":
        return self

    async def upload(self, key: str) -> S3Upload:
        self._failures -= 1
        if self._failures >= 0:
            raise StoreError("down", retryable=True)
        return await self._store.upload(key)


def noise(megabytes: int, seed: int = 0) -> bytes:
    """Bytes that are the same nowhere, and quiet: samples below the level of speech."""
    samples = np.random.default_rng(seed).integers(-50, 50, megabytes * MIB // 2, np.int16)
    return samples.tobytes()


async def test_parts_are_stored_while_the_session_lives_and_let_go_of_here(s3: S3Server, tmp_path: Path) -> None:
    session = Streamed(s3, tmp_path, s3.make_bucket())
    task = session.start()
    session.spool.append_command(Started(RAW))
    audio = noise(40)
    await session.hear(audio)
    await session.acked(36 * MIB)
    assert session.acks == sorted(set(session.acks))
    assert session.uploads() == 1
    await until(lambda: session.local_bytes <= 12 * MIB)
    assert session.names() == []
    session.spool.append_command(Ended())
    await task
    assert session.names() == ["audio.wav", "transcript.json", "transcript.srt", "transcript.txt", "transcript.vtt"]
    assert session.uploads() == 0
    with wave.open(BytesIO(session.stored("audio.wav"))) as file:
        assert file.getparams()[:4] == (8, 2, 192_000, len(audio) // 16)
        assert file.readframes(1 << 30) == audio
    assert not session.spool.directory.exists()
    await session.close()


async def test_a_short_recording_is_one_request(s3: S3Server, tmp_path: Path) -> None:
    session = Streamed(s3, tmp_path, s3.make_bucket())
    for item in (Started(Options()), Ended()):
        if isinstance(item, Ended):
            session.spool.append_audio(wav(SPEECH))
        session.spool.append_command(item)
    await session.start()
    assert session.stored("audio.wav") == wav(SPEECH)
    assert len(session.of(Transcription)) == 3
    await session.close()


@pytest.mark.parametrize("crashes", [1, 2])
async def test_a_crash_in_the_middle_leaves_a_whole_recording(s3: S3Server, tmp_path: Path, crashes: int) -> None:
    bucket, audio = s3.make_bucket(), noise(20) + SPEECH * 40 + noise(21, 1)
    first = Streamed(s3, tmp_path / "spool", bucket)
    task = first.start()
    first.spool.append_command(Started(RAW))
    await first.hear(audio)
    await first.acked(36 * MIB)
    await until(lambda: first.local_bytes <= 14 * MIB)
    await first.crash(task)
    for _ in range(crashes - 1):
        again = Streamed(s3, tmp_path / "spool", bucket)
        task = again.start(recovering=True)
        await until(lambda again=again: "audio.wav" in again.names())  # what was sent can be read
        await again.crash(task)
    last = Streamed(s3, tmp_path / "spool", bucket)
    last.spool.append_command(Disconnected())
    await last.start(recovering=True)
    assert last.stored("audio.wav")[44:] == audio
    assert last.uploads() == 0
    assert len(last.of(Complete)) == 1
    await last.close()


async def test_a_store_that_is_down_for_a_while_gets_everything_later(s3: S3Server, tmp_path: Path) -> None:
    session = Streamed(s3, tmp_path, s3.make_bucket())
    broken = Broken(session.store, failures=3)
    session.recorder.store = broken  # type: ignore[assignment]
    task = session.start()
    session.spool.append_command(Started(replace(RAW, language="en")))
    audio = noise(14)
    await session.hear(audio)
    assert session.local_bytes == len(audio), "what is not safe stays"
    session.spool.append_command(Ended())
    await task
    assert session.stored("audio.wav")[44:] == audio
    await session.close()


class Forgetful(Broken):
    """A store whose first upload is gone when its second part comes."""

    async def upload(self, key: str) -> S3Upload:
        upload = await super().upload(key)
        if self._failures == -1:
            put_part = upload.put_part

            async def put_one_part(number: int, data: bytes) -> Part:
                if number == 1:
                    return await put_part(number, data)
                await upload.abort()
                raise NotFound("gone")

            upload.put_part = put_one_part  # type: ignore[method-assign]
        return upload


async def test_an_upload_that_somebody_has_aborted_is_begun_again(s3: S3Server, tmp_path: Path) -> None:
    session = Streamed(s3, tmp_path, s3.make_bucket())
    audio = noise(14)
    await session.hear(audio)
    growing = Growing(session.spool, Forgetful(session.store, 0), PLACE, RAW)  # type: ignore[arg-type]
    assert await growing.send()
    with pytest.raises(StoreError, match="gone") as caught:
        await growing.send()
    assert caught.value.retryable
    await growing.finish()
    assert session.stored("audio.wav")[44:] == audio
    assert session.uploads() == 0
    growing.close()
    await session.close()


async def test_nothing_stays_of_what_is_abandoned(s3: S3Server, tmp_path: Path) -> None:
    session = Streamed(s3, tmp_path, s3.make_bucket())
    await session.hear(noise(20))
    growing = Growing(session.spool, session.store, PLACE, RAW)
    while await growing.send():
        pass
    session.spool.release_audio(growing.safe_bytes)
    assert await growing.fetch(6 * MIB, 7 * MIB) == noise(20)[6 * MIB : 7 * MIB]
    assert (session.names(), session.uploads()) == (["audio.wav"], 1), "read, and sent again"
    await growing.abandon()
    assert (session.names(), session.uploads()) == ([], 0)
    await session.close()


async def test_no_part_has_anything_of_a_pause(s3: S3Server, tmp_path: Path) -> None:
    session = Streamed(s3, tmp_path, s3.make_bucket())
    task = session.start()
    session.spool.append_command(Started(RAW))
    audio = noise(21)
    await session.hear(audio[: 5 * MIB + 1])
    session.spool.append_command(PauseRecording())
    await session.hear(audio[5 * MIB + 1 : 13 * MIB])
    session.spool.append_command(ResumeRecording())
    await session.hear(audio[13 * MIB :])
    await session.acked(18 * MIB)
    await until(lambda: session.local_bytes <= 21 * MIB)
    await session.crash(task)
    last = Streamed(s3, tmp_path, session.bucket)
    last.spool.append_command(Disconnected())
    await last.start(recovering=True)
    stored = last.stored("audio.wav")[44:]
    assert stored[: 5 * MIB] == audio[: 5 * MIB]
    assert not any(stored[5 * MIB : 13 * MIB])
    assert stored[13 * MIB :] == audio[13 * MIB :]
    await last.close()


async def test_coded_audio_is_not_sent_on_once_it_was_paused(s3: S3Server, tmp_path: Path) -> None:
    session = Streamed(s3, tmp_path, s3.make_bucket())
    session.spool.append_audio(encoded("ogg opus"))
    session.spool.append_command(PauseRecording())
    await session.hear(noise(14))
    growing = Growing(session.spool, session.store, PLACE, Options())
    assert not await growing.send()
    assert session.uploads() == 0
    await session.close()


async def test_an_upload_whose_id_was_lost_is_ended(s3: S3Server, tmp_path: Path) -> None:
    bucket = s3.make_bucket()
    first = Streamed(s3, tmp_path / "spool", bucket)
    first.spool.append_command(Started(RAW))
    await first.hear(noise(7))
    stray = Growing(first.spool, first.store, PLACE, RAW)
    beginning = asyncio.create_task(stray.send())
    await until((tmp_path / "spool" / "upload").exists)
    beginning.cancel()
    await asyncio.wait([beginning])
    stray.close()
    await until(lambda: first.uploads() == 1)
    first.spool.append_command(Disconnected())
    first.spool.close()
    last = Streamed(s3, tmp_path / "spool", bucket)
    await last.start(recovering=True)
    assert last.stored("audio.wav")[44:] == noise(7)
    assert last.uploads() == 0
    await last.close()
    await first.scheduler.close()
