"""The session's rules, without audio, clock or engine."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcriber.audio.pcm import FRAME_SAMPLES
from transcriber.events import (
    Clear,
    Close,
    CloseUtterance,
    Complete,
    Damaged,
    Disconnected,
    Draining,
    DropUtterance,
    Effect,
    Ended,
    EngineFailed,
    Error,
    Event,
    Failed,
    Finalize,
    Hypothesis,
    Input,
    Opened,
    OpenUtterance,
    Options,
    Partial,
    PauseRecording,
    Probabilities,
    Reconfigure,
    RecordingPaused,
    RecordingResumed,
    Rejected,
    ResumeRecording,
    SpeechStarted,
    SpeechStopped,
    Stalled,
    Started,
    Status,
    Storage,
    Stored,
    Tell,
    Transcription,
    Warned,
)
from transcriber.session import Session, State
from transcriber.transcript import Word

STATUS = Status("id", "2026-01-01T00:00:00Z", "local", "tiny", Options(), 3600, "1")
STORED = Stored("all text", Storage("stored"), 10, 2, 1.0)


class Speaker:
    """Feeds a session frame by frame."""

    def __init__(self, options: Options | None = None) -> None:
        self.session = Session()
        self.position = [0, 0]
        self.effects = self.session.handle(Started(options or Options()))

    def hear(self, probability: float, frames: int, track: int = 0) -> list[Effect]:
        values = (probability,) * frames
        heard = Probabilities(track, self.position[track], values, (-20.0,) * frames)
        self.position[track] += frames * FRAME_SAMPLES
        return self.handle(heard)

    def say(self, frames: int = 20, track: int = 0) -> list[Effect]:
        """Speech, and the pause that ends it."""
        return self.hear(1, frames, track) + self.hear(0, 20, track)

    def handle(self, heard: Input) -> list[Effect]:
        effects = self.session.handle(heard)
        self.effects += effects
        return effects


def told(effects: list[Effect]) -> list[Event]:
    return [effect.event for effect in effects if isinstance(effect, Tell)]


def text(utterance: int, words: str = "hello world", *, final: bool = True) -> Hypothesis:
    return Hypothesis(utterance, words, None, final)


def test_the_first_thing_told_is_the_status() -> None:
    assert Session().handle(Opened(STATUS)) == [Tell(STATUS)]


def test_the_resume_token_is_told_to_those_who_asked_for_it() -> None:
    secret = replace(STATUS, resume_token="token")
    assert Session().handle(Opened(secret)) == [Tell(STATUS)]
    asked = replace(secret, options=Options(resume=True))
    assert Session().handle(Opened(asked)) == [Tell(asked)]


def test_a_start_that_changes_what_was_understood_is_answered() -> None:
    session = Session(Options(language="fr"))
    assert session.options.language == "fr"
    session.handle(Opened(STATUS))
    assert session.handle(Started(Options(language="de"))) == [Tell(replace(STATUS, options=Options(language="de")))]
    session = Session()
    session.handle(Opened(STATUS))
    assert session.handle(Started(STATUS.options)) == []


def test_an_utterance_from_start_to_final() -> None:
    speaker = Speaker()
    opened = speaker.hear(1, 20)
    assert [type(effect) for effect in opened] == [Tell, OpenUtterance]
    assert told(opened) == [SpeechStarted(turn=1, channel=0, start=0.0)]
    closed = speaker.hear(0, 20)
    assert closed == [
        CloseUtterance(1, 0, 0, 20 * FRAME_SAMPLES, 0, 39 * FRAME_SAMPLES),
        Tell(SpeechStopped(turn=1, channel=0, end=0.64)),
    ]
    (final,) = told(speaker.handle(text(1)))
    assert isinstance(final, Transcription)
    assert (final.utterance, final.turn, final.text, final.start, final.end) == (1, 1, "hello world", 0.0, 0.64)
    assert (final.reason, final.ends_turn, final.times) == ("silence", True, "estimated")
    assert [word.text for word in final.words] == ["hello", "world"]


def test_times_of_the_engine_are_kept() -> None:
    speaker = Speaker()
    speaker.say()
    words = (Word("hello", 0.1, 0.2),)
    (final,) = told(speaker.handle(Hypothesis(1, "hello", words, True, "en", "aligned")))
    assert isinstance(final, Transcription)
    assert (final.words, final.times, final.language) == (words, "aligned", "en")


def test_words_of_an_engine_that_does_not_say_where_their_times_come_from_are_estimated() -> None:
    speaker = Speaker()
    speaker.say()
    (final,) = told(speaker.handle(Hypothesis(1, "hello", (Word("hello", 0.1, 0.2),), True)))
    assert isinstance(final, Transcription)
    assert final.times == "estimated"


def test_an_utterance_is_opened_with_its_number_track_and_bounds() -> None:
    speaker = Speaker()
    speaker.say(track=1)
    effects = speaker.hear(0, 10, track=1) + speaker.hear(1, 10, track=1)
    (opened,) = [effect for effect in effects if isinstance(effect, OpenUtterance)]
    assert (opened.utterance, opened.track, opened.start, opened.floor) == (
        2,
        1,
        50 * FRAME_SAMPLES,
        20 * FRAME_SAMPLES,
    )
    assert speaker.session.needed_from(1) == 50 * FRAME_SAMPLES
    assert speaker.session.needed_from(0) is None
    assert speaker.session.untold_from == 0
    speaker.handle(text(1))
    assert speaker.session.untold_from == 50 * FRAME_SAMPLES


def test_finals_leave_in_the_order_of_their_utterances() -> None:
    speaker = Speaker()
    for _ in range(3):
        speaker.say()
    assert told(speaker.handle(text(3))) == []
    assert told(speaker.handle(text(2))) == []
    assert [event.utterance for event in told(speaker.handle(text(1))) if isinstance(event, Transcription)] == [1, 2, 3]


def test_a_final_comes_once() -> None:
    speaker = Speaker()
    speaker.say()
    assert len(told(speaker.handle(text(1)))) == 1
    assert told(speaker.handle(text(1, "again"))) == []


def test_tracks_do_not_wait_for_each_other_and_share_numbers() -> None:
    speaker = Speaker()
    speaker.say(track=0)
    speaker.say(track=1)
    (final,) = told(speaker.handle(text(2)))
    assert isinstance(final, Transcription)
    assert (final.channel, final.turn) == (1, 2)


def test_an_engine_error_takes_the_place_of_the_text() -> None:
    speaker = Speaker()
    speaker.say()
    speaker.say()
    speaker.handle(text(2))
    failed, final = told(speaker.handle(EngineFailed(1, Error("engine_timeout", "Too slow."))))
    assert isinstance(failed, Failed)
    assert (failed.error.code, failed.utterance, failed.start, failed.end) == ("engine_failed", 1, 0.0, 0.64)
    assert (failed.turn, failed.channel) == (1, 0)
    assert "engine_timeout" in failed.error.message
    assert failed.error.close_code is None
    assert isinstance(final, Transcription)


def test_a_split_goes_on_with_the_turn() -> None:
    speaker = Speaker()
    effects = speaker.hear(1, 500)
    assert [type(effect) for effect in effects if not isinstance(effect, Tell)] == [
        OpenUtterance,
        CloseUtterance,
        OpenUtterance,
    ]
    assert [type(event) for event in told(effects)] == [SpeechStarted]
    (final,) = told(speaker.handle(text(1)))
    assert isinstance(final, Transcription)
    assert (final.reason, final.ends_turn, final.turn) == ("max_length", False, 1)


@pytest.mark.parametrize(
    ("command", "reason"),
    [(Finalize("finalize", 5000), "finalize"), (Finalize("commit", 5000), "commit"), (Stalled(5000), "silence")],
)
def test_an_utterance_can_be_made_final_early(command: Input, reason: str) -> None:
    speaker = Speaker()
    speaker.hear(1, 10)
    closed, stopped = speaker.handle(command)
    assert closed == CloseUtterance(1, 0, 0, 5000, 0, 5000)
    assert isinstance(stopped, Tell)
    (final,) = told(speaker.handle(text(1)))
    assert isinstance(final, Transcription)
    assert final.reason == reason


def test_finalize_in_silence_does_nothing() -> None:
    assert Speaker().handle(Finalize(at=100)) == []


def test_clear_drops_the_open_utterance() -> None:
    speaker = Speaker()
    speaker.hear(1, 10)
    assert speaker.handle(Clear(at=5120)) == [DropUtterance(1), Tell(SpeechStopped(1, 0, 0.32))]
    speaker.handle(Ended(5120))
    assert not speaker.session.owes


def test_partials_count_the_words_that_two_guesses_agree_on() -> None:
    speaker = Speaker(Options(interim_results=True))
    speaker.hear(1, 30)
    stable = []
    for guess in ("the quick", "the quick brown", "the quick browser fox", "a quick", "the quick browser fox"):
        (partial,) = told(speaker.handle(replace(text(1, guess, final=False), end=9600)))
        assert isinstance(partial, Partial)
        assert partial.end == 0.6
        stable.append(partial.stable_words)
    assert stable == [0, 2, 2, 0, 2]


def test_a_partial_says_what_it_is_of() -> None:
    speaker = Speaker(Options(interim_results=True))
    speaker.say(track=0)
    speaker.hear(0, 10, track=1)
    speaker.hear(1, 30, track=1)
    (partial,) = told(speaker.handle(replace(text(2, "well", final=False), end=40 * FRAME_SAMPLES)))
    assert partial == Partial(2, 2, 1, 0.32, 1.28, "well", 0)


def test_a_partial_that_comes_too_late_is_dropped() -> None:
    speaker = Speaker()
    speaker.say()
    assert speaker.handle(text(1, final=False)) == []


@pytest.mark.parametrize(
    ("ending", "close"),
    [
        (Ended(640 * 32), Close(1000, "complete")),
        (Disconnected(640 * 32), Close(1000, "complete")),
        (Draining(640 * 32), Close(1012, "service restart")),
    ],
)
def test_the_end_finishes_what_is_open_and_complete_comes_last(ending: Input, close: Close) -> None:
    speaker = Speaker()
    speaker.hear(1, 40)
    assert any(isinstance(effect, CloseUtterance) for effect in speaker.handle(ending))
    assert speaker.session.state is State.FINISHING
    assert speaker.session.owes
    (final,) = told(speaker.handle(text(1)))
    assert isinstance(final, Transcription)
    assert (final.reason, final.ends_turn) == ("end", True)
    assert not speaker.session.owes
    effects = speaker.handle(STORED)
    assert effects == [Tell(Complete("all text", 10, 2, 1.0, 1.28, 1, Storage("stored"))), close]
    assert speaker.session.state is State.CLOSED
    assert speaker.handle(Finalize()) == []


def test_complete_counts_the_speech_of_all_utterances() -> None:
    speaker = Speaker()
    speaker.say(20)
    speaker.say(30)
    speaker.handle(Ended(90 * FRAME_SAMPLES))
    speaker.handle(text(1))
    speaker.handle(text(2))
    (complete,) = told(speaker.handle(STORED))
    assert isinstance(complete, Complete)
    assert (complete.speech, complete.utterances) == (1.6, 2)


def test_nothing_said_is_no_speech() -> None:
    speaker = Speaker()
    speaker.hear(0, 20)
    speaker.handle(Ended(20 * FRAME_SAMPLES))
    (complete,) = told(speaker.handle(STORED))
    assert isinstance(complete, Complete)
    assert (complete.speech, complete.utterances) == (0, 0)


def test_a_pause_of_the_recording_ends_what_is_said_and_so_does_its_end() -> None:
    speaker = Speaker()
    assert speaker.handle(ResumeRecording()) == []
    speaker.hear(1, 20)
    paused = speaker.handle(PauseRecording(20 * FRAME_SAMPLES))
    closed = [effect for effect in paused if isinstance(effect, CloseUtterance)]
    assert [(one.utterance, one.end) for one in closed] == [(1, 20 * FRAME_SAMPLES)]
    assert told(paused) == [SpeechStopped(1, 0, 0.64), RecordingPaused(0.64)]
    assert speaker.handle(PauseRecording(21 * FRAME_SAMPLES)) == []
    speaker.hear(1, 20)
    resumed = speaker.handle(ResumeRecording(40 * FRAME_SAMPLES))
    assert told(resumed) == [SpeechStopped(2, 0, 1.28), RecordingResumed(1.28)]
    assert speaker.handle(ResumeRecording(41 * FRAME_SAMPLES)) == []
    (final,) = told(speaker.handle(text(1)))
    assert isinstance(final, Transcription)
    assert final.reason == "finalize"


def test_a_session_without_audio_ends_cleanly() -> None:
    session = Session()
    assert session.handle(Ended()) == []
    assert [type(event) for event in told(session.handle(STORED))] == [Complete]


def test_a_second_start_is_an_error_and_not_the_end() -> None:
    speaker = Speaker()
    (failed,) = told(speaker.handle(Started(Options(language="de"))))
    assert isinstance(failed, Failed)
    assert (failed.error.code, failed.error.field) == ("already_started", "type")
    assert "`configure`" in failed.error.message
    assert speaker.session.options.language is None
    assert speaker.session.state is State.LISTENING


def test_bad_input_is_told_and_the_session_goes_on() -> None:
    error = Error("unknown_message", "No.", field="type")
    speaker = Speaker()
    assert told(speaker.handle(Rejected(error))) == [Failed(error)]
    assert speaker.session.state is State.LISTENING


def test_damage_is_told_with_its_time() -> None:
    (warned,) = told(Speaker().handle(Damaged(at=24_000)))
    assert isinstance(warned, Warned)
    assert (warned.code, warned.at) == ("audio_damaged", 1.5)
    assert warned.message.startswith("At 1.500 s audio is damaged or missing")
    (warned,) = told(Speaker().handle(Damaged(24_000, 32_000)))
    assert isinstance(warned, Warned)
    assert (warned.at, warned.end) == (1.5, 2.0)
    assert warned.message.startswith("From 1.500 to 2.000 s audio is damaged or missing")
    (warned,) = told(Speaker().handle(Damaged(24_000, None, 7200.0)))
    assert isinstance(warned, Warned)
    assert "7200 s, as the stream says, is not believed" in warned.message


def test_audio_that_an_error_leaves_without_text_is_told_with_its_time() -> None:
    speaker = Speaker()
    error = Error("unsupported_audio", "No.", close_code=1003)
    (warned,) = told(speaker.handle(Rejected(error, 24_000, loses_audio=True)))
    assert isinstance(warned, Warned)
    assert (warned.code, warned.at, warned.cause) == ("audio_not_transcribed", 1.5, "unsupported_audio")
    speaker = Speaker()
    assert told(speaker.handle(Rejected(error, 24_000))) == []


def test_a_fatal_error_is_told_last_after_what_was_said_before_it() -> None:
    speaker = Speaker()
    speaker.hear(1, 40)
    error = Error("unsupported_audio", "No.", close_code=1003)
    assert told(speaker.handle(Rejected(error, 40 * FRAME_SAMPLES))) == [SpeechStopped(1, 0, 1.28)]
    speaker.handle(Rejected(replace(error, code="another"), 40 * FRAME_SAMPLES))
    speaker.handle(text(1))
    assert speaker.handle(STORED) == [Tell(Failed(error)), Close(1003, "unsupported_audio")]


def test_a_session_ends_where_sessions_must_end() -> None:
    session = Session(max_samples=30 * FRAME_SAMPLES + 5)
    session.handle(Started(Options()))
    effects = session.handle(Probabilities(0, 0, (1.0,) * 40, (-20.0,) * 40))
    assert [type(event) for event in told(effects)] == [SpeechStarted, Warned, SpeechStopped]
    assert CloseUtterance(1, 0, 0, 30 * FRAME_SAMPLES, 0, 30 * FRAME_SAMPLES) in effects
    assert session.state is State.FINISHING
    (warned,) = [event for event in told(effects) if isinstance(event, Warned)]
    assert warned.code == "session_too_long"
    assert "as long as sessions may be" in warned.message
    session.handle(text(1))
    assert session.handle(STORED)[-1] == Close(1000, "session_too_long")


def test_the_longest_session_is_counted_from_its_first_sample() -> None:
    session = Session(max_samples=30 * FRAME_SAMPLES)
    session.handle(Started(Options()))
    session.handle(Probabilities(0, 0, (1.0,) * 20, (-20.0,) * 20))
    effects = session.handle(Probabilities(0, 20 * FRAME_SAMPLES, (1.0,) * 20, (-20.0,) * 20))
    assert CloseUtterance(1, 0, 0, 30 * FRAME_SAMPLES, 0, 30 * FRAME_SAMPLES, Options()) in effects
    assert session.state is State.FINISHING


def test_the_threshold_of_speech_is_an_option() -> None:
    assert Speaker(Options(speech_threshold=0.3)).hear(0.4, 10)
    assert not Speaker(Options(speech_threshold=0.5)).hear(0.4, 10)


def test_reconfigure_changes_options_from_there_on() -> None:
    speaker = Speaker()
    speaker.hear(1, 10)
    speaker.handle(Reconfigure({"endpointing_ms": 100, "language": "de"}))
    assert any(isinstance(effect, CloseUtterance) for effect in speaker.hear(0, 4))
    assert speaker.session.options.language == "de"


def test_an_utterance_keeps_the_options_that_it_begins_with() -> None:
    speaker = Speaker()
    speaker.hear(1, 2)  # too little to be speech yet
    speaker.handle(Reconfigure({"language": "de"}, at=2 * FRAME_SAMPLES))
    speaker.hear(1, 10)
    (spoken,) = speaker.session.speech
    assert spoken.options.language is None
    first = closed(speaker.hear(0, 20))
    speaker.hear(1, 10)
    second = closed(speaker.hear(0, 20))
    assert [each.options.language for each in (*first, *second)] == [None, "de"]


def closed(effects: list[Effect]) -> list[CloseUtterance]:
    return [effect for effect in effects if isinstance(effect, CloseUtterance)]


INPUTS = st.one_of(
    st.tuples(st.just("hear"), st.sampled_from([0.0, 0.4, 1.0]), st.integers(1, 60), st.integers(0, 1)),
    st.tuples(st.just("result"), st.integers(1, 8), st.sampled_from(["text", "failed", "partial"])),
    st.tuples(st.just("command"), st.sampled_from(["finalize", "clear", "stalled", "reject"])),
)


@settings(max_examples=150)
@given(st.lists(INPUTS, max_size=40))
def test_every_utterance_gets_one_final_in_order_and_the_session_ends_once(script: list[tuple[object, ...]]) -> None:
    speaker = Speaker(Options(interim_results=True))

    def at() -> int:
        return max(speaker.position)

    for kind, *rest in script:
        if kind == "hear":
            probability, frames, track = rest
            speaker.hear(probability, frames, track)  # type: ignore[arg-type]
        elif kind == "result":
            number, what = rest
            error = EngineFailed(number, Error("engine_error", "No."))  # type: ignore[arg-type]
            speaker.handle(error if what == "failed" else text(number, final=what == "text"))  # type: ignore[arg-type]
        else:
            commands = {
                "finalize": Finalize(at=at()),
                "clear": Clear(at()),
                "stalled": Stalled(at()),
                "reject": Rejected(Error("invalid_json", "No.")),
            }
            speaker.handle(commands[str(rest[0])])
    speaker.handle(Ended(at()))
    closed = [effect for effect in speaker.effects if isinstance(effect, CloseUtterance)]
    for effect in reversed(closed):
        speaker.handle(text(effect.utterance))
    assert not speaker.session.owes
    speaker.handle(STORED)
    events = told(speaker.effects)
    finals = [
        event
        for event in events
        if isinstance(event, Transcription) or (isinstance(event, Failed) and event.utterance is not None)
    ]
    assert sorted(event.utterance or 0 for event in finals) == sorted(effect.utterance for effect in closed)
    for channel in (0, 1):
        numbers = [event.utterance or 0 for event in finals if event.channel == channel]
        assert numbers == sorted(numbers)
    assert [type(event) for event in events].count(Complete) == 1
    assert isinstance(events[-1], Complete)
    started = [event.turn for event in events if isinstance(event, SpeechStarted)]
    assert started == [
        event.turn
        for event in sorted(
            (event for event in events if isinstance(event, SpeechStopped)), key=lambda event: event.turn
        )
    ]
