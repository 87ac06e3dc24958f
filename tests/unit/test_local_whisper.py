"""The local engine around its model: what it offers, refuses and batches, and how it fails."""

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.whisper_script import Line, ScriptedWhisper
from transcriber.engines.engine import EngineError, Job, Outcome, Recognition, Redo, Samples
from transcriber.engines.local_whisper import LocalWhisper
from transcriber.engines.whisper_models import ModelError, ModelFiles, locate
from transcriber.events import Options

LINES = dict(enumerate([Line("it rains"), Line("yes yes"), Line("hallo", language="de")]))
UNKNOWN = ModelFiles("small", Path("small"), "0" * 64)


def tiny() -> ModelFiles:
    return ModelFiles("tiny.en", Path("tiny.en"), locate("").digest)


def engine_of(whisper: Any, model: ModelFiles | None = None, **options: Any) -> LocalWhisper:
    return LocalWhisper(whisper, model or tiny(), **options)


def english(**options: Any) -> LocalWhisper:
    return engine_of(ScriptedWhisper(LINES), **options)


def multilingual(**options: Any) -> LocalWhisper:
    return engine_of(ScriptedWhisper(LINES, ("en", "de")), UNKNOWN, **options)


def job(samples: Samples | int, options: Options | None = None, *, final: bool = True, seconds: float = 30.0) -> Job:
    if isinstance(samples, int):
        samples = ScriptedWhisper.audio(samples)
    return Job(samples, options or Options(), final, time.monotonic() + seconds)


async def recognize(engine: LocalWhisper, *jobs: Job) -> Sequence[Outcome]:
    try:
        return await engine.recognize(jobs)
    finally:
        await engine.close()


def test_capabilities_are_the_models() -> None:
    small = english(workers=3).capabilities
    assert (small.languages, small.translates) == ({"en"}, False)
    assert (small.context_before_ms, small.context_after_ms, small.paid) == (400, 300, False)
    assert (small.workers, small.max_batch) == (3, 4)
    large = multilingual().capabilities
    assert (large.languages, large.translates) == ({"en", "de"}, True)


def test_description_tells_model_versions_and_settings() -> None:
    description = english(workers=2, beam_size=3).description
    assert (description.engine, description.model) == ("local", "tiny.en")
    details = description.details
    assert details["sha256"] == tiny().digest
    assert (details["device"], details["compute_type"], details["workers"]) == ("cpu", "int8", "2")
    assert (details["beam_size"], details["context"]) == ("3", "trimmed for en")
    assert details["faster_whisper"]
    assert details["ctranslate2"]
    assert multilingual().description.details["context"] == "full"


@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options(language="en"),
        Options(language="en", translate=True),
        Options(model="tiny.en"),
        Options(prompt="Morris", keywords=("Walker",)),
    ],
)
def test_what_an_english_model_can_do_is_not_refused(options: Options) -> None:
    assert english().refusal(options) is None


@pytest.mark.parametrize(
    ("options", "code", "field", "named"),
    [
        (Options(language="de"), "unsupported_language", "language", "de"),
        (Options(language="de", translate=True), "unsupported_language", "language", "de"),
        (Options(translate=True), "unsupported_task", "translate", "translate"),
        (Options(model="large-v3"), "unsupported_model", "model", "large-v3"),
    ],
)
def test_a_refusal_names_what_is_lacking_and_the_setting(options: Options, code: str, field: str, named: str) -> None:
    error = english().refusal(options)
    assert error is not None
    assert (error.code, error.field, error.close_code) == (code, field, None)
    assert named in error.message
    assert "tiny.en" in error.message
    assert "LOCAL_MODEL" in error.message


def test_a_multilingual_model_serves_its_languages_and_translates() -> None:
    engine = multilingual()
    assert engine.refusal(Options(language="de", translate=True)) is None
    assert engine.refusal(Options(translate=True)) is None
    refused = engine.refusal(Options(language="tlh"))
    assert refused is not None
    assert refused.code == "unsupported_language"


def test_a_default_language_that_the_model_lacks_is_refused_at_once() -> None:
    with pytest.raises(ModelError, match=r"tiny\.en .*language de.*LOCAL_MODEL"):
        english(language="de")


async def test_final_and_partial_have_their_own_beam() -> None:
    whisper = ScriptedWhisper(LINES)
    engine = engine_of(whisper, beam_size=4)
    await engine.recognize([job(0)])
    await recognize(engine, job(0, final=False))
    assert [asked["beam_size"] for asked in whisper.decoded] == [4, 1]


@pytest.mark.parametrize(
    ("options", "start"),
    [
        (Options(), ["de", "transcribe"]),
        (Options(language="de"), ["de", "transcribe"]),
        (Options(language="en"), ["en", "transcribe"]),
        (Options(language="de", translate=True), ["de", "translate"]),
        (Options(language="en", translate=True), ["en", "transcribe"]),
        (Options(translate=True), ["de", "translate"]),
    ],
)
async def test_language_and_task_are_those_asked_for_or_heard(options: Options, start: list[str]) -> None:
    whisper = ScriptedWhisper(LINES, ("en", "de"))
    (outcome,) = await recognize(engine_of(whisper, UNKNOWN), job(2, options))
    assert whisper.decoded[0]["prompts"] == [start]
    assert isinstance(outcome, Recognition)
    assert outcome.language == start[0]


async def test_the_default_language_is_not_detected() -> None:
    (outcome,) = await recognize(multilingual(language="en"), job(2))
    assert isinstance(outcome, Recognition)
    assert outcome.language == "en"


