"""Which options hold where."""

from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.events import Options
from transcriber.in_force import InForce


def test_what_holds_at_a_sample_is_what_held_there() -> None:
    options = InForce(Options(language="en", prompt="Before."))
    options.change({"language": "de"}, 1000)
    options.change({"language": "fr", "prompt": None}, 2000)
    assert [options.at(sample).language for sample in (0, 999, 1000, 1999, 2000)] == ["en", "en", "de", "de", "fr"]
    assert (options.at(1000).prompt, options.now.prompt) == ("Before.", None)


def test_two_changes_at_one_place_are_one() -> None:
    options = InForce(Options())
    options.change({"language": "de"}, 500)
    options.change({"language": "fr"}, 500)
    assert (options.at(499).language, options.at(500).language) == (None, "fr")


def test_a_start_holds_from_the_beginning() -> None:
    options = InForce(Options())
    options.change({"language": "de"}, 0)
    options.start(Options(language="it"))
    assert options.at(0).language == "it"


def test_what_no_utterance_can_begin_with_is_forgotten() -> None:
    options = InForce(Options())
    for second in range(1000):
        options.change({"endpointing_ms": 100 + second}, second * SAMPLE_RATE)
    assert len(options._past) < 20
    assert options.at(990 * SAMPLE_RATE).endpointing_ms == 1090
