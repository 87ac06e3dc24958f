"""Whole sessions with real models: languages that change, keywords, people on channels of their own, sounds."""

import json
import re
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest

from bench._sounds import at_level, babble_of, dtmf, hold_music, ringing
from bench._speech import demo_clips
from tests import wavs
from tests.checked_client import CheckedClient, client
from tests.engine.espeak import say
from tests.engine.test_languages import SPOKEN, words
from tests.service_process import ServiceProcess
from transcriber.audio.pcm import SAMPLE_RATE

PAUSE = np.zeros(SAMPLE_RATE, np.float32)
RAW = {"encoding": "pcm_s16le", "sample_rate": SAMPLE_RATE}


@pytest.fixture(scope="module")
def multilingual(base_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("multilingual")
    with ServiceProcess(folder, engine="local", local_model=base_folder, language="") as running:
        yield running


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Generator[ServiceProcess]:
    with ServiceProcess(tmp_path_factory.mktemp("plain"), engine="local") as running:
        yield running


def pcm(*parts: np.ndarray) -> bytes:
    return np.clip(np.round(np.concatenate(parts) * 32767), -32768, 32767).astype("<i2").tobytes()


async def session(url: str, *messages: bytes | dict[str, object], **query: object) -> CheckedClient:
    async with client(url, **RAW, **query) as speaker:
        for message in messages:
            await (speaker.stream(message) if isinstance(message, bytes) else speaker.say(message))
        await speaker.say("END")
        assert await speaker.hear_all() == (1000, "complete")
        return speaker


def by_language(speaker: CheckedClient) -> list[tuple[str | None, set[str]]]:
    return [(final["language"], set(words(final["text"]))) for final in speaker.of("transcription") if final["text"]]


async def test_a_session_follows_its_speakers_from_language_to_language(multilingual: ServiceProcess) -> None:
    audio = pcm(*(part for language, (text, _) in SPOKEN.items() for part in (say(text, language), PAUSE)))
    speaker = await session(multilingual.url, audio)
    heard = by_language(speaker)
    order = [language for at, (language, _) in enumerate(heard) if at == 0 or heard[at - 1][0] != language]
    assert order == list(SPOKEN)
    for language, (_, expected) in SPOKEN.items():
        said = set[str]().union(*(text for told, text in heard if told == language))
        assert len(expected & said) >= len(expected) - 1
    document = json.loads((multilingual.stored(speaker.received[0]["session_id"]) / "transcript.json").read_text())
    assert [each["language"] for each in document["utterances"] if each["text"]] == [told for told, _ in heard]


async def test_a_language_that_is_configured_holds_from_the_next_utterance_on(multilingual: ServiceProcess) -> None:
    text, expected = SPOKEN["de"]
    audio = pcm(say(text, "de"), PAUSE)
    speaker = await session(multilingual.url, audio, {"type": "configure", "language": "en"}, audio, language="de")
    heard = by_language(speaker)
    assert {told for told, _ in heard} == {"de", "en"}
    german = set[str]().union(*(said for told, said in heard if told == "de"))
    assert len(expected & german) >= len(expected) - 1


async def test_keywords_are_written_as_they_are_given(multilingual: ServiceProcess) -> None:
    audio = pcm(say("We open the Kaffka dashboard and look at the Kaffka logs.", "en"), PAUSE)
    open_ended = await session(multilingual.url, audio, language="en")
    given = await session(multilingual.url, audio, language="en", keywords="Qafqa")
    assert "Qafqa" not in open_ended.text
    assert given.text.count("Qafqa") >= 1, given.text


async def test_channels_with_real_speech_are_told_apart(plain: ServiceProcess) -> None:
    left, right = demo_clips()[1].samples, demo_clips()[7].samples
    channels = np.zeros((6 * SAMPLE_RATE, 2), np.float32)
    channels[SAMPLE_RATE // 2 :][: left.size, 0] = left
    channels[SAMPLE_RATE:][: right.size, 1] = right
    file = wavs.wav((channels * 32767).astype("<i2"), SAMPLE_RATE)
    async with client(plain.url, separate_channels="true") as speaker:
        await speaker.stream(file)
        await speaker.say("END")
        await speaker.hear_all()
    heard = {final["channel"]: words(final["text"]) for final in speaker.of("transcription")}
    assert heard == {0: words(demo_clips()[1].text), 1: words(demo_clips()[7].text)}
    told = (plain.stored(speaker.received[0]["session_id"]) / "transcript.vtt").read_text()
    assert re.findall(r"<v Channel (\d)>", told) == ["1", "2"]


async def test_sounds_have_no_words(plain: ServiceProcess) -> None:
    rng = np.random.default_rng(7)
    babble = babble_of(demo_clips())
    sounds = [at_level(make(20, rng), level) for make, level in ((dtmf, -15), (ringing, -20), (hold_music, -25))]
    speaker = await session(plain.url, pcm(*sounds, *(at_level(babble(30, rng), level) for level in (-45, -55))))
    assert speaker.text == ""
