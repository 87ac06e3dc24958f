"""A session's work on real bytes, with an engine and a detector that follow from the samples."""

import asyncio
import json
import struct
import wave
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.corpus import encoded, flac_silence
from tests.fakes import LengthEngine
from tests.stage import RAW, SPEECH, Work, silence, tone, until, wav
from tests.wavs import wav as wav_file
from transcriber.events import (
    Command,
    Complete,
    Disconnected,
    Ended,
    Error,
    Event,
    Failed,
    Finalize,
    Options,
    Partial,
    Reconfigure,
    Rejected,
    SpeechStarted,
    SpeechStopped,
    Started,
    Status,
    Storage,
    Transcription,
    Warned,
)


@pytest.fixture
async def work(tmp_path: Path) -> AsyncIterator[Work]:
    async with Work(tmp_path) as made:
        yield made


async def run(work: Work, *script: bytes | Command) -> list[Event]:
    """Spool everything, then work it off."""
    for item in script:
        if isinstance(item, bytes):
            work.spool.append_audio(item)
        else:
            work.spool.append_command(item)
    async with asyncio.timeout(20):
        await work.start()
    return work.events()


async def test_speech_becomes_text_in_order_and_is_stored(work: Work) -> None:
    events = await run(work, Started(RAW), SPEECH, Ended())
    assert isinstance(events[0], Status)
    finals = work.of(Transcription)
    assert [(final.start, final.end) for final in finals] == [(0.48, 1.504), (2.496, 3.2), (4.096, 4.5)]
    # Context: 400 ms before and 300 ms after, as far as there is audio that belongs to no other utterance.
    assert [final.text.split()[0] for final in finals] == [f"s{n}" for n in (27584, 22464, 12864)]
    complete = events[-1]
    assert isinstance(complete, Complete)
    assert complete.full_transcription == " ".join(final.text for final in finals)
    assert complete.storage.state == "stored"
    assert (complete.total_chunks, complete.duration, complete.utterances) == (1, 4.5, 3)
    assert work.spool.closed is not None
    assert work.spool.closed.code == 1000
    with wave.open(str(work.stored("audio.wav"))) as recording:
        assert recording.getparams()[:4] == (1, 2, 16_000, len(SPEECH) // 2)
        assert recording.readframes(1 << 30) == SPEECH
    transcript = json.loads(work.stored("transcript.json").read_text())
    assert [line["text"] for line in transcript["utterances"]] == [final.text for final in finals]
    assert work.stored("transcript.txt").read_text().splitlines() == [final.text for final in finals]
    assert (
        work.stored("audio.wav").parent.relative_to(work.folder / "store").as_posix()
        == "2026/01/02/20260102T030405Z-id"
    )
    assert not work.spool.directory.exists()


def comparable(events: list[Event]) -> list[str]:
    """Events but for what may depend on how the audio came in pieces, and when the engine answered."""
    kept = [
        replace(event, chunk_range=None)
        if isinstance(event, Transcription)
        else replace(event, total_chunks=0, storage=Storage(event.storage.state))
        if isinstance(event, Complete)
        else event
        for event in events
        if not isinstance(event, Partial)
    ]
    return sorted(map(repr, kept))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(1, 40_000), max_size=30),
    rate=st.sampled_from([8_000, 16_000, 44_100]),
    container=st.booleans(),
    finalize_at=st.integers(0, 200_000),
)
def test_how_audio_is_cut_into_messages_never_changes_the_result(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], rate: int, container: bool, finalize_at: int
) -> None:
    audio = silence(0.3, rate) + tone(0.9, rate) + silence(0.8, rate) + tone(0.5, rate) + silence(0.7, rate)
    data = wav(audio, rate) if container else audio
    options = Options() if container else Options(encoding="pcm_s16le", sample_rate=rate)
    finalize_at = min(finalize_at, len(data))

    async def events_of(lengths: list[int]) -> list[str]:
        async with Work(tmp_path_factory.mktemp("work")) as work:
            script: list[bytes | Command] = [Started(options)]
            for part, command in ((data[:finalize_at], Finalize()), (data[finalize_at:], Ended())):
                position = 0
                for length in (*lengths, len(part)):
                    if piece := part[position : position + length]:
                        script.append(piece)
                    position += length
                script.append(command)
            return comparable(await run(work, *script))

    assert asyncio.run(events_of(cuts)) == asyncio.run(events_of([]))


