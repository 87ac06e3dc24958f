import pytest

from transcriber.client import ConnectionFailed, ConnectionLost, Refused, SessionFailed, SessionOver, TranscriberError

ERRORS: list[TranscriberError] = [
    ConnectionFailed("some_code", "Do this.", "field"),
    Refused(403, "some_code", "Do this.", "field"),
    SessionFailed("some_code", "Do this.", "field", 1003),
    SessionOver("some_code", "Do this.", "field"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_each_says_what_and_where(error: TranscriberError) -> None:
    assert (error.code, error.message, error.field) == ("some_code", "Do this.", "field")
    assert str(error) == "some_code: Do this."


def test_what_only_some_know() -> None:
    assert Refused(403, "a", "b").status == 403
    assert SessionFailed("a", "b", close_code=1003).close_code == 1003
    assert ConnectionLost("a", "b", 1006).close_code == 1006
