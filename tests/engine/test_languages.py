"""Languages, their detection, and translation, with Whisper base."""

import re

import pytest

from tests.engine.asking import job_of, passage, recognize
from tests.engine.espeak import say
from transcriber.engines.local_whisper import LocalWhisper
from transcriber.events import Options

SPOKEN = {
    "de": ("Guten Morgen. Ich möchte heute mit dem Zug nach München fahren.", {"morgen", "möchte", "zug", "münchen"}),
    "fr": ("Bonjour, je voudrais acheter deux billets pour Paris.", {"bonjour", "voudrais", "acheter", "paris"}),
    "en": ("Good morning. Today I would like to take the train to London.", {"morning", "would", "train", "london"}),
}


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def test_base_knows_many_languages_but_none_without_a_token(base: LocalWhisper) -> None:
    languages = base.capabilities.languages
    assert languages is not None
    assert len(languages) == 99
    assert {"en", "de", "zh"} <= languages
    assert "yue" not in languages
    assert base.capabilities.translates


def test_base_is_trimmed_for_english_only(base: LocalWhisper) -> None:
    assert base.description.details["context"] == "trimmed for en"
    refused = base.refusal(Options(language="yue"))
    assert refused is not None
    assert refused.code == "unsupported_language"


@pytest.mark.parametrize("language", SPOKEN)
async def test_a_language_is_detected_and_written(base: LocalWhisper, language: str) -> None:
    text, expected = SPOKEN[language]
    heard = await recognize(base, job_of(say(text, language)))
    assert heard.language == language
    assert len(expected & set(words(heard.text))) >= len(expected) - 1


@pytest.mark.parametrize("language", SPOKEN)
async def test_a_partial_knows_its_language_too(base: LocalWhisper, language: str) -> None:
    heard = await recognize(base, job_of(say(SPOKEN[language][0], language), final=False))
    assert heard.language == language
    assert heard.text


async def test_read_english_is_detected(base: LocalWhisper) -> None:
    heard = await recognize(base, job_of(passage(1)))
    assert heard.language == "en"
    assert words(heard.text) == ["in", "being", "comparatively", "modern"]


async def test_languages_in_one_batch_are_each_their_own(base: LocalWhisper) -> None:
    spoken = [say(text, language) for language, (text, _) in SPOKEN.items()]
    together = await base.recognize([job_of(samples) for samples in spoken])
    alone = [await recognize(base, job_of(samples)) for samples in spoken]
    assert list(together) == alone
    assert [outcome.language for outcome in alone] == list(SPOKEN)


async def test_a_language_that_is_given_is_not_questioned(base: LocalWhisper) -> None:
    heard = await recognize(base, job_of(passage(3), language="de"))
    assert heard.language == "de"


async def test_translation_answers_in_english(base: LocalWhisper) -> None:
    text, german = SPOKEN["de"]
    heard = await recognize(base, job_of(say(text, "de"), translate=True))
    assert heard.language == "de"
    assert {"good", "morning"} <= set(words(heard.text))
    assert not german & set(words(heard.text))
    assert heard.words


async def test_translation_of_english_is_english(base: LocalWhisper) -> None:
    given = await recognize(base, job_of(passage(3), language="en", translate=True))
    plain = await recognize(base, job_of(passage(3), language="en"))
    assert given == plain


async def test_the_english_model_refuses_what_base_does(tiny: LocalWhisper, base: LocalWhisper) -> None:
    options = Options(language="de")
    assert base.refusal(options) is None
    refused = tiny.refusal(options)
    assert refused is not None
    assert "LOCAL_MODEL" in refused.message
