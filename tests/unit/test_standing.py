"""Where a session stands in time, with an intake and a spool that are only figures."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from transcriber.engines.queue import Priority
from transcriber.standing import Standing


def standing(*, received: int, read: int, decoded: int, recovering: bool = False) -> Standing:
    """Bytes received and read; samples decoded of those, all judged."""
    intake: Any = SimpleNamespace(position_bytes=read, samples=SimpleNamespace(end=decoded), judged=decoded)
    spool: Any = SimpleNamespace(received_bytes=received)
    return Standing(intake, spool, recovering=recovering)


SECOND = 32_000  # bytes of 16 bit at 16 kHz


@pytest.mark.parametrize(
    ("received", "read", "priority"),
    [
        (SECOND, SECOND, Priority.LIVE_FINAL),
        (5 * SECOND, SECOND, Priority.LIVE_FINAL),
        (7 * SECOND, SECOND, Priority.BACKLOG),
        (6 * SECOND, 6 * SECOND, Priority.BACKLOG),
    ],
    ids=["even", "a little behind", "too far behind", "too far ahead of the clock"],
)
async def test_who_is_far_behind_or_ahead_is_backlog(received: int, read: int, priority: Priority) -> None:
    assert standing(received=received, read=read, decoded=read // 2).priority(final=True) is priority


async def test_partials_are_live_after_finals() -> None:
    assert standing(received=SECOND, read=SECOND, decoded=16_000).priority(final=False) is Priority.LIVE_PARTIAL


async def test_what_another_process_received_is_recovered_first() -> None:
    place = standing(received=9 * SECOND, read=8 * SECOND, decoded=8 * 16_000, recovering=True)
    assert place.catching_up
    assert place.priority(final=True) is Priority.RECOVERY
    assert place.arrived_at(0) is None


async def test_what_was_recovered_does_not_count_as_ahead_of_the_clock() -> None:
    intake: Any = SimpleNamespace(position_bytes=SECOND, samples=SimpleNamespace(end=60 * 16_000), judged=60 * 16_000)
    spool: Any = SimpleNamespace(received_bytes=60 * SECOND)
    place = Standing(intake, spool, recovering=True)
    intake.position_bytes = 60 * SECOND
    place.heard()
    intake.position_bytes += SECOND
    assert not place.catching_up
    assert place.priority(final=True) is Priority.LIVE_FINAL


async def test_a_sample_arrived_as_long_ago_as_what_came_after_it_is_long() -> None:
    place = standing(received=SECOND, read=SECOND, decoded=16_000)
    await asyncio.sleep(0)
    now = asyncio.get_running_loop().time()
    arrived = place.arrived_at(8_000)
    assert arrived is not None
    assert now - arrived == pytest.approx(0.5, abs=0.05)
    on_the_wall = place.heard_at(8_000)
    assert on_the_wall is not None
    moment = datetime.fromisoformat(on_the_wall)
    assert moment.utcoffset() == timedelta(0)
    assert (datetime.now(UTC) - moment).total_seconds() == pytest.approx(0.5, abs=0.05)


async def test_nobody_waits_for_what_was_sent_faster_than_it_was_spoken() -> None:
    place = standing(received=3 * SECOND, read=SECOND, decoded=16_000)
    assert place.arrived_at(8_000) is None
    assert place.heard_at(8_000) is None


async def test_progress_is_counted_where_the_decoder_is_and_not_where_the_stream_ends() -> None:
    samples = SimpleNamespace(end=40 * 16_000)
    intake: Any = SimpleNamespace(position_bytes=100, decoding_bytes=40, samples=samples, judged=40 * 16_000)
    spool: Any = SimpleNamespace(received_bytes=100)
    place = Standing(intake, spool, recovering=False, patient=True)
    assert place.progress(None) == (40.0, 0.4)
    assert place.progress(10 * 16_000) == (10.0, 0.1)
