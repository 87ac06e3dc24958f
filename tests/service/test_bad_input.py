"""What bad input gets: an answer that says what is wrong, and a session that goes on or ends with all it had."""

import asyncio
import json
import wave

import pytest

from tests import lj001
from tests.checked_client import client, transcribe, types
from tests.openai_stub import OpenAIStub, error
from tests.service_process import ServiceProcess
from tests.stage import until

SPEECH = lj001.wav(9.955, 11.9)
TEXT = "in being comparatively modern."


@pytest.mark.parametrize(
    ("message", "code", "field"),
    [
        ('{"type": "sing"}', "unknown_message", "type"),
        ('{"type": "configure", "volume": 11}', "unknown_field", "volume"),
        ('{"type": "configure", "endpointing_ms": "long"}', "invalid_field", "endpointing_ms"),
        ('{"type": "configure", "language": "the queen\'s"}', "invalid_field", "language"),
        ('{"type": "start", "encoding": "pcm_s16le", "sample_rate": 8000}', "already_started", "type"),
        ('{"language": "en"}', "invalid_message", "type"),
        ("[]", "invalid_message", None),
        ("end", "invalid_json", None),
        ("", "invalid_json", None),
    ],
)
async def test_a_wrong_message_is_answered_and_the_session_goes_on(
    service: ServiceProcess, message: str, code: str, field: str | None
) -> None:
    async with client(service.url) as speaker:
        await speaker.stream(SPEECH[:20_000])
        await speaker.blurt(message)
        await speaker.stream(SPEECH[20_000:])
        await speaker.say("END")
        assert await speaker.hear_all() == (1000, "complete")
    (answer,) = speaker.of("error")
    assert (answer["code"], answer.get("field"), answer["fatal"]) == (code, field, False)
    assert speaker.received[-1]["full_transcription"] == TEXT


async def test_bytes_that_are_no_known_audio(service: ServiceProcess) -> None:
    async with client(service.url) as speaker:
        await speaker.say(bytes(range(200)) * 20, "END")
        assert await speaker.hear_all() == (1003, "unsupported_audio")
    assert types(speaker.received) == ["status", "warning", "error"]
    assert speaker.received[1]["at"] == 0
    answer = speaker.received[-1]
    assert (answer["code"], answer["fatal"]) == ("unsupported_audio", True)
    assert "00 01 02 03" in answer["message"], "it says what was seen"
    assert "encoding (pcm_s16le, " in answer["message"], "and how to declare raw samples"
    assert "sample_rate" in answer["message"]
    folder = service.stored(speaker.received[0]["session_id"])
    assert (folder / "audio.bin").read_bytes() == bytes(range(200)) * 20
    assert (folder / "transcript.txt").read_text() == "[no text from 00:00:00.000 on: unsupported_audio]\n"


async def test_raw_samples_without_their_rate(service: ServiceProcess) -> None:
    async with client(service.url, encoding="pcm_s16le") as speaker:
        await speaker.say(SPEECH)
        assert await speaker.hear_all() == (1003, "missing_field")
    assert speaker.received[-1]["field"] == "sample_rate"


async def test_empty_messages_are_ignored(service: ServiceProcess) -> None:
    speaker = await transcribe(service.url, b"", SPEECH, b"", b"", "END")
    assert "error" not in types(speaker.received)
    complete = speaker.received[-1]
    assert (complete["type"], complete["total_chunks"], complete["full_transcription"]) == ("complete", 1, TEXT)


@pytest.mark.parametrize(
    "behind",
    [["END"], [SPEECH], [{"type": "end"}, SPEECH, "END"], [{"type": "configure", "language": "en"}]],
    ids=["end", "audio", "all", "options"],
)
async def test_behind_the_end_nothing_counts(service: ServiceProcess, behind: list[str | bytes]) -> None:
    speaker = await transcribe(service.url, SPEECH, "END", *behind)
    assert types(speaker.received).count("complete") == 1
    complete = speaker.received[-1]
    assert (complete["type"], complete["total_chunks"], complete["full_transcription"]) == ("complete", 1, TEXT)
    assert (speaker.connection.close_code, speaker.of("error")) == (1000, [])


