"""From a spool to what is kept: whole, in parts, late, not at all."""

import asyncio
import json
import wave
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from tests.stage import RAW, SPEECH, until, wav
from transcriber.audio.formats import open_decoder
from transcriber.events import Event, Options, Record, Status, Stored, Transcription
from transcriber.growing import PART_BYTES
from transcriber.recorder import MAX_TEXT_BYTES, Recorder, prefix
from transcriber.retries import Retries
from transcriber.spool import Spool
from transcriber.storage.disk import DiskStore
from transcriber.storage.store import Item, Part, StoreError, Upload

STATUS = Status("id", "2026-01-02T03:04:05+00:00", "fake", "length", Options(), 3600, "1")
TEXTS = ["transcript.json", "transcript.srt", "transcript.txt", "transcript.vtt"]
PLACE = "2026/01/02/20260102T030405Z-id/"


def final(utterance: int, text: str, *, channel: int = 0) -> Transcription:
    start = float(utterance)
    return Transcription(utterance, utterance, channel, text, start, start + 0.5, "silence", True, "en", (), "model")


class RecordingUpload:
    def __init__(self, store: "GatedStore", key: str) -> None:
        self._store = store
        self._key = key
        self.parts: dict[int, bytes] = {}
        self.aborted = False

    async def put_part(self, number: int, data: bytes) -> Part:
        await self._store.allow()
        self.parts[number] = data
        return Part(number, len(data))

    async def complete(self) -> Item:
        return await self._store.put(self._key, b"".join(self.parts[number] for number in sorted(self.parts)))

    async def abort(self) -> None:
        self.aborted = True


class GatedStore:
    """In memory; waits while its gate is closed, and fails as long as it is told to."""

    lasting = None

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.uploads: list[RecordingUpload] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Exception | None = None

    async def allow(self) -> None:
        await self.gate.wait()
        if self.failure:
            raise self.failure

    def location(self, key: str) -> str:
        return f"memory:{key}"

    async def put(self, key: str, data: bytes, *, if_none_match: bool = False, if_match: str | None = None) -> Item:
        await self.allow()
        self.kept[key] = data
        return Item(key, len(data), "")

    async def upload(self, key: str) -> Upload:
        self.uploads.append(RecordingUpload(self, key))
        return self.uploads[-1]


class Finish:
    """A session to be stored."""

    def __init__(self, folder: Path, *, wait_seconds: float = 5) -> None:
        self.spool = Spool(folder / "spool", limit_bytes=1 << 30)
        self.store = GatedStore()
        self.told: list[Stored] = []
        # A recorder lists and reads nothing.
        self.recorder = Recorder(self.store, wait_seconds=wait_seconds)  # type: ignore[arg-type]

    async def run(self, *events: Event, audio: bytes = b"", options: Options = RAW) -> None:
        for event in events:
            self.spool.append_event(event)
        if audio:
            self.spool.append_audio(audio)
        recording = self.recorder.begin(self.spool, STATUS, open_decoder)
        await recording.finish(options, 4.5, self.told.append)

    def kept(self) -> list[str]:
        return sorted(key.removeprefix(PLACE) for key in self.store.kept)


@pytest.fixture
async def finish(tmp_path: Path) -> AsyncIterator[Finish]:
    made = Finish(tmp_path)
    yield made
    made.spool.close()


def test_a_session_lies_under_its_day_and_its_time_in_utc() -> None:
    assert prefix("id", "2026-01-02T03:04:05.678+00:00") == PLACE
    assert prefix("id", "2026-01-02T01:04:05-02:00") == PLACE


async def test_everything_is_kept_and_then_told(finish: Finish) -> None:
    await finish.run(final(1, "One."), final(2, "Two."), audio=SPEECH)
    (stored,) = finish.told
    assert stored.storage.state == "stored"
    assert stored.storage.locations == {
        "audio": f"memory:{PLACE}audio.wav",
        "transcript": f"memory:{PLACE}transcript.json",
        "text": f"memory:{PLACE}transcript.txt",
        "srt": f"memory:{PLACE}transcript.srt",
        "vtt": f"memory:{PLACE}transcript.vtt",
    }
    assert (stored.full_transcription, stored.duration) == ("One. Two.", 4.5)
    assert (stored.received_bytes, stored.received_messages) == (len(SPEECH), 1)
    assert finish.kept() == ["audio.wav", *TEXTS]
    assert finish.store.kept[PLACE + "transcript.txt"] == b"One.\nTwo.\n"
    transcript = json.loads(finish.store.kept[PLACE + "transcript.json"])
    assert transcript["options"]["sample_rate"] == 16_000
    assert "resume" not in transcript["options"]
    assert (transcript["session_id"], transcript["engine"], transcript["model"]) == ("id", "fake", "length")
    assert not finish.spool.directory.exists()


@pytest.mark.parametrize(
    ("record", "kept", "state"),
    [
        ("none", [], "none"),
        ("text", TEXTS, "stored"),
        ("audio+text", ["audio.wav", *TEXTS], "stored"),
    ],
)
async def test_only_what_may_be_kept(finish: Finish, record: Record, kept: list[str], state: str) -> None:
    await finish.run(final(1, "One."), audio=SPEECH, options=replace(RAW, record=record))
    assert finish.kept() == kept
    assert finish.told[0].storage.state == state
    assert not finish.spool.directory.exists()


async def test_without_audio_there_is_no_recording(finish: Finish) -> None:
    await finish.run()
    assert finish.kept() == TEXTS
    assert "audio" not in finish.told[0].storage.locations


