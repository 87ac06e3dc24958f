"""What every engine does, on real speech."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import numpy as np
import pytest

from tests import lj001
from tests.openai_stub import KEY, OpenAIStub, Spoken, reading
from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.engines.engine import Engine, EngineError, Job, Outcome, Recognition, Redo, Samples
from transcriber.engines.local_whisper import LocalWhisper
from transcriber.engines.openai_api import OpenAIEngine
from transcriber.events import Options

CLIP = lj001.samples()
PASSAGES = lj001.passages()
HEARD_AT_LEAST = 0.8
"""Share of a passage's words that every engine must find."""

Make = Callable[[], AbstractAsyncContextManager[Engine]]


def openai(model: str) -> Make:
    @asynccontextmanager
    async def make() -> AsyncIterator[Engine]:
        known = [Spoken(word.text, word.start, word.end) for word in lj001.words()]
        async with OpenAIStub(reading(CLIP, known)) as stub:
            engine = OpenAIEngine(api_key=KEY, base_url=stub.base_url, model=model)
            yield engine
            await engine.close()

    return make


@asynccontextmanager
async def local() -> AsyncIterator[Engine]:
    engine = LocalWhisper.load(device="cpu", workers=2)
    yield engine
    await engine.close()


ENGINES = {
    "local": local,
    "openai": openai("gpt-transcribe"),
    "openai with word times": openai("whisper-1"),
}


@pytest.fixture(params=ENGINES.values(), ids=ENGINES.keys())
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[Engine]:
    make: Make = request.param
    async with make() as engine:
        yield engine


def speech(passage: int) -> Samples:
    """One passage of the recording; engines leave it as it is."""
    first, last = (round(moment * SAMPLE_RATE) for moment in (PASSAGES[passage].start, PASSAGES[passage].end))
    samples = CLIP[first:last].astype(np.float32) / 32768
    samples.flags.writeable = False
    return samples


def job(samples: Samples, options: Options | None = None, *, final: bool = True, seconds: float = 30.0) -> Job:
    deadline = asyncio.get_running_loop().time() + seconds
    return Job(samples, options or Options(language="en"), final, deadline)


async def outcomes(engine: Engine, jobs: Sequence[Job]) -> list[Outcome]:
    """As the scheduler asks: batches of what may be together, redos at once and only once."""
    found: list[Outcome] = []
    rest = list(jobs)
    while rest:
        key = engine.batch_key(rest[0])
        size = 1
        while size < min(engine.capabilities.max_batch, len(rest)) and engine.batch_key(rest[size]) == key:
            size += 1
        answers = await engine.recognize(rest[:size])
        assert len(answers) == size
        for answer in answers:
            found += await engine.recognize([answer.job]) if isinstance(answer, Redo) else [answer]
        rest = rest[size:]
    return found


async def recognition(engine: Engine, job: Job) -> Recognition:
    (outcome,) = await outcomes(engine, [job])
    assert isinstance(outcome, Recognition)
    return outcome


def plain(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def share_heard(text: str, passage: int) -> float:
    expected = plain(PASSAGES[passage].text)
    heard = set(plain(text))
    return sum(word in heard for word in expected) / len(expected)


async def test_capabilities_are_sane(engine: Engine) -> None:
    capabilities = engine.capabilities
    assert 0 <= capabilities.context_before_ms <= 1000
    assert 0 <= capabilities.context_after_ms <= 1000
    assert capabilities.workers >= 1
    assert capabilities.max_batch >= 1
    assert capabilities.languages is None or "en" in capabilities.languages


async def test_description_says_engine_and_model_and_no_secret(engine: Engine) -> None:
    description = engine.description
    assert description.engine
    assert description.model
    assert KEY not in repr(description)


@pytest.mark.parametrize("final", [True, False], ids=["final", "partial"])
async def test_real_speech_gives_its_words(engine: Engine, final: bool) -> None:
    heard = await recognition(engine, job(speech(0), final=final))
    assert share_heard(heard.text, 0) >= HEARD_AT_LEAST
    assert heard.language == "en"


@pytest.mark.parametrize("samples", [0, 1, 3_200, 48_000])
async def test_silence_has_no_words(engine: Engine, samples: int) -> None:
    heard = await recognition(engine, job(np.zeros(samples, np.float32)))
    assert heard.text == ""
    assert not heard.words


async def test_very_short_audio_is_no_failure(engine: Engine) -> None:
    await recognition(engine, job(speech(0)[4_000:4_160]))


async def test_word_times_lie_in_the_audio_and_never_go_back(engine: Engine) -> None:
    samples = speech(3)
    heard = await recognition(engine, job(samples))
    assert (heard.words is None) == (heard.times is None)
    times = [moment for word in heard.words or () for moment in (word.start, word.end)]
    assert times == sorted(times)
    assert all(0 <= moment <= len(samples) / SAMPLE_RATE for moment in times)


async def test_words_are_the_text(engine: Engine) -> None:
    heard = await recognition(engine, job(speech(6)))
    assert heard.words is None or [word.text for word in heard.words] == heard.text.split()


async def test_jobs_are_answered_in_order(engine: Engine) -> None:
    asked = [3, 1, 5, 7]
    answers = await outcomes(engine, [job(speech(passage)) for passage in asked])
    for passage, answer in zip(asked, answers, strict=True):
        assert isinstance(answer, Recognition)
        assert share_heard(answer.text, passage) >= HEARD_AT_LEAST


async def test_concurrent_calls_do_not_disturb_each_other(engine: Engine) -> None:
    asked = [1, 7, 1, 3]
    answers = await asyncio.gather(*(recognition(engine, job(speech(passage))) for passage in asked))
    assert all(
        share_heard(answer.text, passage) >= HEARD_AT_LEAST for passage, answer in zip(asked, answers, strict=True)
    )
    assert answers[0] == answers[2]


async def test_an_unknown_language_is_refused_by_name(engine: Engine) -> None:
    refused = engine.refusal(Options(language="xx"))
    if engine.capabilities.languages is None:
        assert refused is None
    else:
        assert refused is not None
        assert (refused.code, refused.field) == ("unsupported_language", "language")


async def test_english_is_served(engine: Engine) -> None:
    assert engine.refusal(Options()) is None
    assert engine.refusal(Options(language="en")) is None


async def test_another_model_is_refused_by_name(engine: Engine) -> None:
    refused = engine.refusal(Options(model="no-such-model"))
    assert refused is not None
    assert (refused.code, refused.field) == ("unsupported_model", "model")
    assert engine.refusal(Options(model=engine.description.model)) is None


async def test_translation_is_refused_unless_it_is_offered(engine: Engine) -> None:
    refused = engine.refusal(Options(language="de", translate=True))
    assert engine.capabilities.translates or (refused is not None and refused.field in ("translate", "language"))


async def test_after_the_deadline_nothing_is_recognized(engine: Engine) -> None:
    (outcome,) = await engine.recognize([job(speech(1), seconds=-1.0)])
    assert isinstance(outcome, EngineError)
    assert outcome.code == "engine_timeout"


async def test_closing_twice_is_closing(engine: Engine) -> None:
    await engine.close()
    await engine.close()