@pytest.mark.parametrize("said", [["END"], [SPEECH[:44], "END"], [SPEECH[:3], "END"]], ids=["no", "header", "torn"])
async def test_no_audio_is_a_clean_end(service: ServiceProcess, said: list[str | bytes]) -> None:
    speaker = await transcribe(service.url, *said)
    assert types(speaker.received) == ["status", "complete"]
    complete = speaker.received[-1]
    assert (complete["full_transcription"], complete["duration_seconds"], complete["utterances"]) == ("", 0, 0)
    assert speaker.connection.close_code == 1000


@pytest.mark.parametrize("how", ["reset", "close"])
async def test_what_a_client_that_vanishes_sent_is_stored_and_transcribed(service: ServiceProcess, how: str) -> None:
    async with client(service.url) as speaker:
        status = await speaker.hear()
        await speaker.stream(SPEECH)
        # What lies in the sender's own buffers is lost with a reset.
        await speaker.hear_until("speech_started")
        await until(lambda: _spooled(service, status["session_id"]) == len(SPEECH))
        if how == "reset":
            speaker.vanish()
        else:
            await speaker.connection.close(1001)
    await until(lambda: not (service.data / "spool" / status["session_id"]).exists())
    folder = service.stored(status["session_id"])
    assert (folder / "audio.wav").read_bytes() == SPEECH
    assert (folder / "transcript.txt").read_text() == f"{TEXT}\n"


def _spooled(service: ServiceProcess, session_id: str) -> int:
    return sum(piece.stat().st_size for piece in (service.data / "spool" / session_id).glob("audio-*"))


async def test_audio_that_came_with_the_close_frame_is_heard_too(service: ServiceProcess) -> None:
    async with client(service.url) as speaker:
        status = await speaker.hear()
        await speaker.stream(SPEECH, message_bytes=1000)
    await until(lambda: not (service.data / "spool" / status["session_id"]).exists())
    assert (service.stored(status["session_id"]) / "audio.wav").read_bytes() == SPEECH


async def test_an_engine_that_is_down_leaves_a_gap_and_a_whole_recording(
    service: ServiceProcess, stub: OpenAIStub
) -> None:
    stub.script.extend([error(503, "down")] * 100)
    speaker = await transcribe(service.url, SPEECH, "END")
    (failed,) = speaker.of("error")
    assert (failed["code"], failed["fatal"], failed["utterance"]) == ("engine_failed", False, 1)
    assert failed["start"] < 0.3
    assert 1.5 < failed["end"] <= 1.945
    assert failed["chunk_range"] == "1-1"
    complete = speaker.received[-1]
    assert (complete["type"], complete["full_transcription"]) == ("complete", "")
    assert speaker.connection.close_code == 1000
    folder = service.stored(speaker.received[0]["session_id"])
    with wave.open(str(folder / "audio.wav")) as recording:
        assert recording.getnframes() == (len(SPEECH) - 44) // 2
    (line,) = json.loads((folder / "transcript.json").read_text())["utterances"]
    assert (line["gap"], line["start"], line["end"]) == ("engine_failed", failed["start"], failed["end"])
    assert (folder / "transcript.txt").read_text().startswith("[no text for 00:00:00.")


async def test_a_message_that_is_too_large_ends_the_session_with_what_came_before(service: ServiceProcess) -> None:
    async with client(service.url) as speaker:
        status = await speaker.hear()
        await speaker.say(SPEECH, bytes((1 << 20) + 1))
        code, _ = await speaker.hear_all()
        assert code == 1009
    await until(lambda: not (service.data / "spool" / status["session_id"]).exists())
    assert (service.stored(status["session_id"]) / "audio.wav").read_bytes() == SPEECH


async def test_one_bad_client_does_not_disturb_another(service: ServiceProcess) -> None:
    async with client(service.url) as good, client(service.url) as bad:
        await asyncio.gather(good.say(SPEECH, "END"), bad.say(b"nothing that is known" * 10, "END"))
        assert await bad.hear_all() == (1003, "unsupported_audio")
        assert await good.hear_all() == (1000, "complete")
    assert good.text == TEXT
