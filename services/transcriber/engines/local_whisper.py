"""The engine that needs nothing from outside: Whisper in this process, in threads of its own."""

import asyncio
import logging
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np

from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.engines.engine import Capabilities, Description, EngineError, Job, Outcome, Recognition
from transcriber.engines.whisper_backend import VERSIONS, Whisper
from transcriber.engines.whisper_batch import Shape, WhisperBatch
from transcriber.engines.whisper_guard import FRAMES_PER_SECOND, FULL_FRAMES, is_silent, redo_frames, trimmed_frames
from transcriber.engines.whisper_models import SETTING, ModelError, ModelFiles, locate
from transcriber.events import Error, Options

logger = logging.getLogger(__name__)

_LEAST_SAMPLES = 400
"""One window of the spectrogram: less holds no word."""
_MOST_SECONDS = FULL_FRAMES // FRAMES_PER_SECOND
_MAX_BATCH = 4
_CONTEXT_BEFORE_MS = 400
_CONTEXT_AFTER_MS = 300


class LocalWhisper:
    """Whisper by CTranslate2: int8 on a CPU, float16 on a GPU. Blocks no event loop."""

    def __init__(
        self, whisper: Whisper, model: ModelFiles, *, workers: int = 1, beam_size: int = 5, language: str | None = None
    ) -> None:
        """`beam_size` is for finals, partials have 1; `language` is spoken where a job doesn't say."""
        if language is not None and language not in whisper.languages:
            raise ModelError(_lacks(model.name, language))
        self._whisper = whisper
        self._model = model
        self._workers = workers
        self._beam_size = beam_size
        self._default_language = language if whisper.multilingual else "en"
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="whisper")
        self._closed = False
        self._prompt = lru_cache(maxsize=256)(whisper.prompt_tokens)

    @classmethod
    def load(
        cls,
        model: str = "",
        *,
        device: str = "auto",
        workers: int = 1,
        beam_size: int = 5,
        language: str | None = None,
    ) -> "LocalWhisper":
        """An engine ready for work; blocks for a second, for as long as a download takes with a model of the hub.

        `model` is as `whisper_models.locate` has it, `device` auto, cpu or cuda.

        Raises:
            ModelError: the model can't be had, loaded, or used so.
        """
        files = locate(model)
        try:
            whisper = Whisper(files.folder, device=device, workers=workers)
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelError(f"{SETTING}: {files.name} can't be loaded on device {device}: {error}") from error
        return cls(whisper, files, workers=workers, beam_size=beam_size, language=language)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            context_before_ms=_CONTEXT_BEFORE_MS,
            context_after_ms=_CONTEXT_AFTER_MS,
            paid=False,
            workers=self._workers,
            max_batch=_MAX_BATCH,
            languages=self._whisper.languages,
            translates=self._whisper.multilingual,
        )

    @property
    def description(self) -> Description:
        details = {
            "sha256": self._model.digest,
            "device": self._whisper.device,
            "compute_type": self._whisper.compute_type,
            "workers": str(self._workers),
            "beam_size": str(self._beam_size),
            "context": f"trimmed for {', '.join(sorted(trimmed))}" if (trimmed := self._model.trimmed_for) else "full",
            **VERSIONS,
        }
        return Description("local", self._model.name, details)

    def refusal(self, options: Options) -> Error | None:
        name = self._model.name
        if options.model is not None and options.model != name:
            message = f"this service recognizes with {name}, not {options.model}; {SETTING} chooses the model"
            return Error("unsupported_model", message, field="model")
        if options.language is not None and options.language not in self._whisper.languages:
            return Error("unsupported_language", _lacks(name, options.language), field="language")
        if options.translate and not self._whisper.multilingual and options.language != "en":
            message = f"the model {name} can't translate; {SETTING} chooses one that can, such as base"
            return Error("unsupported_task", message, field="translate")
        return None

    def batch_key(self, job: Job) -> object:
        shape = self._shape(job)
        if shape.frames >= FULL_FRAMES and self._whisper.device == "cpu":
            # Costs as much in a batch as alone, and everybody in it would wait for all: equal to nothing.
            return object()
        return shape

    def _shape(self, job: Job) -> Shape:
        options = job.options
        language = options.language or self._default_language
        translate = options.translate and language != "en"
        verified = language in self._model.trimmed_for and not translate
        trimmed = verified and not job.full_context
        frames = trimmed_frames(job.samples.size) if trimmed else FULL_FRAMES
        if verified and job.full_context:
            frames = redo_frames(job.samples.size)
        return Shape(
            frames=frames,
            trimmed=trimmed,
            beam_size=self._beam_size if job.final else 1,
            prompt=self._prompt(options.prompt, options.keywords),
            language=language,
            translate=translate,
            final=job.final,
        )

    async def recognize(self, jobs: Sequence[Job]) -> Sequence[Outcome]:
        if self._closed:
            return [EngineError("engine_closed", "The service is ending.", retryable=True) for _ in jobs]
        loop = asyncio.get_running_loop()
        late = [job.deadline <= loop.time() for job in jobs]
        timely = [job for job, is_late in zip(jobs, late, strict=True) if not is_late]
        try:
            outcomes = await loop.run_in_executor(self._pool, self._recognize_all, timely) if timely else []
        except Exception as error:
            _log(error)
            # What CTranslate2 raises for want of memory is a RuntimeError; anything else fails again.
            failure = EngineError("engine_error", "The local model failed.", retryable=isinstance(error, RuntimeError))
            outcomes = [failure] * len(timely)
        answers = iter(outcomes)
        return [_timeout() if is_late else next(answers) for is_late in late]

    async def close(self) -> None:
        self._closed = True
        await asyncio.to_thread(self._pool.shutdown, wait=True, cancel_futures=True)

    def _recognize_all(self, jobs: Sequence[Job]) -> list[Outcome]:
        outcomes = [_without_model(job) for job in jobs]
        asked = [index for index, outcome in enumerate(outcomes) if outcome is None]
        if asked:
            batch = [jobs[index] for index in asked]
            answers = WhisperBatch(self._whisper, batch, self._shape(batch[0])).recognize()
            for index, answer in zip(asked, answers, strict=True):
                outcomes[index] = answer
        return [outcome for outcome in outcomes if outcome is not None]


def _without_model(job: Job) -> Outcome | None:
    """The outcome of a job that need not, or must not, reach the model."""
    samples = job.samples
    if samples.size > _MOST_SECONDS * SAMPLE_RATE:
        return EngineError("audio_too_long", f"The local model hears at most {_MOST_SECONDS} s at once.")
    if not np.isfinite(samples).all():
        return EngineError("engine_error", "The audio holds samples that are no numbers.")
    if samples.size < _LEAST_SAMPLES or is_silent(float(np.abs(samples).max())):
        return Recognition("", () if job.final else None, "aligned" if job.final else None)
    return None


def _log(error: Exception) -> None:
    # Without its message, which may hold what was said.
    place = traceback.extract_tb(error.__traceback__)[-1]
    logger.error(
        "local model failed", extra={"error": type(error).__name__, "place": f"{place.filename}:{place.lineno}"}
    )


def _timeout() -> EngineError:
    return EngineError("engine_timeout", "The engine did not answer in time.", retryable=True)


def _lacks(model: str, language: str) -> str:
    return f"the model {model} does not know the language {language}; {SETTING} chooses one that does, such as base"
