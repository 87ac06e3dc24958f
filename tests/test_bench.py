"""What the measurements in bench/ compute themselves: joinings, errors by clip, shares, latencies."""

import json
from collections import Counter

import numpy as np
import pytest

from bench import _command, capacity, languages, latency, storage
from bench._errors import by_clip
from bench._extent import dense, extent, frames, probabilities
from bench._joining import Joining, Placed, conversation, conversation_of, half_silent, join, room_tone
from bench._quantiles import quantile, spread
from bench._session import Heard, coverage
from bench._sounds import BABBLE_DBFS, QUIET, at_level, babble_of
from bench._speech import Clip, demo_clips
from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.client import Complete, Failed, Partial, Transcription


def clip(name: str, seconds: float, *, level: float = 0.25) -> Clip:
    return Clip(name, np.full(round(seconds * SAMPLE_RATE), level, np.float32), f"text of {name}")


CLIPS = [clip(name, seconds) for name, seconds in (("a", 2.0), ("b", 3.5), ("c", 5.25), ("d", 1.0))]


def at(joining: Joining, start: float, end: float) -> np.ndarray:
    return joining.audio[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]


def heard(*finals: tuple[float, float, float], partials: tuple[tuple[float, float, float], ...] = ()) -> Heard:
    """Finals and partials by start, end and time of arrival; audio sent in real time, 60 s in messages of 100 ms."""
    sent = [round(0.1 * (number + 1), 1) for number in range(600)]
    result = Heard(sent, [100 + position for position in sent])
    for number, (start, end, time) in enumerate(finals, 1):
        values = {"text": "x", "utterance": number, "start": start, "end": end, "reason": "silence"}
        result.note(Transcription(type="transcription", message={}, **values), time)
    for start, end, time in partials:
        result.note(Partial(type="partial", message={}, text="x", utterance=1, start=start, end=end), time)
    return result


# Joinings


def test_clips_lie_where_a_joining_says() -> None:
    joining = join(CLIPS, [0.5, 0.0, 0.3, 1.0, 2.0], np.random.default_rng(1))
    assert [(place.clip.name, place.start, place.end) for place in joining.placed] == [
        ("a", 0.5, 2.5),
        ("b", 2.5, 6.0),
        ("c", 6.3, 11.55),
        ("d", 12.55, 13.55),
    ]
    assert joining.seconds == 15.55
    for place in joining.placed:
        assert (at(joining, place.start, place.end) == 8192).all()
    for start, end in ((0, 0.5), (6.0, 6.3), (11.55, 12.55), (13.55, 15.55)):
        assert np.abs(at(joining, start, end)).max() < 200


def test_a_joining_needs_a_gap_around_every_clip() -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        join(CLIPS, [0.5, 0.5], np.random.default_rng(1))


def test_loud_samples_do_not_wrap() -> None:
    joining = join([clip("loud", 1, level=1.0)], [0.0, 0.0], np.random.default_rng(1))
    assert (joining.audio == 32767).all()


def test_room_tone_is_low_and_no_silence() -> None:
    rng = np.random.default_rng(1)
    levels = [20 * np.log10(np.sqrt(np.mean(room_tone(1.0, rng) ** 2))) for _ in range(20)]
    assert -65.2 < min(levels) < max(levels) < -59.8


def test_a_conversation_has_every_clip_once_and_pauses_of_its_seed() -> None:
    many = [clip(str(number), 0.5) for number in range(200)]
    joining = conversation(many, seed=5)
    assert sorted(place.clip.name for place in joining.placed) == sorted(each.name for each in many)
    pairs = zip(joining.placed, joining.placed[1:], strict=False)
    pauses = [round(after.start - before.end, 3) for before, after in pairs]
    assert 0.15 < pauses.count(0) / len(pauses) < 0.35
    assert all(pause == 0 or 0.2 <= pause <= 1.5 for pause in pauses)
    assert (conversation(many, seed=5).audio == joining.audio).all()
    assert conversation(many, seed=6).placed != joining.placed