async def test_chunk_ranges_go_from_the_last_text_to_this_one(work: Work) -> None:
    pieces = [SPEECH[start : start + 3200] for start in range(0, len(SPEECH), 3200)]  # 100 ms each
    await run(work, Started(RAW), *pieces, Ended())
    assert [final.chunk_range for final in work.of(Transcription)] == [(1, 16), (16, 32), (33, 45)]
    complete = work.events()[-1]
    assert isinstance(complete, Complete)
    assert complete.total_chunks == 45


async def test_a_live_session_hears_its_text_before_it_ends(work: Work) -> None:
    work.spool.append_command(Started(RAW))
    task = work.start()
    work.spool.append_audio(SPEECH[: 2 * 40_000])
    await until(lambda: work.of(Transcription))
    assert not task.done()
    work.spool.append_command(Ended())
    await task


async def test_a_stalled_speaker_gets_the_text(work: Work) -> None:
    work.spool.append_command(Started(replace(RAW, endpointing_ms=100)))
    task = work.start()
    work.spool.append_audio(tone(1.0))
    await until(lambda: work.of(Transcription))
    (final,) = work.of(Transcription)
    assert (final.reason, final.end) == ("silence", 1.0)
    work.spool.append_command(Ended())
    await task


async def test_finalize_makes_everything_received_final_though_a_resampler_holds_some_back(work: Work) -> None:
    options = Options(encoding="pcm_s16le", sample_rate=48_000, endpointing_ms=5000)
    work.spool.append_command(Started(options))
    task = work.start()
    work.spool.append_audio(tone(1.0, 48_000))
    work.spool.append_command(Finalize())
    await until(lambda: work.of(Transcription))
    assert work.of(Transcription)[0].end == 1.0
    work.spool.append_command(Ended())
    await task


async def test_partials_come_while_somebody_speaks_when_asked_for(work: Work) -> None:
    seen: list[Partial] = []
    work.spool.append_command(Started(replace(RAW, interim_results=True)))
    task = work.start()
    for start in range(0, 3 * 32_000, 3200):
        work.spool.append_audio(tone(3.0)[start : start + 3200])
        await asyncio.sleep(0.005)
        seen += [offer for offer in work.spool.take_offers() if isinstance(offer, Partial)]
    work.spool.append_command(Ended())
    await task
    ends = [partial.end for partial in seen]
    assert len(ends) in (2, 3)
    assert 0.5 <= ends[0] <= 0.7
    assert all(later - earlier >= 1 for earlier, later in pairwise(ends))


async def test_no_partials_unasked(work: Work) -> None:
    await run(work, Started(RAW), tone(3.0), Ended())
    assert all(job.final for job in work.engine.jobs)


async def test_a_failing_engine_leaves_a_gap_with_its_time_and_the_whole_recording(work: Work) -> None:
    work.engine.answer = work.engine.fail
    await run(work, Started(RAW), SPEECH, Ended())
    failures = work.of(Failed)
    assert [failed.error.code for failed in failures] == ["engine_failed"] * 3
    assert (failures[0].start, failures[0].end) == (0.48, 1.504)
    assert failures[0].chunk_range == (1, 1)
    assert isinstance(work.events()[-1], Complete)
    transcript = json.loads(work.stored("transcript.json").read_text())
    assert [line["gap"] for line in transcript["utterances"]] == ["engine_failed"] * 3
    assert "00:00:00.480-00:00:01.504" in work.stored("transcript.txt").read_text()
    with wave.open(str(work.stored("audio.wav"))) as recording:
        assert recording.readframes(1 << 30) == SPEECH


