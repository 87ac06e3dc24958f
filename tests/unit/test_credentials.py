"""Credentials in the places that all protocols share."""

import pytest

from transcriber.wire.credentials import in_headers, one_of
from transcriber.wire.protocol import Credential


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({}, None),
        ({"authorization": ""}, None),
        ({"authorization": "Bearer abc"}, "abc"),
        ({"authorization": "token  abc "}, "abc"),
        ({"x-api-key": " abc "}, "abc"),
        ({"authorization": "Bearer abc", "x-api-key": "abc"}, "abc"),
        ({"authorization": "Bearer abc", "x-api-key": "abd"}, ""),
        ({"authorization": "Basic abc"}, ""),
        ({"authorization": "Bearer"}, ""),
        ({"authorization": "abc"}, ""),
        ({"authorization": "Bearer a, Bearer b"}, "a, Bearer b"),
    ],
)
def test_what_headers_show(headers: dict[str, str], text: str | None) -> None:
    found = in_headers(headers)
    assert (found.text if found else None) == text
    assert found is None or not found.in_url


def test_the_same_in_several_places_is_one_and_counts_where_it_is_hidden_best() -> None:
    assert one_of([]) is None
    assert one_of([Credential("a", in_url=True), Credential("a")]) == Credential("a")
    assert one_of([Credential("a", in_url=True)]) == Credential("a", in_url=True)
    assert one_of([Credential("a"), Credential("b")]) == Credential("")
