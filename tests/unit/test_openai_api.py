"""The OpenAI engine against a server that answers, fails and hangs as the real one may."""

import asyncio
import io
import math
import time
import wave
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.openai_stub import KEY, Model, OpenAIStub, error
from tests.stub_server import Reply
from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.engines.engine import EngineError, Job, Outcome, Recognition
from transcriber.engines.openai_api import OpenAIEngine, delay_seconds, retry_after_seconds, wav
from transcriber.events import Options

TEXT = "The quick brown fox."
BUSY = error(503, "Overloaded.")
SECRET = "sk-upstream-said-this"
NO_WORDS = error(400, "timestamp_granularities are not supported", param="timestamp_granularities")

Make = Callable[..., OpenAIEngine]


@pytest.fixture
async def stub() -> AsyncIterator[OpenAIStub]:
    async with OpenAIStub(TEXT) as stub:
        yield stub


@pytest.fixture
async def make(stub: OpenAIStub) -> AsyncIterator[Make]:
    """Makes engines for the stub, which are closed after the test."""
    engines: list[OpenAIEngine] = []

    def make(model: str = "gpt-transcribe", **more: Any) -> OpenAIEngine:
        engines.append(OpenAIEngine(**{"api_key": KEY, "base_url": stub.base_url, "model": model, **more}))
        return engines[-1]

    yield make
    for engine in engines:
        await engine.close()


def job(
    options: Options | None = None, *, seconds: float = 1.0, deadline_seconds: float = 10.0, final: bool = True
) -> Job:
    samples = np.full(round(seconds * SAMPLE_RATE), 0.25, np.float32)
    return Job(samples, options or Options(), final, asyncio.get_running_loop().time() + deadline_seconds)


async def ask(engine: OpenAIEngine, asked: Job | None = None) -> Outcome:
    (outcome,) = await engine.recognize([asked or job()])
    return outcome


async def failure(engine: OpenAIEngine, asked: Job | None = None) -> EngineError:
    outcome = await ask(engine, asked)
    assert isinstance(outcome, EngineError)
    return outcome


async def text(engine: OpenAIEngine, asked: Job | None = None) -> str:
    outcome = await ask(engine, asked)
    assert isinstance(outcome, Recognition), outcome
    return outcome.text


# Requests


async def test_audio_is_sent_as_16_bit_wav(stub: OpenAIStub, make: Make) -> None:
    await ask(make(), job(seconds=1.5))
    (request,) = stub.requests
    assert request.filename == "utterance.wav"
    assert (request.sample_rate, request.seconds) == (16_000, 1.5)
    assert set(request.samples.tolist()) == {8192}
    assert stub.seconds_sent == 1.5


async def test_short_audio_is_padded_to_half_a_second(stub: OpenAIStub, make: Make) -> None:
    assert await text(make(), job(seconds=0.05)) == TEXT
    assert stub.seconds_sent == 0.5
    assert np.count_nonzero(stub.requests[0].samples) == 800


async def test_digital_silence_is_not_sent(stub: OpenAIStub, make: Make) -> None:
    engine = make()
    for level in (0.0, 0.0005):
        silence = replace(job(), samples=np.full(SAMPLE_RATE, level, np.float32))
        assert await ask(engine, silence) == Recognition("")
    assert stub.requests == []
    assert await text(engine, replace(job(), samples=np.full(SAMPLE_RATE, 0.001, np.float32))) == TEXT


