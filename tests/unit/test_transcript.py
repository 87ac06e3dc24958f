"""Transcripts and word times."""

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from transcriber.transcript import Line, Missing, Transcript, Word, estimate_words, within


def transcript(*lines: Line, missing: tuple[Missing, ...] = (), **options: object) -> Transcript:
    return Transcript(
        "id", "2026-01-01T00:00:00Z", 10.0, "local", "tiny", "1", {"language": None, **options}, lines, missing
    )


WORDS = (Word("Hello", 0.5, 0.9, 0.8), Word("there.", 1.0, 1.5))
FIRST = Line(1, 1, 0, 0.5, 1.5, "Hello there.", "en", WORDS, "aligned")
GAP = Line(2, 1, 0, 2.0, 3.25, "", gap="engine_failed")
LAST = Line(3, 2, 0, 4.0, 5.0, "Bye.")


def test_words_that_reach_over_the_ends_are_cut() -> None:
    words = (Word("So", 0.6, 1.2, 0.5), Word("it", 1.2, 1.5), Word("is.", 1.5, 2.6))
    assert within(words, 1.0, 2.0) == (Word("So", 1.0, 1.2, 0.5), Word("it", 1.2, 1.5), Word("is.", 1.5, 2.0))


def test_no_word_is_cut_to_nothing() -> None:
    words = (Word("Ah", 0.2, 0.7), Word("so", 0.7, 1.01), Word("it", 1.99, 2.4), Word("is", 2.4, 2.9))
    assert within(words, 1.0, 2.0) == (
        Word("Ah", 0.68, 0.7),
        Word("so", 0.99, 1.01),
        Word("it", 1.99, 2.01),
        Word("is", 2.4, 2.42),
    )


@given(st.lists(st.integers(0, 5000), max_size=20), st.integers(0, 5000), st.integers(0, 5000))
def test_cut_words_keep_their_order_and_cutting_again_changes_nothing(ends: list[int], start: int, length: int) -> None:
    bounds = [0, *sorted(ends)]
    words = [Word("a", first / 1000, last / 1000) for first, last in itertools.pairwise(bounds)]
    where = (start / 1000, (start + length) / 1000)
    cut = within(words, *where)
    assert all(before.start <= after.start and before.end <= after.start for before, after in itertools.pairwise(cut))
    assert all(given.start <= word.start <= word.end <= given.end for given, word in zip(words, cut, strict=True))
    assert within(cut, *where) == cut


def test_text_is_in_the_order_of_time_and_gaps_are_visible() -> None:
    made = transcript(LAST, GAP, FIRST)
    assert made.text == "Hello there. Bye."
    assert made.to_text().splitlines() == [
        "Hello there.",
        "[no text for 00:00:02.000-00:00:03.250: engine_failed]",
        "Bye.",
    ]


def test_json_has_words_times_gaps_and_what_it_was_made_with() -> None:
    document = json.loads(transcript(FIRST, GAP).to_json())
    assert (document["version"], document["engine"], document["model"], document["text"]) == (
        1,
        "local",
        "tiny",
        "Hello there.",
    )
    assert document["utterances"][0]["words"][0] == {"text": "Hello", "start": 0.5, "end": 0.9, "probability": 0.8}
    assert document["utterances"][1]["gap"] == "engine_failed"


def test_what_is_missing_is_visible_in_every_file() -> None:
    missing = (Missing(4.5), Missing(5.25, 9.0), Missing(10.0, reason="session_too_large"))
    files = transcript(FIRST, GAP, LAST, missing=missing).files()
    assert set(files) == {"transcript.json", "transcript.txt", "transcript.srt", "transcript.vtt"}
    assert files["transcript.txt"].splitlines()[-3:] == [
        "[audio damaged or missing at 00:00:04.500]",
        "[audio damaged or missing for 00:00:05.250-00:00:09.000]",
        "[no text from 00:00:10.000 on: session_too_large]",
    ]
    assert json.loads(files["transcript.json"])["missing"] == [
        {"start": 4.5, "end": None, "reason": "audio_damaged"},
        {"start": 5.25, "end": 9.0, "reason": "audio_damaged"},
        {"start": 10.0, "end": None, "reason": "session_too_large"},
    ]
    for subtitles in (files["transcript.srt"], files["transcript.vtt"]):
        assert "\n[no text: engine_failed]\n" in subtitles
        assert "\n[audio damaged or missing]\n" in subtitles
        assert "\n[no text from here on: session_too_large]\n" in subtitles.replace("here\non", "here on")
    assert "00:00:02.000 --> 00:00:03.411\n[no text" in files["transcript.vtt"]
    assert " --> 00:00:09.000\n[audio damaged or missing]" in files["transcript.vtt"]


def test_channels_that_are_apart_are_told_apart() -> None:
    files = transcript(Line(2, 2, 1, 2.0, 3.0, "Hello."), FIRST, separate_channels=True).files()
    assert files["transcript.txt"] == "Channel 1: Hello there.\nChannel 2: Hello.\n"
    assert "<v Channel 2>Hello." in files["transcript.vtt"]
    assert "\nChannel 2: Hello.\n" in files["transcript.srt"]
    assert "Channel" not in transcript(FIRST).to_text()


def test_utterances_are_told_on_the_wall_clock() -> None:
    live = Line(4, 2, 0, 6.0, 7.5, "Live.", heard_at="2026-01-01T00:01:06.250+00:00")
    counted, heard = json.loads(transcript(LAST, live).to_json())["utterances"]
    assert (counted["start_utc"], counted["end_utc"], counted["clock"]) == (
        "2026-01-01T00:00:04.000+00:00",
        "2026-01-01T00:00:05.000+00:00",
        "position",
    )
    assert (heard["start_utc"], heard["end_utc"], heard["clock"]) == (
        "2026-01-01T00:01:06.250+00:00",
        "2026-01-01T00:01:07.750+00:00",
        "arrival",
    )


def test_files_can_be_written_whatever_an_engine_answers() -> None:
    for text in transcript(Line(1, 1, 0, 0.0, 1.0, "a\ud800b", words=(Word("a\ud800b", 0.0, 1.0),))).files().values():
        assert text.encode()


def test_an_utterance_without_words_leaves_no_empty_line() -> None:
    assert transcript(Line(1, 1, 0, 0.0, 1.0, "")).to_text() == ""


def test_estimated_words_share_the_speech_by_their_length_and_skip_the_pauses() -> None:
    words = estimate_words("aaa b ccccc", ((16_000, 24_000), (32_000, 40_000)))
    assert words == (Word("aaa", 1.0, 1.333), Word("b", 1.333, 1.5), Word("ccccc", 2.0, 2.5))


def test_no_words_or_no_speech_give_no_times() -> None:
    assert estimate_words("", ((0, 100),)) == ()
    assert estimate_words("word", ()) == ()


@given(
    st.lists(st.text("ab", min_size=1, max_size=9), max_size=30).map(" ".join),
    st.lists(st.tuples(st.integers(1, 9000), st.integers(1, 9000)), min_size=1, max_size=20),
)
def test_estimated_times_lie_inside_the_speech_and_never_go_back(text: str, pairs: list[tuple[int, int]]) -> None:
    voiced, position = list[tuple[int, int]](), 0
    for pause, length in pairs:
        voiced.append((position + pause, position + pause + length))
        position = voiced[-1][1]
    words = estimate_words(text, voiced)
    assert [word.text for word in words] == text.split()
    last = voiced[0][0] / 16_000 - 0.001
    for word in words:
        assert last <= word.start <= word.end <= voiced[-1][1] / 16_000 + 0.001
        last = word.start