async def test_unknown_bytes_are_refused_and_kept(work: Work) -> None:
    events = await run(work, Started(Options()), b"neither fish nor flesh", Ended())
    failed = events[-1]
    assert isinstance(failed, Failed)
    assert (failed.error.code, failed.error.close_code) == ("unsupported_audio", 1003)
    assert work.spool.closed is not None
    assert work.spool.closed.code == 1003
    assert work.stored("audio.bin").read_bytes() == b"neither fish nor flesh"


@pytest.mark.parametrize("ending", [Ended(), Disconnected()])
async def test_no_audio_at_all_is_a_clean_end(work: Work, ending: Command) -> None:
    events = await run(work, ending)
    assert [type(event) for event in events] == [Status, Complete]


async def test_a_language_that_the_engine_lacks_is_refused(tmp_path: Path) -> None:
    async with Work(tmp_path, LengthEngine(languages=frozenset({"en"}))) as work:
        events = await run(work, Started(replace(RAW, language="de")), SPEECH, Ended())
        failed = events[-1]
        assert isinstance(failed, Failed)
        assert (failed.error.code, failed.error.close_code) == ("unsupported_language", 1008)
        assert not work.engine.jobs


async def test_reconfigure_is_checked_and_used(tmp_path: Path) -> None:
    async with Work(tmp_path, LengthEngine(languages=frozenset({"en", "fr"}))) as work:
        changes = [Reconfigure({"language": "de"}), Reconfigure({"language": "fr"})]
        await run(work, Started(RAW), *changes, SPEECH, Ended())
        (failed,) = work.of(Failed)
        assert (failed.error.field, failed.error.close_code) == ("language", None)
        assert {job.options.language for job in work.engine.jobs} == {"fr"}


async def test_tracks_lose_nothing_to_one_another(work: Work) -> None:
    """Speech begins and ends on each while the other is silent, speaks, or has just been let go of."""
    left = tone(0.7) + silence(1.3) + tone(1.2) + silence(2.8)
    right = silence(1.06) + tone(0.5, level=0.6) + silence(0.94) + tone(1.9, level=0.6) + silence(1.6)
    both = np.stack([np.frombuffer(left, "<i2"), np.frombuffer(right, "<i2")], axis=1).tobytes()
    await run(work, Started(replace(RAW, channels=2, separate_channels=True)), both, Ended())
    finals = sorted((final.start, final.channel, final.text.partition(" ")[2]) for final in work.of(Transcription))
    assert [(channel, peak) for _, channel, peak in finals] == [(0, "p30"), (1, "p60"), (0, "p30"), (1, "p60")]
    assert [start for start, _, _ in finals] == pytest.approx([0.0, 1.06, 2.0, 2.5], abs=0.04)


async def test_bad_input_is_answered_in_its_place(work: Work) -> None:
    events = await run(work, Started(RAW), SPEECH[:64_000], Rejected(Error("invalid_json", "No.")), Ended())
    assert [failed.error.code for failed in work.of(Failed)] == ["invalid_json"]
    assert isinstance(events[-1], Complete)


@pytest.mark.parametrize(
    ("record", "names"),
    [("none", []), ("text", ["transcript.json", "transcript.srt", "transcript.txt", "transcript.vtt"])],
)
async def test_only_what_may_be_kept_is_stored(work: Work, record: Any, names: list[str]) -> None:
    await run(work, Started(replace(RAW, record=record)), SPEECH, Ended())
    assert work.all_stored() == names
    assert not work.spool.directory.exists()