def test_wav_keeps_16_bit_samples_and_clips_the_rest() -> None:
    levels = np.array([-2.0, -1.0, -0.5, 0.0, 1 / 32768, 0.5, 1.0, 2.0], np.float32)
    with wave.open(io.BytesIO(wav(np.tile(levels, 2000)))) as file:
        samples = np.frombuffer(file.readframes(8), "<i2")
    assert samples.tolist() == [-32768, -32768, -16384, 0, 1, 16384, 32767, 32767]


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("gpt-transcribe", {"languages": ["de"], "keywords": ["Ai", "Bee"], "prompt": ["Hi."]}),
        ("gpt-4o-transcribe", {"language": ["de"], "prompt": ["Hi. Ai, Bee"], "include": ["logprobs"]}),
        ("gpt-4o-transcribe-diarize", {"language": ["de"]}),
        (
            "whisper-1",
            {"language": ["de"], "prompt": ["Hi. Ai, Bee"], "timestamp_granularities": ["word", "segment"]},
        ),
    ],
)
async def test_every_family_is_asked_for_what_it_knows(
    stub: OpenAIStub, make: Make, model: str, sent: dict[str, list[str]]
) -> None:
    heard = await ask(make(model), job(Options(language="de", prompt="Hi.", keywords=("Ai", "Bee"))))
    assert isinstance(heard, Recognition)
    assert (heard.text, heard.language) == (TEXT, "de")
    (request,) = stub.requests
    form = "verbose_json" if model == "whisper-1" else "json"
    assert request.fields == {"model": [model], "response_format": [form], **sent}


async def test_word_times_come_from_a_model_that_has_them(make: Make) -> None:
    heard = await ask(make("whisper-1"), job(seconds=2.0))
    assert isinstance(heard, Recognition)
    assert heard.words is not None
    assert [(word.text, word.start, word.end) for word in heard.words] == [
        ("The", 0.0, 0.5),
        ("quick", 0.5, 1.0),
        ("brown", 1.0, 1.5),
        ("fox.", 1.5, 2.0),
    ]
    assert (heard.times, heard.language) == ("model", "en")


async def test_a_job_may_name_another_model_that_is_offered(stub: OpenAIStub, make: Make) -> None:
    engine = make(models=frozenset({"whisper-1"}))
    options = Options(model="whisper-1")
    assert engine.refusal(options) is None
    await ask(engine, job(options))
    assert stub.requests[0]["model"] == "whisper-1"


async def test_translations_have_their_own_endpoint(stub: OpenAIStub, make: Make) -> None:
    heard = await ask(make("whisper-1"), job(Options(language="de", translate=True)))
    assert heard == Recognition(TEXT, language="en")
    assert stub.requests[0].path == "/v1/audio/translations"


# Servers that know less


async def test_a_server_without_word_times_is_asked_once_for_them(stub: OpenAIStub, make: Make) -> None:
    engine = make("whisper-1")
    stub.script.append(NO_WORDS)
    for _ in range(2):
        heard = await ask(engine)
        assert heard == Recognition(TEXT, language="en")
    assert [request["timestamp_granularities"] for request in stub.requests] == ["word", None, None]
    assert {request["response_format"] for request in stub.requests} == {"verbose_json"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"message": "Currently do not support verbose_json for some-model", "code": 400}',
        b'{"detail": [{"loc": ["body", "response_format"], "msg": "Input should be \'json\'"}]}',
    ],
)
@pytest.mark.parametrize("status", [400, 422])
async def test_a_server_that_knows_only_json_is_found_out_once(body: bytes, status: int) -> None:
    models = {"some-model": Model(frozenset({"json"}))}
    async with OpenAIStub(TEXT, models=models) as stub:
        engine = OpenAIEngine(api_key=KEY, base_url=stub.base_url, model="some-model")
        stub.script.extend([Reply(status, body), Reply(status, body)])
        for _ in range(3):
            assert await ask(engine) == Recognition(TEXT)
        await engine.close()
    formats = [request["response_format"] for request in stub.requests]
    assert formats == ["verbose_json", "verbose_json", "json", "json", "json"]


async def test_translations_find_out_for_themselves(stub: OpenAIStub, make: Make) -> None:
    engine = make("whisper-1")
    stub.script.extend([NO_WORDS, error(400, "verbose_json?", param="response_format")])
    await ask(engine)
    await ask(engine, job(Options(translate=True)))
    assert stub.requests[-1]["response_format"] == "verbose_json"


async def test_another_refusal_is_no_reason_to_ask_for_less(stub: OpenAIStub, make: Make) -> None:
    engine = make("whisper-1")
    stub.script.append(error(400, "The audio is unreadable.", param="file"))
    assert (await failure(engine)).code == "engine_rejected"
    assert len(stub.requests) == 1
    await ask(engine)
    assert stub.requests[-1]["timestamp_granularities"] == "word"


