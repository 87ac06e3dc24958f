"""From samples back to messages."""

from hypothesis import given
from hypothesis import strategies as st

from transcriber.chunks import Chunks
from transcriber.cursors import Messages

NONE = Messages(0, 0, 0)


def test_ranges_count_messages_of_equal_size() -> None:
    chunks = Chunks()
    chunks.add(Messages(0, 100, 10))
    chunks.decoded(1000, 500)  # two bytes a sample
    assert chunks.range_to(200, NONE) == (1, 4)
    assert chunks.range_to(225, NONE) == (5, 5)
    assert chunks.range_to(500, NONE) == (5, 10)


def test_a_message_with_two_texts_is_in_both_ranges() -> None:
    chunks = Chunks()
    chunks.add(Messages(0, 1000, 1))
    chunks.decoded(1000, 500)
    assert [chunks.range_to(100, NONE), chunks.range_to(400, NONE)] == [(1, 1), (1, 1)]


def test_the_run_that_still_grows_counts() -> None:
    chunks = Chunks()
    chunks.add(Messages(0, 100, 2))
    chunks.decoded(400, 200)
    assert chunks.range_to(200, Messages(200, 50, 4)) == (1, 6)


def test_nothing_received_has_no_range() -> None:
    assert Chunks().range_to(0, NONE) is None


def test_bytes_and_samples_need_not_be_proportional() -> None:
    chunks = Chunks()
    chunks.add(Messages(0, 10, 100))
    chunks.decoded(44, 0)  # a header
    chunks.decoded(100, 1000)
    chunks.decoded(200, 4000)
    assert chunks.range_to(1000, NONE) == (1, 10)
    assert chunks.range_to(2500, NONE) == (11, 15)


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(1, 5)), min_size=1, max_size=20),
    st.lists(st.integers(0, 40), max_size=20),
)
def test_ranges_go_from_message_to_message_and_forgetting_changes_none(
    runs: list[tuple[int, int]], ends: list[int]
) -> None:
    remembering, forgetting, position, message_ends = Chunks(), Chunks(), 0, list[int]()
    for size, count in runs:
        for chunks in (remembering, forgetting):
            chunks.add(Messages(position, size, count))
        message_ends += [position + size * (index + 1) for index in range(count)]
        position += size * count
        for chunks in (remembering, forgetting):
            chunks.decoded(position, position)
    sample, told = 0, 0
    for step in ends:
        sample = min(sample + step, position)
        forgetting.forget(sample)
        found = remembering.range_to(sample, NONE)
        assert forgetting.range_to(sample, NONE) == found
        assert found is not None
        first, last = found
        assert first == 1 + sum(end <= told for end in message_ends) or told >= position
        assert first <= last <= len(message_ends)
        told = max(told + 1, sample)


def test_what_more_comes_of_the_same_bytes_is_spread_over_them() -> None:
    chunks = Chunks()
    chunks.add(Messages(0, 100, 20))
    chunks.decoded(1000, 500)
    chunks.decoded(2000, 600)
    assert chunks.range_to(600, NONE) == (1, 20)
    chunks.decoded(2000, 1000)
    assert chunks.range_to(1000, NONE) == (20, 20)
    spread = Chunks()
    spread.add(Messages(0, 100, 20))
    for samples in (300, 600, 1000):
        spread.decoded(2000, samples)
    assert spread.range_to(500, NONE) == (1, 10)