async def test_decoding_waits_for_an_engine_that_is_behind(work: Work) -> None:
    work.engine.gate.clear()
    work.spool.append_command(Started(RAW))
    task = work.start()
    for _ in range(40):
        work.spool.append_audio(tone(3.0) + silence(1.0))
    await until(lambda: work.engine.jobs)
    await asyncio.sleep(0.2)
    held = work.runner._pending_samples / 16_000  # pyright: ignore[reportPrivateUsage]
    assert 25 < held < 45
    work.engine.gate.set()
    work.spool.append_command(Ended())
    await task
    assert len(work.of(Transcription)) == 40


async def test_a_session_cut_off_by_the_end_of_its_process_goes_on_where_it_was(tmp_path: Path) -> None:
    async with Work(tmp_path) as first:
        first.spool.append_command(Started(RAW))
        task = first.start()
        first.spool.append_audio(SPEECH[:96_000])
        await until(lambda: len(first.of(Transcription)) == 1)
        told = first.events()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with Work(tmp_path) as second:
        second.engine.answer = lambda job: replace(LengthEngine.hear(job), text="other")
        events = await run(second, Disconnected())
        assert events[: len(told)] == told
        assert [final.utterance for final in second.of(Transcription)] == [1, 2]
        assert second.of(Transcription)[1].text == "other"
        assert [type(event) for event in events].count(Status) == 2  # at first, and after the start
        assert isinstance(events[-1], Complete)


async def test_wrong_wav_sizes_are_repaired_in_the_recording(work: Work) -> None:
    header = bytearray(wav(SPEECH)[:44])
    struct.pack_into("<I", header, 4, 0)
    struct.pack_into("<I", header, 40, 0)
    await run(work, Started(Options()), bytes(header) + SPEECH, Ended())
    with wave.open(str(work.stored("audio.wav"))) as recording:
        assert recording.getnframes() == len(SPEECH) // 2


def two_voices() -> bytes:
    """The second speaks while the first pauses, then both at once."""
    first = silence(0.5) + tone(1.0) + silence(2.0) + tone(1.0) + silence(1.0)
    second = silence(2.0) + tone(0.7, level=0.5) + silence(0.8) + tone(0.6, level=0.5) + silence(1.4)
    samples = np.stack([np.frombuffer(first, "<i2"), np.frombuffer(second, "<i2")], axis=1)
    return samples.tobytes()


async def test_tracks_are_told_apart(work: Work) -> None:
    options = replace(RAW, channels=2, separate_channels=True)
    data = two_voices()
    await run(work, Started(options), *[data[at : at + 6400] for at in range(0, len(data), 6400)], Ended())
    finals = work.of(Transcription)
    by_channel = {
        channel: [(final.start, final.end, final.text.split()[1]) for final in finals if final.channel == channel]
        for channel in (0, 1)
    }
    assert by_channel == {
        0: [(0.48, 1.504, "p30"), (3.488, 4.512, "p30")],
        1: [(1.984, 2.72, "p50"), (3.488, 4.128, "p50")],
    }
    assert sorted(final.utterance for final in finals) == [1, 2, 3, 4]
    for kind, moments in ((SpeechStarted, 4), (SpeechStopped, 4)):
        assert sorted(event.channel for event in work.of(kind)) == [0, 0, 1, 1], moments
    turns = {final.turn: final.channel for final in finals}
    assert turns == {event.turn: event.channel for event in work.of(SpeechStarted)}
    transcript = json.loads(work.stored("transcript.json").read_text())
    assert [(line["start"], line["channel"]) for line in transcript["utterances"]] == [
        *((0.48, 0), (1.984, 1), (3.488, 0), (3.488, 1)),
    ]
    with wave.open(str(work.stored("audio.wav"))) as recording:
        assert (recording.getnchannels(), recording.readframes(1 << 30)) == (2, data)


