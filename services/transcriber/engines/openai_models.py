"""What each of OpenAI's transcription models takes and refuses; other names are models of compatible servers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from transcriber.engines.languages import WHISPER_LANGUAGES
from transcriber.events import Error, Options

SETTING = "OPENAI_MODEL"

Fields = Mapping[str, object]
"""Form fields of a request by name; lists are sent as `name[]`, once per item."""

_JSON: Fields = {"response_format": "json"}
_SCORED: Fields = {"response_format": "json", "include": ["logprobs"]}
_SEGMENTS: Fields = {"response_format": "verbose_json"}
_WORDS: Fields = {"response_format": "verbose_json", "timestamp_granularities": ["word", "segment"]}


@dataclass(frozen=True, slots=True)
class Family:
    """Models that take the same fields."""

    formats: tuple[Fields, ...]
    """How to ask for an answer, the most telling first: servers differ in what they know of it."""
    hints: bool = False
    """Takes `keywords` and `languages`, and not `language`."""
    prompt: bool = True
    languages: frozenset[str] | None = frozenset(WHISPER_LANGUAGES)
    translates: bool = False


_FAMILIES: dict[str, Family] = {
    "gpt-transcribe": Family((_JSON,), hints=True),
    "gpt-4o-transcribe": Family((_SCORED, _JSON)),
    "gpt-4o-mini-transcribe": Family((_SCORED, _JSON)),
    "gpt-4o-transcribe-diarize": Family((_JSON,), prompt=False),
    "whisper-1": Family((_WORDS, _SEGMENTS, _JSON), translates=True),
}
"""By the name that a model's snapshots begin with."""

_ANY = Family((_WORDS, _SEGMENTS, _JSON), languages=None, translates=True)

_TRANSLATION_FORMATS = (_SEGMENTS, _JSON)


def family_of(model: str) -> Family:
    """What is known of `model`, by the longest name that it begins with."""
    names = [name for name in _FAMILIES if model == name or model.startswith(f"{name}-")]
    return _FAMILIES[max(names, key=len)] if names else _ANY


def refusal(model: str, options: Options) -> Error | None:
    """Why `model` can't serve these options, or None."""
    family = family_of(model)
    if options.translate and not family.translates:
        message = f"the model {model} can't translate; {SETTING} chooses one that can, such as whisper-1"
        return Error("unsupported_task", message, field="translate")
    if options.language is not None and family.languages is not None and options.language not in family.languages:
        message = f"the model {model} knows no language {options.language!r}; {SETTING} chooses the model"
        return Error("unsupported_language", message, field="language")
    return None


def formats(model: str, options: Options) -> Sequence[Fields]:
    """The fields that ask for an answer, in the order in which to try them."""
    return _TRANSLATION_FORMATS if options.translate else family_of(model).formats


def fields(model: str, options: Options) -> Fields:
    """The fields of a request but those of `formats` and the file."""
    family = family_of(model)
    chosen: dict[str, object] = {"model": model}
    prompt = [options.prompt] if options.prompt else []
    if options.keywords and family.hints:
        chosen["keywords"] = [_sendable(keyword) for keyword in options.keywords]
    elif options.keywords:
        # Whisper reads the end of a prompt that is too long.
        prompt.append(", ".join(options.keywords))
    if prompt and family.prompt:
        chosen["prompt"] = _sendable(" ".join(prompt))
    if options.language is not None and not options.translate:
        language = _sendable(options.language)
        chosen |= {"languages": [language]} if family.hints else {"language": language}
    return chosen


def _sendable(text: str) -> str:
    """Without the lone surrogates that JSON may hold and UTF-8 may not."""
    return text.encode("utf-8", "replace").decode()
