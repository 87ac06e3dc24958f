"""What owners use, against what their keys allow."""

from datetime import UTC, datetime, timedelta

import pytest

from transcriber.api_keys import KeyLimits
from transcriber.quotas import BUSY_RETRY_SECONDS, Quotas

NOON = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)


class World:
    """Clocks, and what goes on."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.running: dict[str, int] = {}
        self.audio: dict[str, float] = {}
        self.quotas = Quotas(
            lambda owner: self.running.get(owner, 0),
            lambda owner: self.audio.get(owner, 0),
            clock=lambda: self.seconds,
            now=lambda: NOON + timedelta(seconds=self.seconds),
        )

    def refused(self, limits: KeyLimits, owner: str = "alice") -> tuple[str, int] | None:
        refusal = self.quotas.refusal(owner, limits)
        return (refusal[0].code, refusal[1]) if refusal else None


@pytest.fixture
def world() -> World:
    return World()


def test_without_limits_nothing_is_refused(world: World) -> None:
    world.running["alice"], world.audio["alice"] = 1000, 1e9
    for _ in range(100):
        world.quotas.began("alice")
    assert world.refused(KeyLimits()) is None
    assert world.quotas.seconds_left("alice", KeyLimits()) is None


def test_sessions_at_once(world: World) -> None:
    limits = KeyLimits(sessions=2)
    world.running["alice"] = 1
    assert world.refused(limits) is None
    world.running["alice"] = 2
    assert world.refused(limits) == ("key_sessions_exceeded", BUSY_RETRY_SECONDS)
    assert world.refused(limits, "bob") is None
    assert world.refused(KeyLimits(sessions=0), "bob") == ("key_sessions_exceeded", BUSY_RETRY_SECONDS)


def test_sessions_per_minute_and_when_the_next_may_begin(world: World) -> None:
    limits = KeyLimits(sessions_per_minute=2)
    for moment in (0.0, 10.0):
        world.seconds = moment
        assert world.refused(limits) is None
        world.quotas.began("alice")
    world.seconds = 20.5
    assert world.refused(limits) == ("key_rate_exceeded", 40)
    assert world.refused(limits, "bob") is None
    world.seconds = 60.0
    assert world.refused(limits) is None
    world.quotas.began("alice")
    assert world.refused(limits) == ("key_rate_exceeded", 10)
    assert world.refused(KeyLimits(sessions_per_minute=0)) == ("key_rate_exceeded", 60)


def test_audio_of_a_day_and_when_the_next_begins(world: World) -> None:
    limits = KeyLimits(audio_seconds_per_day=100)
    world.quotas.used("alice", 60)
    world.audio["alice"] = 30
    assert world.quotas.seconds_left("alice", limits) == 10
    assert world.refused(limits) is None
    world.audio["alice"] = 40
    assert world.refused(limits) == ("key_audio_exceeded", 12 * 3600)
    assert world.refused(limits, "bob") is None
    world.seconds = 12 * 3600.0
    assert world.quotas.seconds_left("alice", limits) == 60
