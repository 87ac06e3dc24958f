"""Options that change while people speak: which utterances they are of does not depend on how audio is sent."""

import numpy as np
import pytest

from tests import lj001
from tests.checked_client import CheckedClient, client
from tests.openai_stub import OpenAIStub, Request, Spoken, reading
from tests.service_process import ServiceProcess

RAW = {"encoding": "pcm_s16le", "sample_rate": 16_000, "keywords": "Vienna", "language": "en"}
PASSAGES = (lj001.passages()[1], lj001.passages()[7], lj001.passages()[1])
PAUSE_SECONDS = 1.0
READ = reading(lj001.samples(), [Spoken(word.text, word.start, word.end) for word in lj001.words()])


def talk() -> tuple[bytes, list[int]]:
    """The passages with pauses around them, and the bytes at which each begins."""
    pause = np.zeros(round(PAUSE_SECONDS * 16_000), "<i2")
    audio, starts = pause.tobytes(), list[int]()
    for each in PASSAGES:
        starts.append(len(audio))
        spoken = lj001.samples()[round(each.start * 16_000) : round(each.end * 16_000)]
        audio += spoken.astype("<i2").tobytes() + pause.tobytes()
    return audio, starts


def hints(request: Request) -> tuple[str | None, list[str], list[str]]:
    return request["prompt"], request.fields.get("keywords", []), request.fields.get("languages", [])


async def configured(
    url: str, message_bytes: int, changes: list[tuple[int, dict[str, object]]], **query: object
) -> CheckedClient:
    """A talk in which options change at bytes."""
    audio, _ = talk()
    async with client(url, **RAW, **query) as speaker:
        sent = 0
        for at, change in changes:
            await speaker.stream(audio[sent:at], message_bytes=message_bytes)
            await speaker.say({"type": "configure", **change})
            sent = at
        await speaker.stream(audio[sent:], message_bytes=message_bytes)
        await speaker.say("END")
        assert await speaker.hear_all() == (1000, "complete")
        return speaker


@pytest.mark.parametrize("message_bytes", [333, 4096, 1 << 19])
async def test_an_utterance_is_heard_with_the_options_it_begins_with(
    service: ServiceProcess, stub: OpenAIStub, message_bytes: int
) -> None:
    _, starts = talk()
    changes = [
        (starts[0] + 30_000, {"language": "de", "prompt": "A walk.", "keywords": ["Schönbrunn", "Leopoldsberg"]}),
        (starts[2] - 8_000, {"language": None, "prompt": None}),
    ]
    before = len(stub.requests)
    speaker = await configured(service.url, message_bytes, changes)
    finals = [(final["text"], final["start"], final["end"]) for final in speaker.of("transcription")]
    assert [text for text, _, _ in finals] == [each.text for each in PASSAGES]
    languages = [final["language"] for final in speaker.of("transcription")]
    assert languages == ["en", "de", "en"], "the last is what the engine heard"
    for at, (_, start, end) in zip(starts, finals, strict=True):
        assert at / 32_000 - 0.1 <= start < end
    asked = {(spoken(request), hints(request)[2] == ["en"]): hints(request) for request in stub.requests[before:]}
    keywords = ["Schönbrunn", "Leopoldsberg"]
    assert asked == {
        (PASSAGES[0].text, True): (None, ["Vienna"], ["en"]),
        (PASSAGES[1].text, False): ("A walk.", keywords, ["de"]),
        (PASSAGES[2].text, False): (None, keywords, []),
    }


def spoken(request: Request) -> str:
    heard = READ(request)
    return heard if isinstance(heard, str) else " ".join(word.text for word in heard)


async def test_how_audio_is_cut_changes_nothing_at_any_rate(service: ServiceProcess, stub: OpenAIStub) -> None:
    """48 kHz, so that a resampler holds some of it back."""
    audio, starts = talk()
    wide = np.repeat(np.frombuffer(audio, "<i2"), 3).astype("<i2").tobytes()
    told: list[list[tuple[object, ...]]] = []
    for message_bytes in (1000, 48_000):
        async with client(service.url, encoding="pcm_s16le", sample_rate=48_000, language="en") as speaker:
            at = 3 * starts[1] + 6
            await speaker.stream(wide[:at], message_bytes=message_bytes)
            await speaker.say({"type": "configure", "language": "fr", "endpointing_ms": 300})
            await speaker.stream(wide[at:], message_bytes=message_bytes)
            await speaker.say("END")
            await speaker.hear_all()
        told.append([(each["start"], each["end"], each["language"]) for each in speaker.of("transcription")])
    assert told[0] == told[1]
    assert [language for _, _, language in told[0]] == ["en", "fr", "fr"]