@pytest.mark.parametrize("seconds", [10, 60])
def test_half_of_a_half_silent_session_is_speech(seconds: int) -> None:
    joining = half_silent(CLIPS, seconds, seed=3)
    assert joining.seconds == pytest.approx(seconds, abs=0.001)
    assert seconds / 2 - 1.0 <= joining.speech_seconds <= seconds / 2 + 0.001


def test_a_half_silent_session_needs_a_clip_that_fits() -> None:
    with pytest.raises(ValueError, match="no clip is shorter than 1"):
        half_silent([clip("long", 5)], 2, seed=1)


def test_a_long_conversation_is_as_long_as_asked_and_lists_whole_clips() -> None:
    joining = conversation_of(CLIPS, 40, seed=7)
    assert joining.seconds == 40
    assert len(joining.placed) > 2 * len(CLIPS)
    assert joining.placed[-1].end <= 40
    for place in joining.placed:
        inner = at(joining, place.start + 0.001, place.end - 0.001)
        assert (inner == 8192).all()


# Sounds


@pytest.mark.parametrize("name", [*QUIET, "babble"])
def test_a_sound_is_as_long_and_as_loud_as_asked_and_the_same_again(name: str) -> None:
    make, levels = (babble_of(CLIPS), BABBLE_DBFS) if name == "babble" else QUIET[name]
    for level in levels:
        sound, again = (at_level(make(4.0, np.random.default_rng(3)), level) for _ in range(2))
        assert sound.size == 4 * SAMPLE_RATE
        assert np.array_equal(sound, again)
        power = np.mean(np.square(sound))
        loudest = 10 * np.log10(power) if power else -100
        # What is louder than full scale is cut: short clicks, mostly.
        assert level - 3 <= loudest <= level + 0.1


def test_words_are_counted_by_the_part_in_which_they_begin() -> None:
    parts = [
        languages.Part("en", np.zeros(SAMPLE_RATE, np.float32), "One two."),
        languages.Part("de", CLIPS[0].samples, "Drei."),
    ]
    finals = [
        Transcription(
            type="transcription", message={}, text=text, utterance=1, start=start, end=start + 0.5, language=told
        )
        for text, start, told in (("one", 0.1, "en"), ("two", 1.2, "en"), ("drei", 2.1, "de"))
    ]
    first, second = languages.rows("x", parts, finals)
    assert (first["right %"], first["told as"], first["words"]) == (100, "en", 2)
    assert (second["right %"], second["told as"]) == (100, "de")
    assert languages.rows("x", parts, [])[0]["right %"] == 0


# Extents


def test_an_extent_is_from_the_first_to_the_last_frame_of_speech() -> None:
    probabilities = np.array([0.1, 0.5, 0.2, 0.9, 0.4], np.float32)
    assert extent(clip("x", 1), probabilities) == (0.032, 0.128)
    assert extent(clip("x", 0.1), probabilities) == (0.032, 0.1), "not beyond the clip"
    with pytest.raises(ValueError, match="no speech in x"):
        extent(clip("x", 1), probabilities[:1])


def test_the_last_frame_is_filled() -> None:
    cut = frames(np.ones(600, np.float32))
    assert cut.shape == (2, 512)
    assert (cut.sum(), cut[1, 88:].any()) == (600, False)


def test_a_dense_clip_is_its_speech_with_short_pauses() -> None:
    probability = np.zeros(40, np.float32)
    probability[[5, 6, 10, 30, 31]] = 0.9
    numbered = np.repeat(np.arange(40, dtype=np.float32), 512)
    cut = dense(Clip("x", numbered, "t"), probability)
    kept = [*range(5, 15), *range(26, 32)]
    assert cut.samples.tolist() == np.repeat(kept, 512).tolist()
    assert (cut.name, cut.text) == ("x", "t")
    with pytest.raises(ValueError, match="no speech in x"):
        dense(clip("x", 1), np.zeros(32, np.float32))


