"""Stretches that are missing: believed within limits, told as one, and not too often."""

from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.events import Damaged
from transcriber.losses import Losses


def test_a_stretch_has_its_length_if_that_is_known() -> None:
    losses = Losses()
    assert losses.lose(1600, None) == 0
    assert losses.over() == Damaged(1600)
    assert losses.over() is None
    assert losses.lose(32_000, 0.5) == 8000
    assert losses.over() == Damaged(32_000, 40_000)


def test_stretches_with_no_audio_between_are_one() -> None:
    losses = Losses()
    assert losses.lose(16_000, None) == 0
    assert losses.lose(16_000, 0.25) == 4000
    assert losses.lose(20_000, 0.25) == 4000
    assert losses.over() == Damaged(16_000, 24_000)


def test_what_is_short_or_of_unknown_length_is_told_once_a_second() -> None:
    losses = Losses()
    told: list[Damaged] = []
    for at, seconds in ((16_000, 0.05), (20_000, None), (30_000, 0.05), (33_000, None), (34_000, 0.2), (38_000, 0.1)):
        losses.lose(at, seconds)
        told += [damaged] if (damaged := losses.over()) else []
    assert [damaged.at for damaged in told] == [16_000, 33_000, 34_000, 38_000]


def test_hours_are_not_believed() -> None:
    losses = Losses()
    assert losses.lose(16_000, 7200.0) == 0
    assert losses.over() == Damaged(16_000, None, 7200.0)


def test_in_all_silence_is_ten_minutes_longer_than_audio_at_most() -> None:
    losses, position = Losses(), 10 * SAMPLE_RATE
    filled = 0
    for _ in range(20):
        fill = losses.lose(position, 300.0)
        filled += fill
        position += fill + SAMPLE_RATE
    assert filled == 600 * SAMPLE_RATE
    disbelieved = losses.over()
    assert disbelieved is not None
    assert disbelieved.disbelieved_seconds == 300.0


def test_before_any_audio_nothing_is_filled() -> None:
    losses = Losses()
    assert losses.lose(0, 1.0) == 0