async def test_a_server_that_refuses_every_format_is_not_asked_for_ever(stub: OpenAIStub, make: Make) -> None:
    stub.script.extend([NO_WORDS] * 4)
    assert (await failure(make("whisper-1"))).code == "engine_rejected"
    assert len(stub.requests) == 3


# Failures


@pytest.mark.parametrize(
    ("reply", "code", "retryable"),
    [
        (error(400, SECRET, code="invalid_value"), "engine_rejected", False),
        (error(401, SECRET, code="invalid_api_key"), "engine_unauthorized", False),
        (error(403, SECRET), "engine_unauthorized", False),
        (error(404, SECRET, code="model_not_found"), "engine_rejected", False),
        (error(408, SECRET), "engine_timeout", True),
        (error(409, SECRET), "engine_error", True),
        (error(413, SECRET), "engine_rejected", False),
        (error(422, SECRET), "engine_rejected", False),
        (error(429, SECRET, code="rate_limit_exceeded"), "engine_rate_limited", True),
        (error(429, SECRET, code="insufficient_quota"), "engine_quota", False),
        (error(429, SECRET, code="credit_balance_exhausted"), "engine_quota", False),
        (error(500, SECRET), "engine_error", True),
        (Reply(502, SECRET.encode(), {"Content-Type": "text/html"}), "engine_error", True),
        (Reply(200, SECRET.encode()), "engine_error", True),
        (Reply(200, b'{"text": "%s"' % SECRET.encode()), "engine_error", True),
        (Reply(200, b'{"words": "%s"}' % SECRET.encode()), "engine_error", True),
        (Reply(200, b""), "engine_error", True),
        (Reply(200, SECRET.encode() * 2, cut=True), "engine_unreachable", True),
    ],
)
async def test_failures_have_stable_codes_and_say_nothing_of_upstream(
    stub: OpenAIStub, make: Make, reply: Reply, code: str, retryable: bool
) -> None:
    stub.script.append(reply)
    failed = await failure(make(), job(final=False))
    assert (failed.code, failed.retryable) == (code, retryable)
    assert SECRET not in f"{failed!r} {failed.error} {failed.__cause__!r}"
    assert failed.__suppress_context__
    assert len(stub.requests) == 1


async def test_the_key_is_refused(make: Make) -> None:
    failed = await failure(make(api_key="another"))
    assert (failed.code, failed.retryable) == ("engine_unauthorized", False)
    assert "another" not in str(failed)


async def test_nobody_listens() -> None:
    async with OpenAIStub() as stub:
        address = stub.base_url
    engine = OpenAIEngine(api_key=KEY, base_url=address)
    failed = await failure(engine, job(final=False))
    assert (failed.code, failed.retryable) == ("engine_unreachable", True)
    await engine.close()


async def test_a_closed_engine_fails(make: Make) -> None:
    engine = make()
    await engine.close()
    assert (await failure(engine)).code == "engine_closed"


# Time


@pytest.mark.parametrize(
    "turn",
    [
        Reply(answer=False),
        lambda right: replace(right, drip_seconds=0.05),
        lambda right: replace(right, delay_seconds=5),
    ],
    ids=["no answer", "slow drip", "late"],
)
async def test_a_request_takes_no_longer_than_its_timeout(stub: OpenAIStub, make: Make, turn: Any) -> None:
    stub.script.append(turn)
    started = time.monotonic()
    failed = await failure(make(timeout_seconds=0.2), job(final=False))
    assert (failed.code, failed.retryable) == ("engine_timeout", True)
    assert 0.15 < time.monotonic() - started < 1.5


async def test_a_request_takes_no_longer_than_the_deadline(stub: OpenAIStub, make: Make) -> None:
    stub.script.append(Reply(answer=False))
    started = time.monotonic()
    assert (await failure(make(), job(deadline_seconds=0.2))).code == "engine_timeout"
    assert time.monotonic() - started < 1.5


