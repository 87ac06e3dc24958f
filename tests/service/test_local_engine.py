"""Everything as it is out of the box: no key, the packaged model, real speech."""

import re
from collections.abc import Generator

import jiwer
import pytest

from tests import lj001
from tests.checked_client import client, refusal, types
from tests.service_process import ServiceProcess


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Generator[ServiceProcess]:
    with ServiceProcess(tmp_path_factory.mktemp("local")) as running:
        yield running


def plain(text: str) -> str:
    return re.sub(r"[^\w ]", "", text.lower())


async def test_real_speech_becomes_its_words(local: ServiceProcess) -> None:
    async with client(local.url) as speaker:
        status = await speaker.hear()
        assert (status["engine"], status["model"]) == ("local", "tiny.en")
        await speaker.stream(lj001.wav(0, 27.3))
        await speaker.say("END")
        assert await speaker.hear_all() == (1000, "complete")
    said = " ".join(passage.text for passage in lj001.passages()[:4])
    assert jiwer.wer(plain(said), plain(speaker.text)) < 0.1
    assert speaker.received[-1]["full_transcription"] == speaker.text
    finals = speaker.of("transcription")
    assert {final["times"] for final in finals} == {"aligned"}
    place = {word["text"]: word["start"] for word in finals[0]["words"]}
    assert 0.2 < place["Printing,"] < 0.6


async def test_partials_come_while_one_speaks_and_end_with_the_final(local: ServiceProcess) -> None:
    async with client(local.url, interim_results="true") as speaker:
        await speaker.stream(lj001.wav(9.955, 11.9), pause_seconds=0.128)
        await speaker.say("END")
        await speaker.hear_all()
    told = types(speaker.received)
    assert 0 < told.count("partial") <= 3
    assert "partial" not in told[told.index("transcription") :]
    (final,) = speaker.of("transcription")
    assert "modern" in final["text"]


async def test_a_language_that_the_model_lacks_is_refused(local: ServiceProcess) -> None:
    response, error = await refusal(local.url, language="de")
    assert (response.status_code, error["code"], error["field"]) == (400, "unsupported_language", "language")
    assert "LOCAL_MODEL" in error["message"]


async def test_a_language_that_the_model_lacks_in_a_start_ends_the_session(local: ServiceProcess) -> None:
    async with client(local.url) as speaker:
        await speaker.say({"type": "start", "language": "de"})
        assert await speaker.hear_all() == (1008, "unsupported_language")
    assert speaker.received[-1]["code"] == "unsupported_language"


async def test_a_language_that_the_model_lacks_in_a_configure_changes_nothing(local: ServiceProcess) -> None:
    async with client(local.url) as speaker:
        await speaker.say(lj001.wav(9.955, 10.5), {"type": "configure", "language": "de"})
        await speaker.say(lj001.wav(10.5, 11.9)[44:], "END")
        assert await speaker.hear_all() == (1000, "complete")
    assert [error["code"] for error in speaker.of("error")] == ["unsupported_language"]
    assert "modern" in speaker.text
