"""What Whisper's answers are checked for."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.engines.whisper_guard import (
    FULL_FRAMES,
    MAX_TOKENS,
    certain_surplus,
    endless_surplus,
    is_doubtful,
    is_elsewhere,
    is_invented,
    is_noise,
    is_silent,
    longest_hole,
    redo_frames,
    suspect_surplus,
    token_cap,
    trimmed_frames,
)


@pytest.mark.parametrize(
    ("samples", "frames"),
    [(1, 300), (SAMPLE_RATE, 300), (SAMPLE_RATE + 1, 400), (8 * SAMPLE_RATE, 1000), (28 * SAMPLE_RATE, 3000)],
)
def test_a_window_is_the_audio_in_whole_seconds_and_two_more(samples: int, frames: int) -> None:
    assert trimmed_frames(samples) == frames


def test_a_window_is_never_longer_than_whispers() -> None:
    assert trimmed_frames(30 * SAMPLE_RATE) == FULL_FRAMES


@pytest.mark.parametrize(("frames", "tokens"), [(300, 13), (1000, 48), (2900, 143), (FULL_FRAMES, MAX_TOKENS)])
def test_five_tokens_a_second_and_eight_are_enough(frames: int, tokens: int) -> None:
    assert token_cap(frames) == tokens


def test_only_digital_silence_is_silence() -> None:
    assert is_silent(0.0)
    assert is_silent(0.0005)
    assert not is_silent(0.001)


@pytest.mark.parametrize(
    ("log_probability", "no_speech_probability"),
    [(-1.64, 0.92), (-1.2, 0.75), (-0.72, 0.96)],
)
def test_what_is_said_of_noise_is_noise(log_probability: float, no_speech_probability: float) -> None:
    assert is_noise(log_probability, no_speech_probability)


@pytest.mark.parametrize(
    ("log_probability", "no_speech_probability"),
    [(-0.2, 0.02), (-0.76, 0.54), (-1.6, 0.3), (-0.3, 0.95)],
)
def test_sure_or_spoken_is_no_noise(log_probability: float, no_speech_probability: float) -> None:
    assert not is_noise(log_probability, no_speech_probability)


@pytest.mark.parametrize(
    ("log_probability", "no_speech_probability"),
    [(-0.98, 0.73), (-1.38, 0.42), (-0.8, 0.75), (-0.5, 0.73), (-0.28, 0.75), (-0.16, 0.78), (-0.84, 0.33)],
)
def test_people_far_away_are_noise_where_it_is_quiet(log_probability: float, no_speech_probability: float) -> None:
    assert is_elsewhere(log_probability, no_speech_probability, -46.0, 9.0)
    assert not is_elsewhere(log_probability, no_speech_probability, -35.0, 9.0)


def test_one_who_is_far_away_makes_pauses_however_unsure_the_model_is() -> None:
    assert is_elsewhere(-0.9, 0.7, -55.0, 13.0)
    assert not is_elsewhere(-0.6, 0.34, -55.0, 13.0)
    assert not is_elsewhere(-0.9, 0.7, -55.0, 16.0)


@pytest.mark.parametrize(("log_probability", "no_speech_probability"), [(-0.43, 0.05), (-0.9, 0.24)])
def test_somebody_who_speaks_quietly_is_not(log_probability: float, no_speech_probability: float) -> None:
    assert not is_elsewhere(log_probability, no_speech_probability, -53.0, 9.0)


def test_the_unsure_is_doubted_before_it_is_dropped() -> None:
    assert not is_doubtful(-0.9)
    assert is_doubtful(-1.2)
    assert not is_invented(-1.2)
    assert is_invented(-1.6)


@pytest.mark.parametrize(
    ("starts", "hole"),
    [([], 5.0), ([0.0, 0.5, 4.0, 4.5], 3.5), ([3.0, 4.0], 3.0), ([0.5, 1.0], 4.0)],
    ids=["no words", "within", "before", "after"],
)
def test_a_hole_is_the_longest_time_without_a_word(starts: list[float], hole: float) -> None:
    assert longest_hole(starts, 5.0) == hole


@pytest.mark.parametrize(
    ("text", "surplus"),
    [
        ("", 0),
        ("one", 0),
        ("the cat sat on the mat", 0),
        ("a rose is a rose", 0),
        ("very very good", 0),
        ("so so so", 0),
        ("You don't mean that. You don't mean that.", 4),
        ("No, no", 1),
        ("and then I went I went", 0),
        ("and then I went home, I went home", 3),
        ("well it goes on it goes on it goes on it goes", 8),
        ("I am am am am", 3),
        ("oh yes no yes no yes no", 4),
    ],
)
def test_what_may_be_a_loop(text: str, surplus: int) -> None:
    assert suspect_surplus(text.split()) == surplus


@pytest.mark.parametrize(
    ("text", "surplus"),
    [
        ("no no no no no", 0),
        ("no no no no no no", 5),
        ("yes we can yes we can yes we can", 0),
        ("yes we can yes we can yes we can yes we can yes", 10),
        ("you don't mean that you don't mean that", 0),
    ],
)
def test_what_must_be_a_loop(text: str, surplus: int) -> None:
    assert certain_surplus(text.split()) == surplus


@pytest.mark.parametrize(
    ("text", "surplus"),
    [
        (f"you are the b{'est' * 40}", 1),
        (f"b{'est' * 40} of all", 3),
        (f"she laughed {'ha' * 8}", 0),
        ("Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft", 0),
    ],
    ids=["at the end", "before the end", "laughter", "a long word"],
)
def test_a_word_may_be_a_loop_in_itself(text: str, surplus: int) -> None:
    assert suspect_surplus(text.split()) == certain_surplus(text.split()) == surplus


def test_punctuation_is_compared_where_there_is_nothing_else() -> None:
    assert suspect_surplus([" .", " ."]) == 1
    assert suspect_surplus([" .", " !"]) == 0


@given(st.lists(st.sampled_from("abc"), max_size=24))
def test_without_its_surplus_a_text_still_has_its_first_copy(words: list[str]) -> None:
    surplus = suspect_surplus(words)
    kept = words[: len(words) - surplus]
    assert 0 <= certain_surplus(words) <= max(len(words) - 1, 0)
    assert bool(kept) == bool(words)
    assert set(words[len(kept) :]) <= set(kept)


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=12))
def test_said_exactly_twice_is_always_seen(words: list[str]) -> None:
    assert suspect_surplus([*words, *words]) >= len(words)


def copies_at_the_end(words: list[str]) -> int:
    """What `certain_surplus` is, word by word."""
    surplus = 0
    for period in range(1, len(words) // 2 + 1):
        run = 0
        while run < len(words) - period and words[-1 - run] == words[-1 - run - period]:
            run += 1
        if run + period >= ({1: 4, 2: 3}.get(period, 2) + 2) * period:
            surplus = max(surplus, run)
    return surplus


@given(
    st.lists(st.sampled_from(["a", "b"]), max_size=30), st.lists(st.sampled_from("abc"), max_size=4), st.integers(0, 9)
)
def test_any_phrase_is_counted_to_its_first_copy(before: list[str], phrase: list[str], copies: int) -> None:
    words = before + phrase * copies
    assert certain_surplus(words) == copies_at_the_end(words)


def test_long_answers_take_no_longer_than_their_length() -> None:
    began = time.process_time()
    assert certain_surplus(["again"] * 200_000) == 199_999
    assert time.process_time() - began < 5


@pytest.mark.parametrize(("seconds", "frames"), [(1, 1600), (12.7, 1600), (13.9, 3000), (28, 3000)])
def test_a_second_look_is_longer_than_the_first_and_no_longer_than_it_need_be(seconds: float, frames: int) -> None:
    samples = int(seconds * SAMPLE_RATE)
    assert redo_frames(samples) == frames
    assert redo_frames(samples) > trimmed_frames(samples) or frames == 3000


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("and it is worth mention that as an example of type, that as an example of type, that as an example", 11),
        ("and it is worth mention. And it is worth mention of", 5),
        ("one two three four, three four, three four", 8),
        ("one two three four one two three", 7),
        ("", 0),
    ],
)
def test_an_answer_without_end_ends_with_the_first_copy_of_a_phrase(text: str, kept: int) -> None:
    words = text.split()
    assert len(words) - endless_surplus(words) == kept
