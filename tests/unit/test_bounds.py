"""Options within what a credential allows."""

import pytest

from transcriber.bounds import Bounds, least
from transcriber.events import Error, Options, Record


def test_without_bounds_options_stay_as_they_are() -> None:
    options = Options(language="de", model="any", record="audio+text")
    assert Bounds().applied(options, "default") == options


@pytest.mark.parametrize(
    ("asked", "code", "field"),
    [
        (Options(model="other"), "model_not_allowed", "model"),
        (Options(language="fr"), "language_not_allowed", "language"),
    ],
)
def test_what_is_not_allowed_is_refused_with_what_is(asked: Options, code: str, field: str) -> None:
    error = Bounds(models=("one", "two"), languages=("de", "en")).applied(asked, "one")
    assert isinstance(error, Error)
    assert (error.code, error.field) == (code, field)
    assert "one, two" in error.message or "de, en" in error.message


@pytest.mark.parametrize(("default", "model"), [("two", None), ("three", "one")])
def test_what_is_left_open_is_chosen_from_what_is_allowed(default: str, model: str | None) -> None:
    applied = Bounds(models=("one", "two"), languages=("de", "en")).applied(Options(), default)
    assert isinstance(applied, Options)
    assert (applied.model, applied.language) == (model, "de")


@pytest.mark.parametrize(
    ("asked", "most", "kept"),
    [
        ("audio+text", "text", "text"),
        ("text", "audio+text", "text"),
        ("none", "audio+text", "none"),
        ("audio+text", "none", "none"),
    ],
)
def test_no_more_is_recorded_than_is_asked_for_and_allowed(asked: Record, most: Record, kept: Record) -> None:
    applied = Bounds(record=most).applied(Options(record=asked), "default")
    assert isinstance(applied, Options)
    assert applied.record == kept == least(asked, most) == least(most, asked)
