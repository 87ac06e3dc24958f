"""Two people on a line, each on a channel of their own, who speak at the same time."""

import json
import re
from datetime import UTC, datetime

import numpy as np

from tests import lj001, wavs
from tests.checked_client import client
from tests.service_process import ServiceProcess
from tests.subtitle_parsers import webvtt_py

LEFT, RIGHT = lj001.passages()[5], (lj001.passages()[1], lj001.passages()[7])
OF_A_CHANNEL = {"speech_started", "speech_stopped", "partial", "transcription", "transcription_late"}


def cut(passage: lj001.Passage) -> np.ndarray:
    return lj001.samples()[round(passage.start * 16_000) : round(passage.end * 16_000)]


def call() -> bytes:
    """Left speaks from 1 s to 6.7 s; right from 2 s to 3.9 s and, when left has ended, from 9 s to 10.8 s."""
    channels = np.zeros((12 * 16_000, 2), "<i2")
    for channel, start, passage in ((0, 1, LEFT), (1, 2, RIGHT[0]), (1, 9, RIGHT[1])):
        spoken = cut(passage)
        channels[start * 16_000 : start * 16_000 + spoken.size, channel] = spoken
    return wavs.wav(channels, 16_000)


async def test_channels_are_transcribed_each_by_itself(service: ServiceProcess) -> None:
    async with client(service.url, separate_channels="true", interim_results="true") as speaker:
        await speaker.stream(call())
        await speaker.say("END")
        assert await speaker.hear_all() == (1000, "complete")
    finals = {(final["channel"], final["text"]): final for final in speaker.of("transcription")}
    assert set(finals) == {(0, LEFT.text), (1, RIGHT[0].text), (1, RIGHT[1].text)}
    assert abs(finals[0, LEFT.text]["start"] - 1) < 0.2
    assert abs(finals[1, RIGHT[0].text]["start"] - 2) < 0.2
    assert abs(finals[1, RIGHT[1].text]["start"] - 9) < 0.2
    about_channels = [message for message in speaker.received if message["type"] in OF_A_CHANNEL]
    assert {message["channel"] for message in about_channels} == {0, 1}
    for channel in (0, 1):
        own = [message for message in about_channels if message["channel"] == channel]
        starts = [message["start"] for message in own if message["type"] == "transcription"]
        assert starts == sorted(starts)
        turns = {message["turn"] for message in own}
        others = {message["turn"] for message in about_channels if message["channel"] != channel}
        assert not turns & others


async def test_files_are_in_the_order_of_time_and_say_who_spoke(service: ServiceProcess) -> None:
    async with client(service.url, separate_channels="true") as speaker:
        await speaker.stream(call())
        await speaker.say("END")
        await speaker.hear_all()
    folder = service.stored(speaker.received[0]["session_id"])
    document = json.loads((folder / "transcript.json").read_text())
    told = [(each["channel"], each["text"]) for each in document["utterances"]]
    assert told == [(0, LEFT.text), (1, RIGHT[0].text), (1, RIGHT[1].text)]
    assert {each["clock"] for each in document["utterances"]} == {"position"}
    lines = (folder / "transcript.txt").read_text().splitlines()
    assert lines == [f"Channel {channel + 1}: {text}" for channel, text in told]
    cues = webvtt_py((folder / "transcript.vtt").read_text())
    for voice, texts in (("Channel 1", [LEFT.text]), ("Channel 2", [each.text for each in RIGHT])):
        said = " ".join(cue.text.replace("\n", " ") for cue in cues if cue.voice == voice)
        assert said == " ".join(texts)
    prefixes = re.findall(r"^Channel \d: ", (folder / "transcript.srt").read_text(), re.MULTILINE)
    assert prefixes == ["Channel 1: ", "Channel 2: "] * 2, "left goes on when right has interrupted"


async def test_a_failed_utterance_says_its_channel(own_service: ServiceProcess) -> None:
    own_service.settings["OPENAI_BASE_URL"] = "http://127.0.0.1:9/v1"
    own_service.settings["UTTERANCE_DEADLINE_SECONDS"] = "1"
    own_service.start()
    async with client(own_service.url, separate_channels="true") as speaker:
        await speaker.stream(call())
        await speaker.say("END")
        await speaker.hear_all()
    failed = [(error["channel"], error["code"]) for error in speaker.of("error")]
    assert sorted(failed) == [(0, "engine_failed"), (1, "engine_failed"), (1, "engine_failed")]
    folder = own_service.stored(speaker.received[0]["session_id"])
    text = (folder / "transcript.txt").read_text().splitlines()
    assert [line.split(":")[0] for line in text] == ["Channel 1", "Channel 2", "Channel 2"]
    assert "<v Channel 2>[no text: engine_failed]" in (folder / "transcript.vtt").read_text()


async def test_live_speech_is_told_when_it_was_spoken(service: ServiceProcess) -> None:
    """A second passes before the first audio comes, then it comes in real time."""
    audio = wavs.wav(cut(RIGHT[0]).reshape(-1, 1), 16_000) + bytes(32_000)
    async with client(service.url, endpointing_ms=300) as speaker:
        status = await speaker.hear()
        began = datetime.now(UTC)
        await speaker.stream(audio, message_bytes=3200, pause_seconds=0.1)
        await speaker.say("END")
        await speaker.hear_all()
    folder = service.stored(status["session_id"])
    (utterance,) = json.loads((folder / "transcript.json").read_text())["utterances"]
    assert utterance["clock"] == "arrival"
    spoken = (datetime.fromisoformat(utterance["start_utc"]) - began).total_seconds()
    assert abs(spoken - utterance["start"]) < 1.0