async def test_after_the_deadline_nothing_is_sent(stub: OpenAIStub, make: Make) -> None:
    assert (await failure(make(), job(deadline_seconds=0.0))).code == "engine_timeout"
    assert stub.requests == []


async def test_a_cancelled_job_is_given_up(stub: OpenAIStub, make: Make) -> None:
    arrived = asyncio.Event()

    def hang(_: Reply) -> Reply:
        arrived.set()
        return Reply(answer=False)

    stub.script.append(hang)
    engine = make(max_requests=1)
    task = asyncio.create_task(ask(engine))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await text(engine) == TEXT


async def test_a_slow_but_whole_answer_is_one(stub: OpenAIStub, make: Make) -> None:
    stub.script.append(lambda right: replace(right, drip_seconds=0.001))
    assert await text(make()) == TEXT


# Retries


@pytest.mark.parametrize(
    "turn",
    [
        error(408, "Timeout."),
        error(409, "Conflict."),
        error(429, "Slow down.", code="rate_limit_exceeded"),
        error(500, "Oops."),
        BUSY,
        error(400, "Again, please.", x_should_retry="true"),
        lambda right: replace(right, cut=True),
        lambda right: replace(right, delay_seconds=5),
    ],
    ids=["408", "409", "429", "500", "503", "400 to be retried", "hang-up", "timeout"],
)
async def test_a_final_is_asked_for_again(stub: OpenAIStub, make: Make, turn: Any) -> None:
    stub.script.append(turn)
    assert await text(make(timeout_seconds=0.5)) == TEXT
    first, second = stub.requests
    assert first.file == second.file
    assert first.fields == second.fields


@pytest.mark.parametrize(
    "reply",
    [
        error(400, "No."),
        error(401, "No."),
        error(429, "No.", code="insufficient_quota"),
        error(503, "No.", x_should_retry="false"),
        Reply(200, b"no JSON, and to be paid all the same"),
    ],
    ids=["400", "401", "quota", "not to be retried", "no JSON"],
)
async def test_what_would_fail_again_is_not_asked_for_again(stub: OpenAIStub, make: Make, reply: Reply) -> None:
    stub.script.append(reply)
    await failure(make())
    assert len(stub.requests) == 1


async def test_a_partial_is_asked_for_once(stub: OpenAIStub, make: Make) -> None:
    stub.script.append(BUSY)
    assert (await failure(make(), job(final=False))).code == "engine_error"
    assert len(stub.requests) == 1


async def test_retries_end_with_the_deadline_and_the_last_failure(stub: OpenAIStub, make: Make) -> None:
    stub.script.extend([BUSY] * 20)
    started = time.monotonic()
    assert (await failure(make(), job(deadline_seconds=0.55))).code == "engine_error"
    assert time.monotonic() - started < 0.55
    assert len(stub.requests) == 2


async def test_retry_after_is_waited_for(stub: OpenAIStub, make: Make) -> None:
    stub.script.append(error(429, "Slow down.", retry_after="1", retry_after_ms="600"))
    started = time.monotonic()
    assert await text(make()) == TEXT
    assert 0.6 <= time.monotonic() - started < 1.6


async def test_a_retry_after_past_the_deadline_ends_it_at_once(stub: OpenAIStub, make: Make) -> None:
    stub.script.append(error(429, "Slow down.", retry_after="11"))
    started = time.monotonic()
    assert (await failure(make(), job(deadline_seconds=10.0))).code == "engine_rate_limited"
    assert time.monotonic() - started < 1.0
    assert len(stub.requests) == 1