def test_jobs_share_a_batch_when_nothing_but_their_audio_differs() -> None:
    engine = english()
    key = engine.batch_key(job(ScriptedWhisper.audio(0, 2.0)))
    assert key == engine.batch_key(job(ScriptedWhisper.audio(1, 1.2)))
    assert hash(key) == hash(engine.batch_key(job(0)))
    others = [
        job(ScriptedWhisper.audio(0, 2.1)),
        job(0, final=False),
        job(0, Options(prompt="Morris")),
        job(0, Options(keywords=("Morris",))),
    ]
    assert key not in [engine.batch_key(other) for other in others]


def test_languages_and_tasks_do_not_share_a_batch() -> None:
    whisper = ScriptedWhisper(LINES, ("en", "de"))
    whisper.device = "cuda"
    engine = engine_of(whisper, UNKNOWN)
    options = [Options(), Options(language="de"), Options(language="en"), Options(language="de", translate=True)]
    assert len({engine.batch_key(job(0, each)) for each in options}) == len(options)
    assert engine.batch_key(job(0)) == engine.batch_key(job(1))


def test_full_windows_are_alone_on_a_processor() -> None:
    engine = multilingual()
    assert engine.batch_key(job(0)) != engine.batch_key(job(0))


async def test_a_suspect_answer_is_asked_for_again_and_then_believed() -> None:
    engine = english()
    (first,) = await engine.recognize([job(1)])
    assert isinstance(first, Redo)
    (second,) = await recognize(engine, first.job)
    assert isinstance(second, Recognition)
    assert second.text == "yes yes"


async def test_an_unverified_model_has_its_full_window_and_no_redo() -> None:
    (outcome,) = await recognize(multilingual(), job(1))
    assert isinstance(outcome, Recognition)
    assert outcome.text == "yes yes"


async def test_silence_never_reaches_the_model_and_its_mates_do() -> None:
    whisper = ScriptedWhisper(LINES)
    outcomes = await recognize(
        engine_of(whisper), job(np.zeros(32_000, np.float32)), job(0), job(np.ones(10, np.float32))
    )
    assert [outcome.text for outcome in outcomes if isinstance(outcome, Recognition)] == ["", "it rains", ""]
    assert len(whisper.decoded) == 1


async def test_more_than_the_window_is_too_long() -> None:
    (outcome,) = await recognize(english(), job(ScriptedWhisper.audio(0, 30.01)))
    assert isinstance(outcome, EngineError)
    assert (outcome.code, outcome.retryable) == ("audio_too_long", False)


async def test_samples_that_are_no_numbers_fail_alone() -> None:
    broken = np.full(32_000, np.nan, np.float32)
    failed, heard = await recognize(english(), job(broken), job(0))
    assert isinstance(failed, EngineError)
    assert (failed.code, failed.retryable) == ("engine_error", False)
    assert isinstance(heard, Recognition)


async def test_what_is_too_late_is_not_recognized_and_its_mates_are() -> None:
    whisper = ScriptedWhisper(LINES)
    late, heard = await recognize(engine_of(whisper), job(0, seconds=-0.1), job(0))
    assert isinstance(late, EngineError)
    assert late.code == "engine_timeout"
    assert isinstance(heard, Recognition)
    assert len(whisper.decoded[0]["prompts"]) == 1


@pytest.mark.parametrize(("failure", "retryable"), [(RuntimeError("out of memory"), True), (ValueError("a"), False)])
async def test_a_failing_model_is_an_error_of_each_job(
    failure: Exception, retryable: bool, caplog: pytest.LogCaptureFixture
) -> None:
    whisper = ScriptedWhisper(LINES)
    whisper.failure = failure
    with caplog.at_level(logging.ERROR):
        outcomes = await recognize(engine_of(whisper), job(0), job(0))
    assert [(outcome.code, outcome.retryable) for outcome in outcomes if isinstance(outcome, EngineError)] == [
        ("engine_error", retryable)
    ] * 2
    assert [record.message for record in caplog.records] == ["local model failed"]


async def test_after_closing_nothing_is_recognized() -> None:
    engine = english()
    await engine.close()
    (outcome,) = await engine.recognize([job(0)])
    assert isinstance(outcome, EngineError)
    assert outcome.code == "engine_closed"


class MeetingWhisper(ScriptedWhisper):
    """Answers when so many batches are at work at once."""

    def __init__(self, at_once: int) -> None:
        super().__init__(LINES)
        self._meeting = threading.Barrier(at_once, timeout=10)

    def encode(self, mels: Sequence[Any]) -> Any:
        self._meeting.wait()
        return super().encode(mels)


async def test_every_worker_has_its_thread_and_the_loop_its_own() -> None:
    engine = engine_of(MeetingWhisper(at_once=3), workers=3)
    batches = [asyncio.create_task(engine.recognize([job(0)])) for _ in range(2)]
    await asyncio.sleep(0.01)
    assert not any(batch.done() for batch in batches)
    batches.append(asyncio.create_task(engine.recognize([job(0)])))
    heard = await asyncio.gather(*batches)
    await engine.close()
    assert [outcome.text for (outcome,) in heard if isinstance(outcome, Recognition)] == ["it rains"] * 3


def test_a_model_that_can_not_be_loaded_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"not a model")
    with pytest.raises(ModelError, match="LOCAL_MODEL"):
        LocalWhisper.load(str(tmp_path), device="cpu")
