"""Languages by code and by name."""

import pytest

from transcriber.engines.languages import UNSPACED, WHISPER_LANGUAGES, code_of


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("english", "en"),
        ("German", "de"),
        ("fr", "fr"),
        (" Haitian Creole ", "ht"),
        ("YUE", "yue"),
        ("klingon", None),
        ("xx", None),
        ("", None),
    ],
)
def test_code_of(given: str, code: str | None) -> None:
    assert code_of(given) == code


def test_every_name_leads_to_its_code() -> None:
    assert {code_of(name) for name in WHISPER_LANGUAGES.values()} == set(WHISPER_LANGUAGES)
    assert len(WHISPER_LANGUAGES) == 100


def test_unspaced_languages_are_languages() -> None:
    assert set(WHISPER_LANGUAGES) > UNSPACED
