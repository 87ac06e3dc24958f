"""What events and options say of themselves."""

import pytest

from transcriber.events import Options, Record, Status


@pytest.mark.parametrize(
    ("asked", "most", "kept"),
    [
        ("audio+text", "text", "text"),
        ("audio+text", "none", "none"),
        ("text", "audio+text", "text"),
        ("none", "audio+text", "none"),
        ("text", "text", "text"),
    ],
)
def test_a_client_may_ask_for_less_than_the_service_keeps(asked: Record, most: Record, kept: Record) -> None:
    assert Options(record=asked, language="de").within(most) == Options(record=kept, language="de")


def test_a_token_is_shown_to_those_who_asked_to_resume() -> None:
    for resume in (True, False):
        status = Status("id", "2026-11-20T09:41:07Z", "e", "m", Options(resume=resume), 60, "1", resume_token="token")
        assert status.shown.resume_token == ("token" if resume else None)
