"""Speech to text by OpenAI's transcription API, or by a server compatible with it: an HTTP request per job."""

import asyncio
import contextlib
import email.utils
import io
import math
import random
import time
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import openai

from transcriber.audio.pcm import SAMPLE_RATE, samples_of_ms
from transcriber.engines import openai_answers, openai_models
from transcriber.engines.engine import Capabilities, Description, EngineError, Job, Outcome, Recognition, Samples
from transcriber.engines.whisper_guard import is_silent
from transcriber.events import Error, Options

DEFAULT_MODEL = "gpt-transcribe"
DEFAULT_BASE_URL = "https://api.openai.com/v1"

_CONTEXT_MS = 200
_MIN_MS = 500
"""Shorter audio is padded: the API refuses less than 100 ms and hears little in less than this."""

_CONNECT_SECONDS = 5.0
_FIRST_DELAY_SECONDS = 0.25
_LONGEST_DELAY_SECONDS = 8.0

_TRANSCRIPTIONS, _TRANSLATIONS = "/audio/transcriptions", "/audio/translations"
_QUOTA_CODES = frozenset({"insufficient_quota", "credit_balance_exhausted", "billing_hard_limit_reached"})
_FORMAT_WORDS = ("response_format", "verbose_json", "timestamp", "granularit", "logprobs")
"""In the body of a 400 or 422 they say that the server knows no such format."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A way to fail, as clients get to know it."""

    code: str
    message: str
    retryable: bool


_UNAUTHORIZED = _Kind("engine_unauthorized", "The transcription API refuses the key of this service.", False)
_QUOTA = _Kind("engine_quota", "The quota of this service at the transcription API is used up.", False)
_REJECTED = _Kind("engine_rejected", "The transcription API refuses the request.", False)
_RATE_LIMITED = _Kind("engine_rate_limited", "The transcription API gets too many requests.", True)
_TIMEOUT = _Kind("engine_timeout", "The transcription API did not answer in time.", True)
_UNREACHABLE = _Kind("engine_unreachable", "The transcription API can't be reached.", True)
_ERROR = _Kind("engine_error", "The transcription API failed.", True)
_CLOSED = _Kind("engine_closed", "The service is ending.", True)

_KINDS = {401: _UNAUTHORIZED, 403: _UNAUTHORIZED, 408: _TIMEOUT, 409: _ERROR, 429: _RATE_LIMITED}


class _Failure(EngineError):
    """A request without a transcript. `again`: worth another try, after `wait_seconds` at the earliest."""

    def __init__(
        self, kind: _Kind, *, again: bool | None = None, wait_seconds: float = 0.0, about_format: bool = False
    ) -> None:
        super().__init__(kind.code, kind.message, retryable=kind.retryable)
        self.again = kind.retryable if again is None else again
        self.wait_seconds = wait_seconds
        self.about_format = about_format


