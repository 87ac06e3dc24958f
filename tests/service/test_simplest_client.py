"""The simplest client there is: it connects, reads `status`, sends a WAV file, says END, reads to `complete`."""

import json
import wave
from itertools import pairwise
from pathlib import Path

import pytest

from tests import lj001
from tests.checked_client import CheckedClient, Message, client, types
from tests.service_process import ServiceProcess
from tests.stage import silence

WAV_HEADER_BYTES = 44
TWO_PASSAGES = lj001.wav(0, 12)
"""About 12 s: the first is long enough to be split off."""
ONE_PASSAGE = lj001.wav(9.955, 11.9) + silence(1.2)
"""Its header speaks of less than there is."""


async def run(service: ServiceProcess, audio: bytes, *, pause_seconds: float = 0) -> CheckedClient:
    async with client(service.url) as speaker:
        first = await speaker.hear()
        assert first["type"] == "status"
        await speaker.stream(audio, pause_seconds=pause_seconds)
        await speaker.say("END")
        assert await speaker.hear_all() == (1000, "complete")
        return speaker


def ranges(finals: list[Message]) -> list[tuple[int, int]]:
    return [(int(first), int(last)) for first, _, last in (final["chunk_range"].partition("-") for final in finals)]


async def test_a_file_sent_as_fast_as_it_goes(service: ServiceProcess) -> None:
    speaker = await run(service, TWO_PASSAGES)
    heard = speaker.received
    assert types(heard) == [
        *("status", "speech_started", "transcription", "speech_stopped", "transcription", "complete")
    ] or types(heard) == ["status", "speech_started", "speech_stopped", "transcription", "transcription", "complete"]
    assert [message["number"] for message in heard] == list(range(1, len(heard) + 1))
    said = " ".join(passage.text for passage in lj001.passages()[:2])
    complete, finals = heard[-1], speaker.of("transcription")
    assert speaker.text == finals[-1]["full_text"] == complete["full_transcription"] == said
    assert complete["message"].startswith("Transcription complete")
    messages = -(-len(TWO_PASSAGES) // 4096)
    assert (complete["total_chunks"], complete["received_bytes"]) == (messages, len(TWO_PASSAGES))
    assert complete["duration_seconds"] == 12.0
    covered = ranges(finals)
    assert covered[0][0] == 1
    assert all(later[0] - earlier[1] in (0, 1) for earlier, later in pairwise(covered))
    assert covered[-1][1] <= messages
    assert all(word["end"] <= final["end"] for final in finals for word in final["words"])


async def test_the_recording_and_its_transcript_lie_in_the_store(service: ServiceProcess) -> None:
    speaker = await run(service, TWO_PASSAGES)
    status, complete = speaker.received[0], speaker.received[-1]
    folder = service.stored(status["session_id"])
    assert sorted(path.name for path in folder.iterdir()) == [
        "audio.wav",
        "transcript.json",
        "transcript.srt",
        "transcript.txt",
        "transcript.vtt",
    ]
    assert complete["storage"]["state"] == "stored"
    assert {Path(place) for place in complete["storage"]["locations"].values()} == set(folder.iterdir())
    assert (folder / "audio.wav").read_bytes() == TWO_PASSAGES
    transcript = json.loads((folder / "transcript.json").read_text())
    assert transcript["session_id"] == status["session_id"]
    assert [line["text"] for line in transcript["utterances"]] == [
        final["text"] for final in speaker.of("transcription")
    ]
    assert (folder / "transcript.txt").read_text().split("\n")[0] == transcript["utterances"][0]["text"]
    assert service.leftovers() == []


async def test_at_the_speed_of_speech_text_comes_before_the_end(service: ServiceProcess) -> None:
    async with client(service.url) as speaker:
        await speaker.hear()
        await speaker.stream(ONE_PASSAGE, pause_seconds=0.128)
        final = await speaker.hear_until("transcription")
        assert (final["text"], final["reason"]) == ("in being comparatively modern.", "silence")
        await speaker.say("END")
        assert await speaker.hear_all() == (1000, "complete")
    stored = service.stored(speaker.received[0]["session_id"]) / "audio.wav"
    with wave.open(str(stored)) as recording:
        frames = recording.readframes(recording.getnframes())
    assert frames == ONE_PASSAGE[WAV_HEADER_BYTES:], "sizes in the header are put right"


@pytest.mark.parametrize("declared", ["query", "start"])
async def test_raw_samples_are_declared(service: ServiceProcess, declared: str) -> None:
    options = {"encoding": "pcm_s16le", "sample_rate": 16_000, "language": "en", "interim_results": True}
    query = {**options, "interim_results": "true"} if declared == "query" else {}
    async with client(service.url, **query) as speaker:
        if declared == "start":
            await speaker.say({"type": "start", **options})
        await speaker.stream(ONE_PASSAGE[WAV_HEADER_BYTES:])
        await speaker.say({"type": "finalize"}, {"type": "keep_alive"}, {"type": "end"})
        assert await speaker.hear_all() == (1000, "complete")
    assert speaker.text == "in being comparatively modern."
    status = speaker.of("status")[-1]["options"]
    assert {name: status[name] for name in options} == options