def test_delays_grow_and_vary_within_bounds() -> None:
    for attempt, usual in enumerate((0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0)):
        delays = [delay_seconds(attempt, 0.0) for _ in range(50)]
        assert 0.75 * usual <= min(delays) < max(delays) <= usual
    asked = [delay_seconds(0, 3.0) for _ in range(50)]
    assert 3.0 <= min(asked) < max(asked) <= 3.0625


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.0),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "7", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "7", "retry-after-ms": "soon"}, 7.0),
        ({"retry-after": "-7"}, 0.0),
        ({"retry-after": "nan"}, 0.0),
        ({"retry-after": "inf"}, 0.0),
        ({"retry-after": "tomorrow"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 99 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_retry_after_forms(headers: dict[str, str], seconds: float) -> None:
    assert retry_after_seconds(headers) == seconds


def test_retry_after_as_a_date() -> None:
    assert 28 <= retry_after_seconds({"retry-after": formatdate(time.time() + 30, usegmt=True)}) <= 30


# Many at once


async def test_no_more_requests_than_allowed_are_in_flight(stub: OpenAIStub, make: Make) -> None:
    engine = make(max_requests=2)
    assert engine.capabilities.workers == 2
    stub.script.extend([lambda right: replace(right, delay_seconds=0.05)] * 6)
    outcomes = await engine.recognize([job() for _ in range(6)])
    assert [outcome.text for outcome in outcomes if isinstance(outcome, Recognition)] == [TEXT] * 6
    assert stub.most_in_flight == 2


async def test_one_failure_leaves_the_others_alone(stub: OpenAIStub, make: Make) -> None:
    stub.script.extend([None, error(400, "No."), None])
    outcomes = await make(max_requests=1).recognize([job(), job(), job()])
    assert [isinstance(outcome, EngineError) for outcome in outcomes] == [False, True, False]


# Filters


async def test_improbable_text_is_none(stub: OpenAIStub, make: Make) -> None:
    stub.logprob = -1.3
    assert await text(make("gpt-4o-transcribe")) == ""
    assert await text(make("whisper-1")) == TEXT
    stub.no_speech_prob = 0.9
    assert await text(make("whisper-1")) == ""


async def test_a_loop_is_none() -> None:
    async with OpenAIStub("Thank you. " * 9) as stub:
        engine = OpenAIEngine(api_key=KEY, base_url=stub.base_url)
        assert await text(engine) == ""
        await engine.close()


# Before any request


@pytest.mark.parametrize(
    ("model", "options", "code"),
    [
        ("gpt-transcribe", Options(model="whisper-1"), "unsupported_model"),
        ("gpt-transcribe", Options(translate=True), "unsupported_task"),
        ("gpt-transcribe", Options(language="xx"), "unsupported_language"),
        ("gpt-transcribe", Options(language="de", model="gpt-transcribe"), None),
        ("some-model", Options(language="xx", translate=True), None),
    ],
)
def test_refusals(model: str, options: Options, code: str | None) -> None:
    refused = OpenAIEngine(api_key=KEY, model=model).refusal(options)
    assert (refused and refused.code) == code


def test_capabilities_are_those_of_the_model() -> None:
    capabilities = OpenAIEngine(api_key=KEY, max_requests=3).capabilities
    assert (capabilities.context_before_ms, capabilities.context_after_ms) == (200, 200)
    assert (capabilities.paid, capabilities.workers, capabilities.max_batch) == (True, 3, 1)
    assert not capabilities.translates
    other = OpenAIEngine(api_key=KEY, model="some-model").capabilities
    assert other.translates
    assert other.languages is None


def test_description_names_the_server_without_its_password() -> None:
    engine = OpenAIEngine(api_key=KEY, base_url="http://user:password@gpu.example:8000/v1", model="some-model")
    description = engine.description
    assert (description.engine, description.model) == ("openai", "some-model")
    assert description.details == {"server": "http://gpu.example:8000/v1/"}
    assert OpenAIEngine(api_key=KEY).description.details == {"server": "https://api.openai.com/v1/"}


HEADERS = st.sampled_from(["Wed, 21 Oct 2099 07:28:00 GMT", "1 Jan 1 0:0 -9999", "9" * 400, "1e400", "-0", "nan"])


@given(HEADERS | st.text(max_size=30), HEADERS | st.text(max_size=10))
def test_any_retry_after_is_a_number_of_seconds(seconds: str, milliseconds: str) -> None:
    asked = retry_after_seconds({"retry-after": seconds, "retry-after-ms": milliseconds})
    assert asked >= 0
    assert math.isfinite(asked)