async def test_the_detector_finds_real_speech_alone_on_its_clip() -> None:
    first = demo_clips()[0]
    quiet = np.zeros(SAMPLE_RATE, np.float32)
    inside = Clip("padded", np.concatenate([quiet, first.samples, quiet]), first.text)
    (probability,) = await probabilities([inside])
    start, end = extent(inside, probability)
    assert 0.9 < start < 1.3
    assert -0.6 < end - (1 + first.samples.size / SAMPLE_RATE) < 0.2


# Figures


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("one two three four five six", [0, 0, 0]),
        ("", [2, 1, 3]),
        ("one x three four five six", [1, 0, 0]),
        ("one two four five six", [0, 1, 0]),
        ("one two three four five six seven eight", [0, 0, 2]),
        ("one two three four nine five six", [0, 0, 1]),
        ("zero one two three four five six", [1, 0, 0]),
    ],
)
def test_errors_count_for_the_clip_they_lie_in(text: str, errors: list[int]) -> None:
    said = [["one", "two"], ["three"], ["four", "five", "six"]]
    assert by_clip(said, text.split()) == errors


def test_a_clip_without_words_has_no_errors() -> None:
    assert by_clip([["one"], [], ["two"]], ["one", "x"]) == [0, 0, 1]


def test_quantiles() -> None:
    assert quantile([1, 2, 3, 4, 5], 0.5) == 3
    assert spread([0.0, 1.0]) == "0.50 / 0.95 / 1.00"
    assert spread([]) == "nan / nan / nan"


@pytest.mark.parametrize(
    ("covering", "share"),
    [
        ([], 0.0),
        ([(0, 20)], 1.0),
        ([(10, 12)], 0.5),
        ([(11, 13), (10, 12)], 0.75),
        ([(10, 14), (11, 12)], 1.0),
        ([(8, 9), (14, 16)], 0.0),
        ([(8, 11), (13, 20)], 0.5),
    ],
)
def test_coverage(covering: list[tuple[float, float]], share: float) -> None:
    assert coverage(10, 14, covering) == share


# One session


def test_a_position_was_sent_with_the_message_it_is_in() -> None:
    session = heard()
    assert [session.sent_at(position) for position in (0.0, 0.1, 0.1004, 0.15, 70)] == [100.1, 100.1, 100.1, 100.2, 160]


def test_only_finals_after_a_pause_have_a_lag() -> None:
    session = heard((1, 2, 102.9))
    values = {"text": "x", "utterance": 2, "start": 3, "end": 4, "reason": "max_length"}
    session.note(Transcription(type="transcription", message={}, **values), 109)
    assert session.pause_lags() == pytest.approx([0.9])


def test_failures_and_the_end_are_noted() -> None:
    session = heard()
    session.note(Failed(type="error", message={}, code="engine_failed", text="", utterance=1), 0)
    session.note(Failed(type="error", message={}, code="invalid_field", text=""), 0)
    assert (session.failed, session.complete) == (1, False)
    session.note(Complete(type="complete", message={}, summary=""), 0)
    assert session.complete


# Latency


TALK = Joining(np.zeros(0, np.int16), (Placed(CLIPS[0], 10, 12), Placed(CLIPS[1], 20, 23.5)))
BOUNDS = {"a": (0.25, 1.75), "b": (0.5, 3.0)}


def test_latency_is_from_the_last_speech_to_the_final_that_holds_it() -> None:
    found = latency.Latencies()
    session = heard((10.3, 10.9, 111.5), (11.2, 11.7, 112.5), (20.4, 23.1, 124.1))
    latency.measure(TALK, session, BOUNDS, found)
    assert found.finals == pytest.approx([112.5 - 111.8, 124.1 - 123.0])
    assert found.missed == 0


@pytest.mark.parametrize("finals", [(), ((10.3, 11.2, 112),), ((8.0, 9.9, 111), (12.5, 13.0, 113))])
def test_a_clip_whose_end_no_final_holds_is_missed(finals: tuple[tuple[float, float, float], ...]) -> None:
    found = latency.Latencies()
    latency.measure(TALK, heard(*finals, (20.4, 23.1, 124.1)), BOUNDS, found)
    assert (len(found.finals), found.missed) == (1, 1)


