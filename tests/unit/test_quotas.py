"""What owners use, against what their keys allow."""

from datetime import UTC, datetime, timedelta

import pytest

from transcriber.api_keys import KeyLimits
from transcriber.quotas import BUSY_RETRY_SECONDS, Quotas, Tally

NOON = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)


class World:
    """Clocks, and what goes on."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.running: dict[str, int] = {}
        self.audio: dict[str, float] = {}
        self.elsewhere: dict[str, Tally] = {}
        self.looks = 0
        self.quotas = Quotas(
            lambda owner: {"one": self.audio[owner]} if owner in self.audio else {},
            lambda owner: frozenset(map(str, range(self.running.get(owner, 0)))),
            self,
            now=lambda: NOON + timedelta(seconds=self.seconds),
        )

    def of(self, owner: str) -> Tally:
        return self.elsewhere.get(owner, Tally())

    async def look(self) -> None:
        self.looks += 1

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


def test_a_clock_that_is_put_back_locks_nobody_out(world: World) -> None:
    limits = KeyLimits(sessions_per_minute=1)
    world.elsewhere["alice"] = Tally(begun=(NOON.timestamp() + 1,))
    world.quotas.began("alice")
    world.seconds = -3600.0
    assert world.refused(limits) is None


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


def test_what_other_processes_count_counts(world: World) -> None:
    world.running["alice"], world.audio["alice"] = 1, 30
    world.quotas.used("alice", 10)
    world.quotas.began("alice")
    now = NOON.timestamp()
    world.elsewhere["alice"] = Tally(20, {"other": 5}, frozenset({"other"}), (now - 59, now - 60))
    assert world.quotas.seconds_left("alice", KeyLimits(audio_seconds_per_day=100)) == 35
    assert world.refused(KeyLimits(sessions=3)) is None
    assert world.refused(KeyLimits(sessions=2)) == ("key_sessions_exceeded", BUSY_RETRY_SECONDS)
    assert world.refused(KeyLimits(sessions_per_minute=3)) is None
    assert world.refused(KeyLimits(sessions_per_minute=2)) == ("key_rate_exceeded", 1)
    assert world.refused(KeyLimits(audio_seconds_per_day=65)) == ("key_audio_exceeded", 12 * 3600)


def test_a_session_that_two_processes_know_counts_once(world: World) -> None:
    """One that a process before this one left: going on here, then over."""
    limits = KeyLimits(audio_seconds_per_day=100, sessions=1)
    world.elsewhere["alice"] = Tally(0, {"one": 20}, frozenset({"one"}))
    assert world.refused(limits) == ("key_sessions_exceeded", BUSY_RETRY_SECONDS)
    world.audio["alice"] = 30
    assert world.quotas.seconds_left("alice", limits) == 70
    del world.audio["alice"]
    world.quotas.used("alice", 40, adopted="one")
    assert world.quotas.seconds_left("alice", limits) == 60
    assert world.refused(limits) is None


def test_what_is_told_to_other_processes(world: World) -> None:
    assert world.quotas.tallies([]) == {}
    world.audio["alice"], world.running["alice"] = 30, 1
    world.quotas.used("bob", 10)
    world.quotas.used("bob", 5, adopted="two")
    world.quotas.began("alice")
    assert world.quotas.changes == 3
    assert world.quotas.tallies(["alice"]) == {
        "alice": Tally(0, {"one": 30}, frozenset({"0"}), (NOON.timestamp(),)),
        "bob": Tally(10, {"two": 5}),
    }
    world.seconds = 12 * 3600.0
    assert world.quotas.tallies([]) == {"alice": Tally(0, {"one": 30}, frozenset({"0"}))}
    assert world.quotas.changes == 4, "a new day is told at once"


@pytest.mark.parametrize(
    ("limits", "looks"),
    [
        (KeyLimits(session_seconds=1, languages=("en",)), 0),
        (KeyLimits(sessions=1), 1),
        (KeyLimits(sessions_per_minute=0), 1),
        (KeyLimits(audio_seconds_per_day=1), 1),
    ],
)
async def test_others_are_asked_only_where_it_can_matter(world: World, limits: KeyLimits, looks: int) -> None:
    await world.quotas.look_around(limits)
    assert world.looks == looks
