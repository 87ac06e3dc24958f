"""Recordings that go to S3 while people speak, by a real process: killed, drained, paused, or told to keep less."""

import asyncio
import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests import lj001
from tests.checked_client import client
from tests.s3_server import S3Server, s3_server
from tests.service_process import ServiceProcess
from tests.stage import until

QUERY: dict[str, Any] = {"encoding": "pcm_s16le", "sample_rate": 192_000, "channels": 8}
"""3 MB a second: few samples, many bytes."""
TEXTS = ["transcript.json", "transcript.srt", "transcript.txt", "transcript.vtt"]
SPEECH = lj001.wav(0, 12)


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def bucket(s3: S3Server, own_service: ServiceProcess) -> str:
    name = s3.make_bucket()
    own_service.settings.update({**s3.environment, "S3_BUCKET": name, "S3_PREFIX": "calls"})
    return name


def stored(s3: S3Server, bucket: str) -> dict[str, bytes]:
    """What is in the bucket of recordings, by the last part of its key."""
    found = s3.client.list_objects_v2(Bucket=bucket).get("Contents", ())
    names = [item["Key"] for item in found if not item["Key"].startswith(("calls/index/", "calls/usage/"))]
    return {name.rpartition("/")[2]: s3.client.get_object(Bucket=bucket, Key=name)["Body"].read() for name in names}


def uploads(s3: S3Server, bucket: str) -> int:
    return len(s3.client.list_multipart_uploads(Bucket=bucket).get("Uploads", ()))


def audio(megabytes: int) -> bytes:
    """Silence that is the same nowhere."""
    return b"".join(number.to_bytes(1, "little") + bytes(4095) for number in [*range(64)] * (megabytes * 4))


async def test_a_process_that_is_killed_while_parts_are_stored_leaves_a_whole_recording(
    s3: S3Server, bucket: str, own_service: ServiceProcess
) -> None:
    own_service.start()
    sent = audio(26)
    async with client(own_service.url, **QUERY) as speaker:
        session_id = (await speaker.hear())["session_id"]
        await speaker.stream(sent, message_bytes=1 << 18)
        while (await speaker.hear_until("ack"))["received_bytes"] < 24 << 20:
            pass
        spool = own_service.data / "spool" / session_id
        received = lambda: sum(path.stat().st_size for path in spool.glob("audio-*"))  # noqa: E731
        await until(lambda: received() <= 9 << 20)
        assert (uploads(s3, bucket), stored(s3, bucket)) == (1, {})
        own_service.send_signal(signal.SIGKILL)
        assert own_service.wait() == -signal.SIGKILL
    own_service.start()
    async with asyncio.timeout(20):
        while spool.exists():  # noqa: ASYNC110 - another process removes it
            await asyncio.sleep(0.05)
    found = stored(s3, bucket)
    assert sorted(found) == ["audio.wav", *TEXTS]
    assert found["audio.wav"][44:] == sent
    assert int.from_bytes(found["audio.wav"][40:44], "little") == len(sent)
    assert uploads(s3, bucket) == 0


async def test_a_session_that_is_resumed_in_the_next_process_is_stored_as_one(
    s3: S3Server, bucket: str, own_service: ServiceProcess
) -> None:
    own_service.start()
    sent = audio(20)
    half = 15 << 20
    async with client(own_service.url, resume="true", **QUERY) as speaker:
        token = (await speaker.hear())["resume_token"]
        await speaker.stream(sent[:half], message_bytes=1 << 18)
        await speaker.hear_until("ack")
        own_service.send_signal(signal.SIGTERM)
        suspended = await speaker.hear_until("suspended")
        assert own_service.wait() == 0
    own_service.start()
    async with client(own_service.url, resume_token=token, last_event=1) as speaker:
        assert (await speaker.hear_until("status"))["received_bytes"] == suspended["received_bytes"]
        await speaker.stream(sent[suspended["received_bytes"] :], message_bytes=1 << 18)
        await speaker.say("END")
        complete = await speaker.hear_until("complete")
    assert complete["storage"]["state"] in ("stored", "pending")
    await until(lambda: "transcript.txt" in stored(s3, bucket))
    assert stored(s3, bucket)["audio.wav"][44:] == sent


async def test_a_pause_is_kept_out_of_everything(s3: S3Server, bucket: str, own_service: ServiceProcess) -> None:
    own_service.start()
    first, second = SPEECH[: 44 + 32_000 * 3], SPEECH[44 + 32_000 * 3 : 44 + 32_000 * 8]
    async with client(own_service.url) as speaker:
        await speaker.hear()
        await speaker.say(first, {"type": "pause_recording"}, second, {"type": "resume_recording"})
        await speaker.say(SPEECH[len(first) + len(second) :], "END")
        complete = await speaker.hear_until("complete")
    assert [message["at"] for message in speaker.of("recording_paused")] == [3.0]
    assert [message["at"] for message in speaker.of("recording_resumed")] == [8.0]
    found = stored(s3, bucket)
    assert found["audio.wav"] == first + bytes(len(second)) + SPEECH[len(first) + len(second) :]
    secret = [final["text"] for final in speaker.of("transcription") if 3 <= final["start"] < 8]
    assert secret
    kept = complete["full_transcription"] + found["transcript.json"].decode() + found["transcript.txt"].decode()
    assert not any(text in kept for text in secret)
    gaps = [line["gap"] for line in json.loads(found["transcript.json"])["utterances"]]
    assert gaps.count("recording_paused") == len(secret)


@pytest.mark.parametrize(
    ("most", "kept"),
    [("text", TEXTS), ("none", [])],
)
async def test_a_client_gets_no_more_kept_than_the_service_keeps(
    s3: S3Server, bucket: str, own_service: ServiceProcess, most: str, kept: list[str]
) -> None:
    own_service.settings["RECORD"] = most
    own_service.start()
    async with client(own_service.url, record="audio+text") as speaker:
        assert (await speaker.hear())["options"]["record"] == most
        await speaker.say({"type": "start", "record": "audio+text"}, SPEECH[:200_000], "END")
        complete = await speaker.hear_until("complete")
    assert complete["storage"]["state"] == ("stored" if kept else "none")
    assert sorted(stored(s3, bucket)) == kept