def test_the_first_partial_counts_from_the_first_speech() -> None:
    found = latency.Latencies()
    session = heard(partials=((9, 10, 110.1), (10.3, 10.9, 111.0), (10.3, 11.9, 111.9), (20.4, 21.0, 121.4)))
    latency.measure(TALK, session, BOUNDS, found)
    assert found.first_partials == pytest.approx([111.0 - 110.3, 121.4 - 120.5])


def test_a_talk_has_room_tone_after_every_clip() -> None:
    joining = latency.talk(CLIPS, 10, seed=1)
    assert len(joining.placed) == 10
    ends = [place.start for place in joining.placed[1:]] + [joining.seconds]
    gaps = [after - place.end for place, after in zip(joining.placed, ends, strict=True)]
    assert 1.999 < min(gaps) < max(gaps) < 3.001


# Capacity


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, False),
        ({"lag p95 s": 2.1}, True),
        ({"lag p95 s": float("nan")}, True),
        ({"refused": 1}, True),
        ({"unfinished": 2}, True),
    ],
)
def test_too_many(change: dict[str, float], verdict: bool) -> None:
    row: dict[str, float] = {"lag p95 s": 1.9, "refused": 0, "unfinished": 0}
    assert capacity.too_many(row | change, limit_seconds=2.0) is verdict


# What is printed


def test_a_table_has_two_decimals_and_every_column() -> None:
    assert _command.table([{"name": "x", "s": 1.2345, "n": 3}]) == [
        "| name | s | n |",
        "| --- | --- | --- |",
        "| x | 1.23 | 3 |",
    ]


def test_a_report_says_how_to_get_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    _command.report([{"n": 3}], ["a note"], as_json=False)
    text = capsys.readouterr().out
    assert "| 3 |" in text
    assert "- a note" in text
    assert _command.machine() in text
    _command.report([{"n": 3, "s": float("nan")}], ["a note"], as_json=True)
    printed = json.loads(capsys.readouterr().out)
    assert printed["rows"] == [{"n": 3, "s": None}]
    assert printed["notes"][0] == "a note"
    assert printed["command"].startswith("python -m bench.")


def test_options_of_numbers() -> None:
    parser = _command.options("About it.")
    parser.add_argument("--seeds", type=_command.numbers)
    arguments = parser.parse_args(["--seeds", "1,2,30", "--limit", "2"])
    assert arguments.seeds == [1, 2, 30]
    assert [each.name for each in _command.clips_for(arguments)] == ["lj001-1", "lj001-2"]


# Requests to S3


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ('127.0.0.1 - - [25/Nov/2026] "POST /b/2026/audio.wav?uploads HTTP/1.1" 200 -', "CreateMultipartUpload"),
        ('"PUT /b/audio.wav?uploadId=x&partNumber=2 HTTP/1.1" 200 -', "UploadPart"),
        ('"PUT /b/transcript.json HTTP/1.1" 200 -', "PutObject"),
        ('"POST /b/audio.wav?uploadId=x HTTP/1.1" 200 -', "CompleteMultipartUpload"),
        ('"\x1b[35m\x1b[1mDELETE /b/x?uploadId=y HTTP/1.1\x1b[0m" 204 -', "AbortMultipartUpload"),
        ('"HEAD /b HTTP/1.1" 200 -', "read or list"),
        ("Press CTRL+C to quit", None),
    ],
)
def test_requests_are_told_apart(line: str, kind: str | None) -> None:
    assert storage.kind_of(line) == kind


def test_writes_cost_more_than_reads_and_deleting_costs_nothing() -> None:
    writes, reads = storage.dollars(Counter({"PutObject": 1000})), storage.dollars(Counter({"read or list": 1000}))
    assert writes > reads > 0
    assert storage.dollars(Counter({"DeleteObjects": 5, "AbortMultipartUpload": 5})) == 0
