"""The endpointer on probabilities alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.audio.pcm import FRAME_SAMPLES, SAMPLE_RATE, frames_of_ms
from transcriber.vad.endpointer import Began, Boundary, Endpointer, Endpointing, Finished

LOUD = -20.0


def frames(*stretches: tuple[float, float], level: float = LOUD) -> list[tuple[float, float]]:
    """(probability, milliseconds) each."""
    return [(probability, level) for probability, ms in stretches for _ in range(frames_of_ms(ms))]


def feed(judged: list[tuple[float, float]], **settings: float) -> list[Boundary]:
    return Endpointer(Endpointing(**settings)).feed(0, judged)  # type: ignore[arg-type]


def finished(boundaries: list[Boundary]) -> list[Finished]:
    return [boundary for boundary in boundaries if isinstance(boundary, Finished)]


def test_speech_between_silences_is_one_utterance_with_its_bounds() -> None:
    boundaries = feed(frames((0, 320), (1, 960), (0, 960)))
    start, end = 10 * FRAME_SAMPLES, 40 * FRAME_SAMPLES
    assert boundaries == [
        Began(start, 0),
        Finished(start, end, 0, end + 19 * FRAME_SAMPLES, "silence", True, ((start, end),)),
    ]


def test_nothing_but_silence_gives_nothing() -> None:
    assert feed(frames((0.1, 5000))) == []


@pytest.mark.parametrize(("ms", "begins"), [(32, False), (64, False), (96, True)])
def test_speech_begins_after_the_minimum(ms: int, begins: bool) -> None:
    assert bool(feed(frames((0, 96), (1, ms), (0, 960)))) is begins


def test_a_minimum_of_one_frame_begins_at_once() -> None:
    (began, *_) = feed(frames((0, 96), (1, 32)), minimum_speech_ms=32)
    assert began == Began(3 * FRAME_SAMPLES, 0)


def test_a_frame_cut_by_the_floor_counts_as_a_frame_of_the_minimum() -> None:
    endpointer = Endpointer(Endpointing())
    endpointer.clear(FRAME_SAMPLES - 1)
    assert endpointer.feed(0, frames((1, 96))) == [Began(FRAME_SAMPLES - 1, FRAME_SAMPLES - 1)]


def test_what_equals_a_threshold_has_reached_it() -> None:
    assert feed(frames((0.5, 96)), speech_threshold=0.5)
    assert feed(frames((0.49, 96)), speech_threshold=0.5) == []
    assert feed(frames((1, 96), level=-65), floor_dbfs=-65)


def test_a_short_gap_at_the_start_does_not_restart_it() -> None:
    (began, *_) = feed(frames((0, 96), (1, 64), (0, 96), (1, 64), (0, 960)))
    assert began == Began(3 * FRAME_SAMPLES, 0)


def test_a_long_gap_makes_the_first_sound_a_click() -> None:
    (began, *_) = feed(frames((0, 96), (1, 64), (0, 128), (1, 96), (0, 960)))
    assert began == Began(9 * FRAME_SAMPLES, 0)


def test_speech_goes_on_at_a_lower_probability_than_it_begins_with() -> None:
    assert feed(frames((0.4, 3000))) == []
    (utterance,) = finished(feed(frames((1, 96), (0.4, 640), (0.3, 960))))
    assert utterance.end == 23 * FRAME_SAMPLES


def test_a_pause_shorter_than_the_endpoint_stays_inside() -> None:
    (utterance,) = finished(feed(frames((1, 320), (0, 576), (1, 320), (0, 608))))
    assert utterance.end == 38 * FRAME_SAMPLES
    assert utterance.voiced == ((0, 10 * FRAME_SAMPLES), (28 * FRAME_SAMPLES, 38 * FRAME_SAMPLES))


def test_the_endpointing_time_is_a_setting() -> None:
    assert len(finished(feed(frames((1, 320), (0, 320), (1, 320), (0, 320)), endpointing_ms=300))) == 2


def test_digital_silence_is_no_speech_but_a_quiet_speaker_is() -> None:
    assert feed(frames((1, 960), (0, 960), level=-66)) == []
    assert len(finished(feed(frames((1, 960), (0, 960), level=-64)))) == 1


def test_the_pause_between_utterances_is_free_for_the_context_of_both() -> None:
    first, second = finished(feed(frames((1, 320), (0, 640), (1, 320), (0, 640))))
    assert second.floor == first.end
    assert first.ceiling > first.end


def test_a_long_utterance_is_split_in_its_first_dip_after_eight_seconds() -> None:
    judged = frames((1, 8000), (0, 96), (1, 1000), (0, 640))
    judged[251] = (0, -50.0)  # the quietest frame of the dip
    first, second = finished(feed(judged))
    cut = 251 * FRAME_SAMPLES + FRAME_SAMPLES // 2
    assert (first.reason, first.ends_turn, first.end, first.ceiling) == ("max_length", False, 8 * SAMPLE_RATE, cut)
    assert (second.floor, second.start, second.reason) == (cut, 253 * FRAME_SAMPLES, "silence")
    assert feed(judged)[2] == Began(253 * FRAME_SAMPLES, cut)


def test_a_dip_before_eight_seconds_splits_nothing() -> None:
    assert len(finished(feed(frames((1, 7500), (0, 128), (1, 2000), (0, 640))))) == 1
    assert len(finished(feed(frames((0, 6400), (1, 3200), (0, 128), (1, 2000), (0, 640))))) == 1


def test_speech_that_goes_on_at_eight_seconds_to_the_sample_is_split() -> None:
    assert len(finished(feed(frames((1, 7904), (0, 96), (1, 992), (0, 640))))) == 2
    assert len(finished(feed(frames((1, 7872), (0, 96), (1, 992), (0, 640))))) == 1


def test_without_a_dip_the_quietest_point_before_twelve_seconds_splits() -> None:
    judged = frames((1, 13000), (0, 640))
    judged[300] = (1, -40.0)
    judged[200] = (1, -60.0)  # before eight seconds: too early
    first, second = finished(feed(judged))
    cut = 300 * FRAME_SAMPLES + FRAME_SAMPLES // 2
    assert (first.end, first.ceiling, second.start, second.floor) == (cut, cut, cut, cut)


@pytest.mark.parametrize(("quiet_frame", "cuts_there"), [(249, False), (250, True), (371, True), (372, False)])
def test_an_overlong_utterance_is_cut_from_eight_seconds_on_and_leaves_enough_to_be_speech(
    quiet_frame: int, cuts_there: bool
) -> None:
    judged = frames((1, 12_000))
    judged[quiet_frame] = (1, -60.0)
    (first,) = finished(feed(judged))
    assert (first.end == quiet_frame * FRAME_SAMPLES + FRAME_SAMPLES // 2) is cuts_there


def test_an_utterance_without_room_for_a_cut_ends_where_it_is() -> None:
    judged = frames((1, 992))
    judged[10], judged[29] = (1, -70.0), (1, -60.0)
    (first,) = finished(feed(judged, split_after_ms=992, split_before_ms=992, floor_dbfs=-90))
    assert first.end == 30 * FRAME_SAMPLES + FRAME_SAMPLES // 2


def test_speech_of_twelve_seconds_to_the_frame_is_split() -> None:
    assert len(finished(feed(frames((1, 12_000))))) == 1
    assert finished(feed(frames((1, 11_968)))) == []


def test_a_pause_at_twelve_seconds_waits_for_its_end() -> None:
    (utterance,) = finished(feed(frames((1, 11_900), (0, 700))))
    assert utterance.reason == "silence"


def test_finish_in_speech_ends_at_the_given_sample_and_in_a_pause_at_the_last_speech() -> None:
    endpointer = Endpointer(Endpointing())
    endpointer.feed(0, frames((1, 320)))
    (utterance,) = finished(endpointer.finish(10 * FRAME_SAMPLES + 100, "finalize"))
    assert (utterance.end, utterance.ceiling) == (10 * FRAME_SAMPLES + 100, 10 * FRAME_SAMPLES + 100)
    endpointer = Endpointer(Endpointing())
    endpointer.feed(0, frames((1, 320), (0, 320)))
    (utterance,) = finished(endpointer.finish(21 * FRAME_SAMPLES, "end"))
    assert (utterance.end, utterance.reason, utterance.ends_turn) == (10 * FRAME_SAMPLES, "end", True)


def test_what_was_finished_or_cleared_does_not_come_again() -> None:
    endpointer = Endpointer(Endpointing())
    endpointer.feed(0, frames((1, 320)))
    endpointer.clear(5200)
    assert not endpointer.speaking
    assert endpointer.finish(5200, "end") == []
    (began,) = endpointer.feed(10 * FRAME_SAMPLES, frames((1, 96)))
    assert began == Began(5200, 5200)


def test_speech_ends_where_the_audio_does_though_its_last_frame_goes_on() -> None:
    endpointer = Endpointer(Endpointing())
    endpointer.feed(0, frames((1, 320)))
    (closed,) = finished(endpointer.finish(9 * FRAME_SAMPLES + 5, "end"))
    assert (closed.end, closed.voiced[-1][1]) == (9 * FRAME_SAMPLES + 5, 9 * FRAME_SAMPLES + 5)


def test_a_new_configuration_holds_for_speech_that_goes_on() -> None:
    endpointer = Endpointer(Endpointing())
    endpointer.feed(0, frames((1, 320)))
    endpointer.configure(Endpointing(endpointing_ms=100))
    assert len(finished(endpointer.feed(10 * FRAME_SAMPLES, frames((0, 128))))) == 1


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(-70, 0)), max_size=1200),
    st.lists(st.integers(1, 200), max_size=20),
)
def test_how_frames_are_batched_changes_nothing_and_utterances_never_overlap(
    judged: list[tuple[float, float]], cuts: list[int]
) -> None:
    whole = Endpointer(Endpointing())
    expected = whole.feed(0, judged) + whole.finish(len(judged) * FRAME_SAMPLES, "end")
    pieces, position, boundaries = Endpointer(Endpointing()), 0, list[Boundary]()
    for cut in (*cuts, len(judged)):
        boundaries += pieces.feed(position * FRAME_SAMPLES, judged[position : position + cut])
        position += cut
    boundaries += pieces.finish(len(judged) * FRAME_SAMPLES, "end")
    assert boundaries == expected
    last = 0
    for utterance in finished(expected):
        assert last <= utterance.floor <= utterance.start < utterance.end <= utterance.ceiling
        assert utterance.end - utterance.start <= 12 * SAMPLE_RATE
        assert utterance.voiced
        assert all(utterance.start <= begin < end <= utterance.end for begin, end in utterance.voiced)
        last = utterance.end