class OpenAIEngine:
    """Asks for a final again, with back-off, until its deadline; for a partial once: the next one is on its way."""

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str | None = None,
        model: str = DEFAULT_MODEL,
        models: frozenset[str] = frozenset(),
        timeout_seconds: float = 20.0,
        max_requests: int = 16,
    ) -> None:
        """`models` may be asked for beside `model`; up to `max_requests` are in flight, each `timeout_seconds` long."""
        self._client = openai.AsyncOpenAI(
            api_key=api_key,
            base_url=base_url or DEFAULT_BASE_URL,
            max_retries=0,
            timeout=openai.Timeout(timeout_seconds, connect=_CONNECT_SECONDS),
        )
        self._model = model
        self._models = models | {model}
        self._timeout_seconds = timeout_seconds
        self._max_requests = max_requests
        self._slots = asyncio.Semaphore(max_requests)
        self._formats: dict[tuple[str, bool], int] = {}
        """The first format that the server may know, by model and whether it translates."""

    @property
    def capabilities(self) -> Capabilities:
        family = openai_models.family_of(self._model)
        return Capabilities(
            context_before_ms=_CONTEXT_MS,
            context_after_ms=_CONTEXT_MS,
            paid=True,
            workers=self._max_requests,
            languages=family.languages,
            translates=family.translates,
        )

    @property
    def description(self) -> Description:
        server = self._client.base_url
        # Without the user and password that a URL may hold.
        address = f"{server.scheme}://{server.netloc.decode()}{server.path}"
        return Description("openai", self._model, {"server": address})

    def refusal(self, options: Options) -> Error | None:
        model = options.model or self._model
        if model not in self._models:
            message = f"this service recognizes with {self._model}; {openai_models.SETTING} chooses the model"
            return Error("unsupported_model", message, field="model")
        return openai_models.refusal(model, options)

    def batch_key(self, job: Job) -> object:
        """Batches have one job."""
        return id(job)

    async def recognize(self, jobs: Sequence[Job]) -> Sequence[Outcome]:
        return await asyncio.gather(*map(self._outcome, jobs))

    async def close(self) -> None:
        await self._client.close()

    async def _outcome(self, job: Job) -> Outcome:
        if is_silent(float(np.max(np.abs(job.samples), initial=0.0))):
            return Recognition("")
        try:
            return await self._insist(job, wav(job.samples))
        except EngineError as error:
            return error

    async def _insist(self, job: Job, audio: bytes) -> Recognition:
        attempt = 0
        while True:
            try:
                return await self._ask(job, audio)
            except _Failure as failure:
                wait_seconds = delay_seconds(attempt, failure.wait_seconds)
                late = asyncio.get_running_loop().time() + wait_seconds >= job.deadline
                if late or not failure.again or not job.final:
                    raise
            await asyncio.sleep(wait_seconds)
            attempt += 1

    async def _ask(self, job: Job, audio: bytes) -> Recognition:
        """One answer, in the most telling format that the server knows."""
        options = job.options
        model = options.model or self._model
        path = _TRANSLATIONS if options.translate else _TRANSCRIPTIONS
        formats = openai_models.formats(model, options)
        while True:
            chosen = self._formats.get((model, options.translate), 0)
            fields = {**openai_models.fields(model, options), **formats[chosen]}
            try:
                body = await self._send(path, fields, audio, job.deadline)
                break
            except _Failure as failure:
                if not failure.about_format or chosen + 1 == len(formats):
                    raise
                self._formats[model, options.translate] = chosen + 1
        language = "en" if options.translate else options.language
        try:
            return openai_answers.read(body, seconds=len(job.samples) / SAMPLE_RATE, language=language)
        except ValueError:
            # Its message quotes the answer. The next answer would cost as much and hardly be another.
            raise _Failure(_ERROR, again=False) from None

    async def _send(self, path: str, fields: Mapping[str, object], audio: bytes, deadline: float) -> bytes:
        """The body of the answer; the SDK's own methods would take a body of any form for a transcript."""
        if self._client.is_closed():
            raise _Failure(_CLOSED, again=False)
        if asyncio.get_running_loop().time() >= deadline:
            raise _Failure(_TIMEOUT)
        try:
            async with asyncio.timeout_at(deadline), self._slots, asyncio.timeout(self._timeout_seconds):
                return await self._client.post(
                    path,
                    cast_to=bytes,
                    body=fields,
                    files=[("file", ("utterance.wav", audio, "audio/wav"))],
                    options={"headers": {"Content-Type": "multipart/form-data"}},
                )
        except TimeoutError:
            raise _Failure(_TIMEOUT) from None
        except openai.OpenAIError as error:
            # Its message quotes the answer.
            raise _failure(error) from None


def wav(samples: Samples) -> bytes:
    """A 16-bit WAV file of at least 0.5 s."""
    padded = np.zeros(max(len(samples), samples_of_ms(_MIN_MS)), np.float32)
    padded[: len(samples)] = samples
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLE_RATE)
        writer.writeframes(np.clip(np.rint(padded * 32768), -32768, 32767).astype("<i2").tobytes())
    return file.getvalue()


def delay_seconds(attempt: int, asked_seconds: float) -> float:
    """How long to wait after failed attempt number `attempt` (from 0), and no less than the server asked for."""
    usual = min(_FIRST_DELAY_SECONDS * 2.0**attempt, _LONGEST_DELAY_SECONDS)
    jitter = random.uniform(0, 0.25)  # noqa: S311 - spreads load, guards nothing
    return max(asked_seconds, 0.75 * usual) + jitter * usual


def retry_after_seconds(headers: Mapping[str, str]) -> float:
    """What an answer asks for by `retry-after-ms`, or by `retry-after` in seconds or as a date; 0 for nothing."""
    asked_seconds = 0.0
    value = headers.get("retry-after", "")
    with contextlib.suppress(ValueError, OverflowError):
        asked_seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
    with contextlib.suppress(ValueError):
        asked_seconds = float(value)
    with contextlib.suppress(KeyError, ValueError):
        asked_seconds = float(headers["retry-after-ms"]) / 1000
    return max(asked_seconds, 0.0) if math.isfinite(asked_seconds) else 0.0


def _failure(error: openai.OpenAIError) -> _Failure:
    match error:
        case openai.APITimeoutError():
            return _Failure(_TIMEOUT)
        case openai.APIConnectionError():
            return _Failure(_UNREACHABLE)
        case openai.APIStatusError():
            return _status_failure(error)
        case _:
            return _Failure(_ERROR)


def _status_failure(error: openai.APIStatusError) -> _Failure:
    status, headers = error.status_code, error.response.headers
    if status == 429 and error.code in _QUOTA_CODES:
        return _Failure(_QUOTA)
    text = error.response.text.casefold()
    return _Failure(
        _KINDS.get(status, _ERROR if status >= 500 else _REJECTED),
        again={"true": True, "false": False}.get(headers.get("x-should-retry", "")),
        wait_seconds=retry_after_seconds(headers),
        about_format=status in (400, 422) and any(word in text for word in _FORMAT_WORDS),
    )
