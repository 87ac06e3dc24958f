"""What becomes of Whisper's answers: believed, cut, dropped, or asked for again with the full window."""

from dataclasses import replace

import numpy as np
import pytest

from tests.whisper_script import Line, ScriptedWhisper
from transcriber.engines.engine import Job, Outcome, Recognition, Redo
from transcriber.engines.whisper_batch import Shape, WhisperBatch
from transcriber.engines.whisper_guard import FULL_FRAMES, token_cap, trimmed_frames
from transcriber.events import Options

TRIMMED = Shape(
    frames=trimmed_frames(ScriptedWhisper.audio(0).size),
    trimmed=True,
    beam_size=5,
    prompt=(),
    language="en",
    translate=False,
    final=True,
)
FULL = replace(TRIMMED, frames=FULL_FRAMES, trimmed=False)
PARTIAL = replace(TRIMMED, final=False, beam_size=1)

TWICE = Line("it rains today it rains today", full_text="it rains today")
LOOP = Line("so " + "and so on " * 9)


def recognize(shape: Shape, *lines: Line, languages: tuple[str, ...] = ("en",)) -> list[Outcome]:
    whisper = ScriptedWhisper(dict(enumerate(lines)), languages)
    jobs = [Job(whisper.audio(index), Options(), shape.final, deadline=1.0) for index in range(len(lines))]
    return WhisperBatch(whisper, jobs, shape).recognize()


def text(outcome: Outcome) -> str:
    assert isinstance(outcome, Recognition)
    return outcome.text


def test_a_final_has_text_and_words_with_times() -> None:
    (heard,) = recognize(TRIMMED, Line("it rains today"))
    assert isinstance(heard, Recognition)
    assert (heard.text, heard.times, heard.language) == ("it rains today", "aligned", "en")
    assert heard.words is not None
    assert [(word.text, word.start, word.end) for word in heard.words] == [
        ("it", 0.0, 0.1),
        ("rains", 0.1, 0.2),
        ("today", 0.2, 0.3),
    ]


def test_a_partial_has_text_alone() -> None:
    assert recognize(PARTIAL, Line("it rains")) == [Recognition("it rains", language="en")]


@pytest.mark.parametrize("shape", [TRIMMED, FULL, PARTIAL])
def test_nothing_heard_is_no_text(shape: Shape) -> None:
    (heard,) = recognize(shape, Line(""))
    assert isinstance(heard, Recognition)
    assert heard.text == ""
    assert not heard.words


@pytest.mark.parametrize("line", [TWICE, LOOP, Line("um", log_probability=-1.2)], ids=["twice", "loop", "unsure"])
def test_a_final_of_a_trimmed_window_that_is_suspect_is_redone(line: Line) -> None:
    (outcome,) = recognize(TRIMMED, line)
    assert isinstance(outcome, Redo)
    assert outcome.job.full_context


def test_an_answer_that_reaches_its_limit_is_redone() -> None:
    limit = token_cap(TRIMMED.frames)
    just_fits, cut_off = (Line(" ".join(f"w{n}" for n in range(count))) for count in (limit - 1, limit + 5))
    outcomes = recognize(TRIMMED, just_fits, cut_off)
    assert text(outcomes[0]) == just_fits.text
    assert isinstance(outcomes[1], Redo)


def test_a_redo_asks_for_the_same_audio_and_nothing_else_changed() -> None:
    whisper = ScriptedWhisper({0: TWICE})
    job = Job(whisper.audio(0), Options(prompt="weather"), True, deadline=4.0)
    (outcome,) = WhisperBatch(whisper, [job], TRIMMED).recognize()
    assert isinstance(outcome, Redo)
    assert outcome.job.samples is job.samples
    assert (outcome.job.options, outcome.job.final, outcome.job.deadline) == (job.options, True, 4.0)


def test_a_partial_says_once_what_it_heard_twice() -> None:
    assert [text(outcome) for outcome in recognize(PARTIAL, TWICE, LOOP)] == ["it rains today", "so and so on"]


@pytest.mark.parametrize("shape", [FULL, PARTIAL])
def test_an_answer_without_end_says_once_what_it_repeats_on_the_way(shape: Shape) -> None:
    loop = "of this type, of this type, of this type, and so"
    before = [f"w{n}" for n in range(token_cap(shape.frames) - len(loop.split()))]
    cut_off, ended = (Line(" ".join([*before[first:], loop])) for first in (0, 1))
    outcomes = recognize(shape, cut_off, ended)
    assert [text(outcome) for outcome in outcomes] == [" ".join([*before, "of this type,"]), ended.text]


def test_the_full_window_is_believed_when_it_hears_something_twice() -> None:
    assert text(recognize(FULL, Line("bye bye"))[0]) == "bye bye"


def test_the_full_window_is_not_believed_when_it_never_stops() -> None:
    assert text(recognize(FULL, LOOP)[0]) == "so and so on"