async def test_channels_are_mixed_unless_they_are_to_be_told_apart(work: Work) -> None:
    await run(work, Started(replace(RAW, channels=2)), two_voices(), Ended())
    assert {final.channel for final in work.of(Transcription)} == {0}
    assert [final.text.split()[1] for final in work.of(Transcription)] == ["p25", "p40"]


async def test_a_failing_engine_leaves_gaps_in_the_channel_that_spoke(work: Work) -> None:
    work.engine.answer = work.engine.fail
    await run(work, Started(replace(RAW, channels=2, separate_channels=True)), two_voices(), Ended())
    assert sorted(failed.channel or 0 for failed in work.of(Failed)) == [0, 0, 1, 1]


async def test_too_many_tracks_are_refused(work: Work) -> None:
    samples = np.zeros((100, 9), np.int16)
    events = await run(work, Started(Options(separate_channels=True)), wav_file(samples, 16_000), Ended())
    failed = events[-1]
    assert isinstance(failed, Failed)
    assert (failed.error.code, failed.error.close_code) == ("too_many_channels", 1003)


@pytest.mark.parametrize(
    ("name", "extension"), [("webm", "webm"), ("ogg opus", "ogg"), ("mp3", "mp3"), ("m4a", "m4a"), ("caf", "caf")]
)
async def test_recordings_are_kept_as_they_came(work: Work, name: str, extension: str) -> None:
    stream = encoded(name, 2.0)
    pieces = [stream[at : at + 500] for at in range(0, len(stream), 500)]
    events = await run(work, Started(Options()), *pieces, Ended())
    complete = events[-1]
    assert isinstance(complete, Complete)
    assert complete.duration == pytest.approx(2.0, abs=0.05)
    assert work.of(Transcription)[-1].chunk_range == (1, len(pieces))
    assert work.stored(f"audio.{extension}").read_bytes() == stream


async def test_damage_is_told_once_with_its_place_and_the_rest_is_transcribed(work: Work) -> None:
    stream = encoded("ogg opus", 4.0)
    middle = len(stream) // 2
    await run(work, Started(Options()), stream[:middle] + stream[middle + 300 :], Ended())
    (warned,) = work.of(Warned)
    assert (warned.code, warned.at) == ("audio_damaged", pytest.approx(1.8, abs=0.2))
    for name in ("transcript.txt", "transcript.srt", "transcript.vtt"):
        assert work.stored(name).read_text().count("[audio damaged or missing") == 1
    (missing,) = json.loads(work.stored("transcript.json").read_text())["missing"]
    assert missing == {"start": warned.at, "end": warned.end, "reason": "audio_damaged"}
    complete = work.events()[-1]
    assert isinstance(complete, Complete)
    assert complete.duration == pytest.approx(4.0, abs=0.02), "times behind it are those of the recording"
    assert f"From {warned.at:.3f} to {warned.end:.3f} s" in warned.message


async def test_damage_that_was_told_is_not_told_again_after_the_end_of_the_process(tmp_path: Path) -> None:
    stream = encoded("ogg opus", 8.0)
    middle = len(stream) // 2
    broken = stream[: middle // 2] + stream[middle // 2 + 300 : middle] + stream[middle + 300 :]
    async with Work(tmp_path) as first:
        first.spool.append_command(Started(Options()))
        task = first.start()
        first.spool.append_audio(broken)
        await until(lambda: len(first.of(Warned)) == 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with Work(tmp_path) as second:
        await run(second, Disconnected())
        assert len(second.of(Warned)) == 2


async def test_few_bytes_that_mean_much_silence_do_not_fill_memory(work: Work) -> None:
    """10 KB of FLAC are eleven minutes of silence."""
    events = await run(work, Started(Options()), flac_silence(frames=160), Ended())
    complete = events[-1]
    assert isinstance(complete, Complete)
    assert complete.duration == pytest.approx(160 * 65_535 / 16_000)
    assert work.runner._intake.samples.kept_seconds < 5  # pyright: ignore[reportPrivateUsage]
