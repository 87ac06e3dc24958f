"""What is asked of each model."""

import pytest

from transcriber.engines.openai_models import SETTING, family_of, fields, formats, refusal
from transcriber.events import Options

EVERYTHING = Options(language="de", prompt="A lecture.", keywords=("Quart", "Hypercorn"))
JOINED = "A lecture. Quart, Hypercorn"


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-transcribe", {"prompt": "A lecture.", "keywords": ["Quart", "Hypercorn"], "languages": ["de"]}),
        ("gpt-4o-transcribe", {"prompt": JOINED, "language": "de"}),
        ("gpt-4o-mini-transcribe-2025-12-15", {"prompt": JOINED, "language": "de"}),
        ("gpt-4o-transcribe-diarize", {"language": "de"}),
        ("whisper-1", {"prompt": JOINED, "language": "de"}),
        ("Systran/faster-whisper-large-v3", {"prompt": JOINED, "language": "de"}),
    ],
)
def test_every_family_gets_its_own_fields(model: str, expected: dict[str, object]) -> None:
    assert fields(model, EVERYTHING) == {"model": model, **expected}


@pytest.mark.parametrize("model", ["gpt-transcribe", "whisper-1", "other"])
def test_what_is_not_asked_is_not_sent(model: str) -> None:
    assert fields(model, Options()) == {"model": model}


def test_keywords_alone_are_a_prompt() -> None:
    assert fields("whisper-1", Options(keywords=("Quart",)))["prompt"] == "Quart"


def test_a_translation_names_no_language() -> None:
    assert fields("whisper-1", Options(language="de", translate=True)) == {"model": "whisper-1"}


def test_what_utf8_can_not_hold_is_replaced() -> None:
    lone = Options(prompt="a\ud800", keywords=("b\udfff",), language="\ud800")
    assert fields("gpt-transcribe", lone) == {
        "model": "gpt-transcribe",
        "prompt": "a?",
        "keywords": ["b?"],
        "languages": ["?"],
    }


@pytest.mark.parametrize(
    ("model", "first", "count"),
    [
        ("gpt-transcribe", {"response_format": "json"}, 1),
        ("gpt-4o-transcribe", {"response_format": "json", "include": ["logprobs"]}, 2),
        ("gpt-4o-transcribe-diarize", {"response_format": "json"}, 1),
        ("whisper-1", {"response_format": "verbose_json", "timestamp_granularities": ["word", "segment"]}, 3),
        ("other", {"response_format": "verbose_json", "timestamp_granularities": ["word", "segment"]}, 3),
    ],
)
def test_formats_begin_with_the_most_telling(model: str, first: dict[str, object], count: int) -> None:
    offered = formats(model, Options())
    assert offered[0] == first
    assert offered[-1] == {"response_format": "json"}
    assert len(offered) == count


def test_translations_have_no_word_times() -> None:
    offered = formats("whisper-1", Options(translate=True))
    assert [fields["response_format"] for fields in offered] == ["verbose_json", "json"]
    assert all("timestamp_granularities" not in fields for fields in offered)


def test_a_name_that_only_looks_alike_is_another_model() -> None:
    assert family_of("gpt-4o-transcribes") == family_of("other")
    assert family_of("gpt-transcribe-2026-08-26") == family_of("gpt-transcribe")


@pytest.mark.parametrize(
    ("model", "options", "code", "field"),
    [
        ("gpt-transcribe", Options(translate=True), "unsupported_task", "translate"),
        ("gpt-4o-transcribe", Options(translate=True), "unsupported_task", "translate"),
        ("gpt-transcribe", Options(language="xx"), "unsupported_language", "language"),
        ("whisper-1", Options(language="xx"), "unsupported_language", "language"),
    ],
)
def test_refusals_name_field_and_setting(model: str, options: Options, code: str, field: str) -> None:
    refused = refusal(model, options)
    assert refused is not None
    assert (refused.code, refused.field, refused.close_code) == (code, field, None)
    assert SETTING in refused.message


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("gpt-transcribe", Options(language="de")),
        ("whisper-1", Options(language="de", translate=True)),
        ("other", Options(language="xx", translate=True)),
    ],
)
def test_what_a_model_can_is_not_refused(model: str, options: Options) -> None:
    assert refusal(model, options) is None