@pytest.mark.parametrize("shape", [TRIMMED, FULL, PARTIAL])
def test_text_from_noise_is_dropped(shape: Shape) -> None:
    noise = Line("Thank you.", log_probability=-1.2, no_speech_probability=0.95)
    assert text(recognize(shape, noise)[0]) == ""


@pytest.mark.parametrize(
    ("line", "pauses", "heard"),
    [(0, False, ""), (0, True, "Thank you very much."), (99, False, "Thank you very much.")],
    ids=["-60 dBFS", "-60 dBFS with pauses", "-20 dBFS"],
)
def test_quiet_audio_without_pauses_must_be_surer_to_be_speech(line: int, pauses: bool, heard: str) -> None:
    unsure = Line("Thank you very much.", log_probability=-0.8, no_speech_probability=0.55)
    whisper = ScriptedWhisper({line: unsure})
    audio = whisper.audio(line)
    if pauses:
        audio[audio.size // 2 :] *= 0.1
    (outcome,) = WhisperBatch(whisper, [Job(audio, Options(), True, deadline=1.0)], FULL).recognize()
    assert text(outcome) == heard


@pytest.mark.parametrize("shape", [FULL, PARTIAL])
def test_text_that_nobody_would_believe_is_dropped(shape: Shape) -> None:
    assert text(recognize(shape, Line("I'm going to go.", log_probability=-1.7))[0]) == ""


LONG = trimmed_frames(ScriptedWhisper.audio(0, 5.0).size)


@pytest.mark.parametrize(
    ("line", "heard", "beams"),
    [
        (Line("Stop.", greedy_text="Stop. Then go on"), "Stop. Then go on", [5, 1]),
        (Line("Stop there.", greedy_text="Stop."), "Stop there.", [5, 1]),
        (Line("Stop.", greedy_text="so so so so"), "Stop.", [5, 1]),
        (Line(" ".join(f"w{n}" for n in range(32)), greedy_text="other"), " ".join(f"w{n}" for n in range(32)), [5]),
    ],
    ids=["more", "less", "suspect", "no hole"],
)
def test_a_final_with_a_hole_is_decoded_step_by_step(line: Line, heard: str, beams: list[int]) -> None:
    whisper = ScriptedWhisper({0: line})
    job = Job(whisper.audio(0, 5.0), Options(), True, deadline=1.0)
    (outcome,) = WhisperBatch(whisper, [job], replace(TRIMMED, frames=LONG)).recognize()
    assert text(outcome) == heard
    assert [asked["beam_size"] for asked in whisper.decoded] == beams


def test_what_an_answer_leaves_out_at_the_end_is_heard_by_itself() -> None:
    first, rest = "one two three four five six seven eight nine ten", "and the rest"
    whisper = ScriptedWhisper({0: Line(first), 1: Line(rest)})
    samples = np.concatenate([whisper.audio(0, 1.0), whisper.audio(1, 4.0)])
    (heard,) = WhisperBatch(
        whisper, [Job(samples, Options(), True, deadline=1.0)], replace(TRIMMED, frames=LONG)
    ).recognize()
    assert isinstance(heard, Recognition)
    assert heard.text == f"{first} {rest}"
    assert heard.words is not None
    assert [(word.text, word.start, word.end) for word in heard.words[9:]] == [
        ("ten", 0.9, 1.0),
        ("and", 1.0, 1.1),
        ("the", 1.1, 1.2),
        ("rest", 1.2, 1.3),
    ]


def test_each_job_has_its_own_outcome() -> None:
    outcomes = recognize(TRIMMED, TWICE, Line("one"), Line("hm", log_probability=-3.0), Line(""), Line("two three"))
    kinds = [type(outcome).__name__ for outcome in outcomes]
    assert kinds == ["Redo", "Recognition", "Redo", "Recognition", "Recognition"]
    assert [text(outcomes[row]) for row in (1, 3, 4)] == ["one", "", "two three"]
    assert [len(outcomes[row].words) for row in (1, 3, 4)] == [1, 0, 2]


def test_languages_are_detected_where_none_is_given() -> None:
    outcomes = recognize(
        replace(FULL, language=None),
        Line("guten Morgen", language="de"),
        Line("good morning"),
        Line("gute Nacht", language="de"),
        languages=("en", "de"),
    )
    assert [(outcome.text, outcome.language, len(outcome.words)) for outcome in outcomes] == [
        ("guten Morgen", "de", 2),
        ("good morning", "en", 2),
        ("gute Nacht", "de", 2),
    ]


def test_prompt_language_and_task_are_what_decoding_starts_with() -> None:
    whisper = ScriptedWhisper({0: Line("good morning")}, ("en", "de"))
    job = Job(whisper.audio(0), Options(), True, deadline=1.0)
    shape = replace(FULL, language="de", translate=True, prompt=(3, 4))
    WhisperBatch(whisper, [job], shape).recognize()
    assert whisper.decoded == [{"prompts": [[3, 4, "de", "translate"]], "beam_size": 5, "max_tokens": 224}]
