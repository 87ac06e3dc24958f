"""Subtitles within the guidelines' limits, as parsers that are not ours read them."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests import lj001
from tests.subtitle_parsers import Read, StrictVtt, ffmpeg, pysubs2_srt, strict_vtt, webvtt_py
from transcriber.cue_layout import MAX_MS, MIN_MS, reading_of
from transcriber.cue_tokens import cells, plain
from transcriber.subtitles import GAP_MS, HANG_MS, Cue, Spoken, cues, srt, vtt
from transcriber.transcript import Word, estimate_words

HEBREW = "שלום לכולם ואני שמח לדבר היום על OpenAI ועל העתיד הרחוק של כולנו."


@pytest.fixture(scope="module")
def strict() -> Iterator[StrictVtt]:
    with strict_vtt() as parser:
        yield parser


def times(made: Sequence[Cue]) -> list[tuple[int, int]]:
    return [(cue.start_ms, cue.end_ms) for cue in made]


# Real text


def demo() -> list[Spoken]:
    """The demo's passages at the pace of their reader, words spread over them."""
    rate = 16_000
    return [
        Spoken(
            each.start, each.end, each.text, estimate_words(each.text, [(int(each.start * rate), int(each.end * rate))])
        )
        for each in lj001.passages()
    ]


def test_read_speech_can_be_read() -> None:
    made = cues(demo())
    fast = [cue for cue in made if cells(" ".join(cue.lines)) * 1000 > 20 * (cue.end_ms - cue.start_ms)]
    assert len(fast) <= len(made) / 20, "a reader of 140 words a minute is seldom faster than 20 letters a second"
    shown = " ".join(" ".join(cue.lines) for cue in made)
    assert shown == " ".join(each.text for each in demo())


def test_all_parsers_find_the_same(strict: StrictVtt) -> None:
    expected = [Read(cue.start_ms, cue.end_ms, "\n".join(cue.lines)) for cue in cues(demo())]
    assert len(expected) > 10
    assert (
        strict.read(vtt(cues(demo()))) == webvtt_py(vtt(cues(demo()))) == ffmpeg(vtt(cues(demo())), "vtt") == expected
    )
    assert pysubs2_srt(srt(cues(demo()))) == ffmpeg(srt(cues(demo())), "srt") == expected


def test_nothing_said_is_a_file_all_the_same(strict: StrictVtt) -> None:
    assert vtt(cues([])) == "WEBVTT\n"
    assert strict.read(vtt(cues([]))) == []
    assert srt(cues([])) == ""


# Times


def test_a_short_word_is_shown_long_enough_and_a_slow_one_not_for_ever() -> None:
    assert times(cues([Spoken(1.0, 1.2, "Yes.")])) == [(1000, 1000 + MIN_MS)]
    assert times(cues([Spoken(0.0, 60.0, "Yes.")])) == [(0, MAX_MS)]


