"""The event that ends an utterance: its text with times, or why there is none."""

from transcriber.events import EngineFailed, Error, Failed, Hypothesis, Options, Transcription
from transcriber.transcript import Word
from transcriber.utterances import Utterance, told
from transcriber.vad.endpointer import Finished

FINISHED = Finished(16_000, 32_000, 0, 40_000, "silence", True, ((16_000, 32_000),))


def utterance(result: Hypothesis | EngineFailed) -> Utterance:
    return Utterance(3, 2, 1, 16_000, Options(), FINISHED, result)


def test_a_text_is_told_with_the_words_that_the_engine_gave() -> None:
    words = (Word("Hello.", 1.1, 1.9),)
    event = told(utterance(Hypothesis(3, "Hello.", words, final=True, language="en", times="model")))
    assert event == Transcription(3, 2, 1, "Hello.", 1.0, 2.0, "silence", True, "en", words, "model")


def test_words_are_cut_to_the_utterance() -> None:
    words = (Word("Hello", 0.6, 1.4), Word("there.", 1.4, 2.3))
    event = told(utterance(Hypothesis(3, "Hello there.", words, final=True, times="aligned")))
    assert isinstance(event, Transcription)
    assert [(word.start, word.end) for word in event.words] == [(1.0, 1.4), (1.4, 2.0)]


def test_words_without_times_are_spread_over_the_speech() -> None:
    event = told(utterance(Hypothesis(3, "one two", None, final=True, times="model")))
    assert isinstance(event, Transcription)
    assert ([word.text for word in event.words], event.times) == (["one", "two"], "estimated")
    assert (event.words[0].start, event.words[-1].end) == (1.0, 2.0)


def test_a_failure_is_told_in_its_place() -> None:
    event = told(utterance(EngineFailed(3, Error("engine_timeout", "Too late."))))
    assert isinstance(event, Failed)
    assert (event.error.code, event.utterance, event.turn, event.channel) == ("engine_failed", 3, 2, 1)
    assert (event.start, event.end) == (1.0, 2.0)
    assert "engine_timeout" in event.error.message
