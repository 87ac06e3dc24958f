"""Ids that say when they were made."""

from datetime import UTC, datetime

import pytest

from transcriber.session_ids import made_at, new_session_id


def test_session_ids_are_uuids_of_version_7_in_the_order_of_time() -> None:
    ids = [new_session_id() for _ in range(5000)]
    assert {(made.version, made.variant) for made in ids} == {(7, "specified in RFC 4122")}
    assert len(set(ids)) == 5000
    assert ids == sorted(ids)


def test_an_id_says_when_it_was_made() -> None:
    when = made_at(str(new_session_id()))
    assert when is not None
    assert abs((datetime.now(UTC) - datetime.fromisoformat(when)).total_seconds()) < 60
    assert made_at("0190a8a0-1234-7000-8000-000000000000") == "2024-07-12T20:26:21.108+00:00"


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "..", "0190a8a0123470008000000000000000", "0190A8A0-1234-7000-8000-000000000000"),
        *("{0190a8a0-1234-7000-8000-000000000000}", "urn:uuid:0190a8a0-1234-7000-8000-000000000000"),
        *("0190a8a0-1234-4000-8000-000000000000", "0190a8a0-1234-7000-0000-000000000000"),
        *("ffffffff-ffff-7000-8000-000000000000", "0190a8a0-1234-7000-8000-000000000000\n"),
    ],
)
def test_what_is_no_id(text: str) -> None:
    assert made_at(text) is None