async def test_a_slow_store_is_waited_for_only_so_long(tmp_path: Path) -> None:
    slow = Finish(tmp_path, wait_seconds=0.05)
    slow.store.gate.clear()
    storing = asyncio.create_task(slow.run(final(1, "One."), audio=SPEECH))
    await until(lambda: slow.told)
    (pending,) = slow.told
    assert pending.storage.state == "pending"
    assert pending.storage.locations["audio"].endswith("audio.wav")
    assert pending.full_transcription == "One."
    assert slow.spool.directory.exists()
    slow.store.gate.set()
    await storing
    assert slow.kept() == ["audio.wav", *TEXTS]
    assert len(slow.told) == 1
    assert not slow.spool.directory.exists()
    slow.spool.close()


@pytest.mark.parametrize("failure", [StoreError("no"), OSError(28, "No space left on device")], ids=str)
async def test_what_can_not_be_stored_stays_in_the_spool_for_the_next_attempt(
    finish: Finish, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    finish.store.failure = failure
    await finish.run(final(1, "Secret."), audio=bytes(PART_BYTES + 2))
    assert finish.told[0].storage.state == "failed"
    assert finish.store.uploads[0].aborted
    assert finish.spool.directory.exists()
    assert "Secret" not in caplog.text
    finish.store.failure = None
    await finish.run()
    assert [stored.storage.state for stored in finish.told] == ["failed", "stored"]
    assert finish.kept() == ["audio.wav", *TEXTS]
    assert not finish.spool.directory.exists()


async def test_a_long_recording_goes_in_parts(finish: Finish) -> None:
    block = bytes(range(256)) * 4096
    for _ in range(19):
        finish.spool.append_audio(block)
    await finish.run(audio=b"end!")
    (upload,) = finish.store.uploads
    assert sorted(upload.parts) == [1, 2, 3]
    assert all(5 << 20 <= len(upload.parts[number]) <= 10 << 20 for number in (1, 2))
    recording = finish.store.kept[PLACE + "audio.wav"]
    assert recording[-4:] == b"end!"
    assert len(recording) == 44 + 19 * len(block) + 4
    assert recording[44 : 44 + len(block)] == block


@pytest.mark.parametrize(("length", "travels"), [(MAX_TEXT_BYTES, True), (MAX_TEXT_BYTES + 1, False)])
async def test_a_text_that_is_too_long_is_where_it_is_stored(finish: Finish, length: int, travels: bool) -> None:
    await finish.run(final(1, "x" * length))
    assert (finish.told[0].full_transcription is not None) is travels
    assert len(finish.store.kept[PLACE + "transcript.txt"]) == length + 1


@pytest.mark.parametrize("form", ["wav", "raw", "unknown"])
async def test_recordings_are_files_that_players_open(
    finish: Finish, tmp_path: Path, form: Literal["wav", "raw", "unknown"]
) -> None:
    received = {"wav": wav(SPEECH)[:40] + bytes(4) + SPEECH, "raw": SPEECH, "unknown": b"who knows what this is"}[form]
    await finish.run(audio=received, options=RAW if form == "raw" else Options())
    if form == "unknown":
        assert finish.store.kept[PLACE + "audio.bin"] == received
        return
    file = tmp_path / "audio.wav"
    file.write_bytes(finish.store.kept[PLACE + "audio.wav"])
    with wave.open(str(file)) as recording:
        assert recording.readframes(1 << 30) == SPEECH


async def test_what_fails_for_now_is_tried_until_it_works(tmp_path: Path) -> None:
    patient = Finish(tmp_path, wait_seconds=0.05)
    patient.recorder.retries = Retries(first_seconds=0.01)
    patient.store.failure = StoreError("busy", retryable=True)
    storing = asyncio.create_task(patient.run(final(1, "One."), audio=SPEECH))
    await until(lambda: patient.told)
    assert patient.told[0].storage.state == "pending"
    patient.store.failure = None
    await storing
    assert patient.kept() == ["audio.wav", *TEXTS]
    patient.spool.close()


async def test_a_process_that_ends_leaves_what_fails_to_the_next(finish: Finish) -> None:
    finish.store.failure = StoreError("busy", retryable=True)
    finish.recorder.give_up()
    await finish.run(final(1, "One."), audio=SPEECH)
    assert finish.told[0].storage.state == "failed"
    assert finish.spool.directory.exists()


@pytest.mark.parametrize("record", ["none", "text"])
async def test_no_audio_is_sent_that_may_not_be_kept(finish: Finish, record: Record) -> None:
    recording = finish.recorder.begin(finish.spool, STATUS, open_decoder)
    recording.start(replace(RAW, record=record))
    finish.spool.append_audio(SPEECH)
    await recording.finish(replace(RAW, record=record), 4.5, finish.told.append)
    assert finish.store.uploads == []
    assert not any("audio" in key for key in finish.store.kept)


def test_pieces_are_large_enough_for_s3_and_few_enough(tmp_path: Path) -> None:
    class Sending(GatedStore):
        lasting = True  # type: ignore[assignment]

    recorder = Recorder(Sending())  # type: ignore[arg-type]
    assert Recorder(GatedStore()).piece_bytes(1 << 40) is None  # type: ignore[arg-type]
    assert recorder.piece_bytes(4 << 30) == 6 << 20
    assert (1 << 40) / (recorder.piece_bytes(1 << 40) or 1) < 10_000


async def test_the_real_store_takes_it_too(tmp_path: Path) -> None:
    spool, store = Spool(tmp_path / "spool", limit_bytes=1 << 20), DiskStore(tmp_path / "store")
    spool.append_audio(SPEECH)
    told: list[Stored] = []
    await Recorder(store).begin(spool, STATUS, open_decoder).finish(RAW, 4.5, told.append)
    spool.close()
    await store.close()
    (recording,) = (tmp_path / "store").rglob("audio.wav")
    assert told[0].storage.locations["audio"] == str(recording)
    assert recording.stat().st_size == 44 + len(SPEECH)
