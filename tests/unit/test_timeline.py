"""Where a container's times say that audio is missing, and where they only seem to."""

import pytest

from transcriber.audio.timeline import Timeline

LEAST = 0.1


def gaps(*times: float) -> list[float]:
    """What is found missing before blocks of a second at these times."""
    line, found = Timeline(), list[float]()
    for time in times:
        found.append(round(line.gap(time, LEAST), 6))
        line.passed(1.0)
    return found


def test_times_may_begin_anywhere() -> None:
    assert gaps(1000.0, 1001.0, 1002.0) == [0, 0, 0]
    assert gaps(-0.5, 0.5) == [0, 0]


def test_what_is_missing_is_missing_once() -> None:
    assert gaps(0.0, 1.0, 4.5, 5.5, 6.5, 8.0) == [0, 0, 2.5, 0, 0, 0.5]


def test_rounded_times_are_no_gap() -> None:
    assert gaps(0.0, 1.001, 1.999, 3.05) == [0, 0, 0, 0]


def test_a_clock_that_is_fast_is_no_gap() -> None:
    assert gaps(*(second * 1.001 for second in range(1_000))) == [0] * 1_000


def test_times_that_jump_and_come_back_leave_one_gap() -> None:
    assert gaps(0.0, 3.0, 2.0, 5.0, 4.0) == [0, 2, 0, 0, 0]


@pytest.mark.parametrize("jump", [601.0, 1e9])
def test_a_jump_that_is_not_believed_is_told_and_forgotten(jump: float) -> None:
    assert gaps(0.0, 1.0, 2.0 + jump, 3.0 + jump, 4.5 + jump) == [0, 0, jump, 0, 0.5]
    assert gaps(0.0, 1.0, 2.0 + jump, 3.0, 4.0) == [0, 0, jump, 0, 0]