def test_a_cue_stays_for_its_readers_but_not_long_behind_its_speech() -> None:
    text = "Nobody says this in a single second."
    assert times(cues([Spoken(0.0, 1.0, text)])) == [(0, 36 * 1000 // 17)]
    assert times(cues([Spoken(0.0, 0.4, text)])) == [(0, 400 + HANG_MS)]


def test_a_gap_too_short_to_be_a_pause_is_closed() -> None:
    first, second = cues([Spoken(0.0, 2.0, "One, two, three."), Spoken(2.4, 4.0, "Four, five, six.")])
    assert (first.end_ms, second.start_ms) == (2400 - GAP_MS, 2400)
    first, second = cues([Spoken(0.0, 2.0, "One, two, three."), Spoken(3.0, 4.0, "Four, five, six.")])
    assert first.end_ms == 2000


def test_overlapping_speakers_are_shown_one_after_the_other() -> None:
    first = Spoken(0.0, 4.0, "The first of them talks for quite some time.", speaker="A")
    second = Spoken(1.0, 2.0, "The second interrupts.", speaker="B")
    made = cues([second, first])
    assert [cue.speaker for cue in made] == ["A", "B"]
    assert made[0].end_ms >= made[0].reading_ms
    assert made[1].start_ms == made[0].end_ms + GAP_MS


def test_who_had_to_wait_for_another_speaker_can_be_read_too() -> None:
    """Two who begin at once, the longer one in two cues."""
    long = "He began a confused complaint against the wizard, who had vanished behind the curtain on the left."
    talk = [
        Spoken(0.288, 4.736, long, estimate_words(long, [(4608, 75776)]), "Channel 1"),
        Spoken(0.352, 2.56, "The horizon seems extremely distant.", speaker="Channel 2"),
    ]
    made = cues(talk)
    assert [cue.speaker for cue in made] == ["Channel 1", "Channel 2", "Channel 1"]
    assert all(cue.end_ms - cue.start_ms >= cue.reading_ms for cue in made)


def test_many_at_once_are_shown_ever_shorter_and_late_ones_catch_up() -> None:
    said = "Each of them says a sentence that takes two seconds to be read."
    talk = [Spoken(at, at + 1.5, said, speaker=f"Channel {at % 3}") for at in range(30)]
    made = cues([*talk, Spoken(60.0, 63.0, "All is quiet.", speaker="Channel 1")])
    shares = [(cue.end_ms - cue.start_ms) / cue.reading_ms for cue in made[:30]]
    assert shares[0] >= 1
    assert any(share == pytest.approx(0.5, abs=0.01) for share in shares)
    assert all(cue.start_ms - 1000 * at < 10_000 for at, cue in enumerate(made[:30]))
    assert made[-1].start_ms == 60_000


def test_a_notice_is_shown_as_long_as_what_is_missing() -> None:
    made = cues([Spoken(1.0, 12.5, "[no text: engine_failed]", notice=True)])
    assert times(made) == [(1000, 12_500)]
    assert made[0].lines == ("[no text: engine_failed]",)


# Speakers, markup, direction


def test_speakers_are_voices_and_prefixes(strict: StrictVtt) -> None:
    talk = [
        Spoken(0, 2, "Good morning.", speaker="Channel 1"),
        Spoken(3, 5, "Morning! How", speaker="Channel 2"),
        Spoken(7, 8, "are you?", speaker="Channel 2"),
        Spoken(9, 10, "[audio damaged or missing]", notice=True),
    ]
    voices = [(read.voice, read.text) for read in strict.read(vtt(cues(talk)))]
    assert voices == [
        ("Channel 1", "Good morning."),
        ("Channel 2", "Morning! How"),
        ("Channel 2", "are you?"),
        (None, "[audio damaged or missing]"),
    ]
    assert [read.text for read in pysubs2_srt(srt(cues(talk)))] == [
        "Channel 1: Good morning.",
        "Channel 2: Morning! How",
        "are you?",
        "[audio damaged or missing]",
    ]


def test_what_looks_like_markup_is_text(strict: StrictVtt) -> None:
    text = "a < b & c --> <i>d</i> &amp;"
    (read,) = strict.read(vtt(cues([Spoken(0, 3, text)])))
    assert read.text == text
    (shown,) = pysubs2_srt(srt(cues([Spoken(0, 3, text)])))
    assert shown.text == "a ‹ b & c --› ‹i›d‹/i› &amp;"


def test_right_to_left_text_is_laid_out_so(strict: StrictVtt) -> None:
    shown = srt(cues([Spoken(0, 5, HEBREW, speaker="Channel 1")])).splitlines()[2:4]
    assert shown[0].startswith("Channel 1: \N{RIGHT-TO-LEFT EMBEDDING}")
    assert all(line.endswith("\N{POP DIRECTIONAL FORMATTING}") for line in shown)
    (read,) = strict.read(vtt(cues([Spoken(0, 5, HEBREW)])))
    assert [line[0] for line in read.text.split("\n")] == ["ש", "\N{RIGHT-TO-LEFT MARK}"]
    assert "\N{LEFT-TO-RIGHT MARK}" not in srt(cues([Spoken(0, 5, "Hello.")])) + vtt(cues([Spoken(0, 5, "Hello.")]))


# Anything


@st.composite
def spoken(draw: st.DrawFn) -> Spoken:
    text = draw(
        st.one_of(
            st.text(max_size=200),
            st.lists(st.text("abcdefgh,.?", min_size=1, max_size=12), max_size=40).map(" ".join),
            st.text("今日はいい天気ですね。コーヒー、用的", max_size=80),
            st.text("שלום ,.", max_size=80),
            st.text("안녕 하세요.", max_size=80),
            st.sampled_from(["-->", "WEBVTT", "NOTE x", "1\nx\n\n2", "<v A>", "&lt;"]),
        )
    )
    start, length = draw(st.floats(0, 100)), draw(st.floats(0, 20))
    words: list[Word] = []
    if draw(st.booleans()):
        moments = st.floats(start, start + length + 1)
        words = [Word(word, draw(moments), draw(moments)) for word in text.split()]
    speaker = draw(st.sampled_from([None, "Channel 1", "Channel 2"]))
    if draw(st.integers(0, 9)) == 0:
        notice = draw(st.sampled_from(["[no text: engine_rate_limited]", "[audio damaged or missing]"]))
        return Spoken(start, start + length, notice, (), speaker, notice=True)
    return Spoken(start, start + length, text, words, speaker)


def check_limits(made: Sequence[Cue]) -> None:
    for cue in made:
        reading = reading_of("".join(cue.lines))
        assert 1 <= len(cue.lines) <= 2
        assert all(line and cells(line) <= reading.line_cells for line in cue.lines)
        assert cue.end_ms - cue.start_ms >= MIN_MS
        assert cue.notice or cue.end_ms - cue.start_ms <= MAX_MS
    for before, after in pairwise(made):
        assert after.start_ms - before.end_ms >= GAP_MS


def of_speaker(made: Sequence[Cue], speaker: str | None) -> str:
    return "".join("".join(cue.lines) for cue in made if cue.speaker == speaker).replace(" ", "")


@settings(max_examples=200, deadline=None)
@given(st.lists(spoken(), max_size=8))
def test_any_transcript_keeps_the_limits_and_is_valid(strict: StrictVtt, said: list[Spoken]) -> None:
    made = cues(said)
    check_limits(made)
    for speaker in (None, "Channel 1", "Channel 2"):
        ordered = sorted((each for each in said if each.speaker == speaker), key=lambda each: each.start)
        assert of_speaker(made, speaker) == "".join(plain(each.text) for each in ordered).replace(" ", "")
    marks = str.maketrans("", "", "\N{LEFT-TO-RIGHT MARK}\N{RIGHT-TO-LEFT MARK}")
    heard = strict.read(vtt(cues(said)))
    assert [(read.start_ms, read.end_ms) for read in heard] == times(made)
    expected = ["\n".join(cue.lines).translate(marks) for cue in made]
    assert [read.text.translate(marks) for read in heard] == expected
    assert [read.voice for read in heard] == [cue.speaker for cue in made]
    assert [(read.start_ms, read.end_ms) for read in webvtt_py(vtt(cues(said)))] == times(made)


@settings(max_examples=60, deadline=None)
@given(st.lists(spoken(), max_size=8))
def test_any_transcript_is_read_by_players(said: list[Spoken]) -> None:
    # pysubs2 takes a line with two times, however they are written, for the head of a cue.
    assume(not any(re.search(r"\d[:.,]\d", each.text) for each in said))
    made = cues(said)
    assert [(read.start_ms, read.end_ms) for read in pysubs2_srt(srt(cues(said)))] == times(made)
    assert [(read.start_ms, read.end_ms) for read in ffmpeg(srt(cues(said)), "srt")] == times(made)
    assert [(read.start_ms, read.end_ms) for read in ffmpeg(vtt(cues(said)), "vtt")] == times(made)
