"""A pace that is kept over time and allows for bursts."""

from hypothesis import given
from hypothesis import strategies as st

from transcriber.pace import Pace


def test_a_second_s_worth_at_once_and_then_one_at_a_time() -> None:
    pace = Pace(10)
    assert [pace.step(100.0) for _ in range(10)] == [0.0] * 10
    assert [round(pace.step(100.0), 6) for _ in range(2)] == [0.1, 0.2]


def test_waiting_makes_room_but_never_for_more_than_a_second_s_worth() -> None:
    pace = Pace(10)
    for _ in range(10):
        pace.step(0.0)
    assert pace.step(0.05) > 0
    assert [pace.step(1000.0) for _ in range(10)] == [0.0] * 10
    assert pace.step(1000.0) > 0


@given(st.lists(st.floats(0, 0.5), max_size=200), st.integers(1, 50))
def test_whoever_waits_as_told_keeps_the_pace(pauses: list[float], per_second: int) -> None:
    pace, now = Pace(per_second), 0.0
    for count, pause in enumerate(pauses, start=1):
        now += pause
        now += pace.step(now)
        assert count <= per_second * (now + 1) + 1e-6
