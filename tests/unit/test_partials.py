"""When a partial is due."""

from transcriber.engines.partials import PartialPolicy

SECOND = 16_000


def test_the_first_comes_after_half_a_second_of_speech() -> None:
    policy = PartialPolicy(paid=False)
    assert not policy.due(voiced=7_999, start=0, end=SECOND)
    assert policy.due(voiced=8_000, start=0, end=SECOND)


def test_the_next_come_every_second_of_audio() -> None:
    policy = PartialPolicy(paid=False)
    policy.sent(start=0, end=SECOND)
    assert not policy.due(voiced=SECOND, start=0, end=2 * SECOND - 1)
    assert policy.due(voiced=SECOND, start=0, end=2 * SECOND)


def test_a_paid_engine_gets_at_most_twice_the_utterance() -> None:
    policy = PartialPolicy(paid=True)
    assert policy.due(voiced=SECOND, start=0, end=SECOND)
    policy.sent(start=0, end=SECOND)
    assert not policy.due(voiced=10 * SECOND, start=0, end=10 * SECOND)
