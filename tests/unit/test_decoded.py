"""Recordings with a pause, from what is sent to what is stored: nothing of the pause is in it, and times stay right."""

import io
import json
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.corpus import coded_samples, encoded, wav_of
from tests.stage import RAW, SPEECH, Work, silence, tone
from transcriber.audio.coding import samples_of
from transcriber.events import (
    Complete,
    Ended,
    Options,
    PauseRecording,
    RecordingPaused,
    RecordingResumed,
    ResumeRecording,
    Started,
    Transcription,
)
from transcriber.pauses import SETTLE_SECONDS

TEXTS = ["transcript.json", "transcript.srt", "transcript.txt", "transcript.vtt"]


async def recorded(work: Work, options: Options, *script: bytes | PauseRecording | ResumeRecording) -> None:
    work.spool.append_command(Started(options))
    for item in script:
        if isinstance(item, bytes):
            work.spool.append_audio(item)
        else:
            work.spool.append_command(item)
    work.spool.append_command(Ended())
    await work.start()


def samples(path: Path) -> NDArray[np.int16]:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(1 << 30), "<i2")


async def test_what_was_said_in_a_pause_is_told_and_not_kept(tmp_path: Path) -> None:
    first, second, third = silence(0.5) + tone(1.0) + silence(0.3), tone(0.7, level=0.5), silence(0.9) + tone(0.4)
    async with Work(tmp_path) as work:
        await recorded(work, RAW, first, PauseRecording(), second, ResumeRecording(), third)
        finals = work.of(Transcription)
        assert len(finals) == 3, "all is told"
        assert [(event.at) for event in work.of(RecordingPaused)] == [1.8]
        assert [(event.at) for event in work.of(RecordingResumed)] == [2.5]
        (complete,) = work.of(Complete)
        assert complete.full_transcription == f"{finals[0].text} {finals[2].text}"
        with wave.open(str(work.stored("audio.wav"))) as file:
            assert file.readframes(1 << 30) == first + bytes(len(second)) + third
        lines = json.loads(work.stored("transcript.json").read_text())["utterances"]
        assert [line["gap"] for line in lines] == [None, "recording_paused", None]
        kept = work.stored("transcript.json").read_text() + work.stored("transcript.txt").read_text()
        assert finals[1].text not in kept
        assert "recording_paused" in work.stored("transcript.txt").read_text()


async def test_an_utterance_is_cut_where_the_recording_is_paused(tmp_path: Path) -> None:
    async with Work(tmp_path) as work:
        await recorded(work, RAW, tone(1.0), PauseRecording(), tone(1.0), ResumeRecording(), tone(1.0))
        finals = work.of(Transcription)
        assert [(final.start, final.end) for final in finals] == [(0, 1), (1, 2), (2, 3)]
        # No context of one utterance reaches into another.
        assert [final.text.split()[0] for final in finals] == ["s16000"] * 3
        (complete,) = work.of(Complete)
        assert complete.full_transcription == f"{finals[0].text} {finals[2].text}"


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pause=st.integers(0, 40_000), length=st.integers(0, 40_000), cuts=st.lists(st.integers(1, 20_000), max_size=4))
async def test_how_audio_is_cut_never_changes_what_is_kept(
    tmp_path_factory: pytest.TempPathFactory, pause: int, length: int, cuts: list[int]
) -> None:
    kept: list[tuple[bytes, str]] = []
    for sizes in (cuts, []):
        async with Work(tmp_path_factory.mktemp("work")) as work:
            parts = (SPEECH[:pause], SPEECH[pause : pause + length], SPEECH[pause + length :])
            script: list[bytes | PauseRecording | ResumeRecording] = []
            for part, command in zip(parts, (PauseRecording(), ResumeRecording(), None), strict=True):
                position = 0
                for size in (*sizes, len(part)):
                    script += [piece] if (piece := part[position : position + size]) else []
                    position += size
                script += [command] if command else []
            await recorded(work, RAW, *script)
            kept.append((work.stored("audio.wav").read_bytes(), work.stored("transcript.txt").read_text()))
    assert kept[0] == kept[1]


@pytest.mark.parametrize("encoding", ["mulaw", "alaw", "pcm_u8", "pcm_s24le", "pcm_f32le"])
async def test_every_encoding_gets_its_own_silence(tmp_path: Path, encoding: str) -> None:
    options = Options(encoding=encoding, sample_rate=8_000)
    audio = coded_samples(encoding, 8_000)
    third = len(audio) // 4
    first, second, rest = audio[:third], audio[third : 2 * third], audio[2 * third :]
    async with Work(tmp_path) as work:
        await recorded(work, options, first, PauseRecording(), second, ResumeRecording(), rest)
        stored = work.stored("audio.wav").read_bytes()[-len(audio) :]
        assert stored[:third] == first
        assert stored[2 * third :] == rest
        assert abs(samples_of(encoding, stored[third : 2 * third])).max() < 0.001  # type: ignore[arg-type]


async def test_a_pause_in_a_wav_file_leaves_its_header(tmp_path: Path) -> None:
    audio = wav_of("16 bits", 16_000, 1.0)
    async with Work(tmp_path) as work:
        await recorded(work, Options(), PauseRecording(), audio[:10_000], ResumeRecording(), audio[10_000:])
        with wave.open(io.BytesIO(work.stored("audio.wav").read_bytes())) as file:
            found = file.readframes(1 << 30)
        paused = 10_000 - audio.index(b"data") - 8
        assert not any(found[:paused])
        assert found[paused:] == audio[10_000:]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        *((name, "audio.wav") for name in ("webm", "ogg opus", "flac", "mp3", "aac", "mp4 fragmented", "mpegts")),
        *((name, "audio.decoded.wav") for name in ("wav ima adpcm", "wav g722", "wav mp3")),
    ],
)
async def test_coded_audio_with_a_pause_is_stored_decoded(tmp_path: Path, name: str, file: str) -> None:
    coded = encoded(name, 12.0)
    quarter = len(coded) // 4
    async with Work(tmp_path / "whole") as whole:
        await recorded(whole, Options(), coded)
        (complete,) = whole.of(Complete)
    async with Work(tmp_path / "paused") as work:
        parts = coded[:quarter], coded[quarter : 2 * quarter], coded[2 * quarter :]
        await recorded(work, Options(), parts[0], PauseRecording(), parts[1], ResumeRecording(), parts[2])
        (paused,), (resumed,) = work.of(RecordingPaused), work.of(RecordingResumed)
        assert work.all_stored() == [file, *TEXTS]
        found = samples(work.stored(file))
        assert len(found) / 16_000 == pytest.approx(complete.duration, abs=0.001)
        first, last = round(paused.at * 16_000), round((resumed.at + SETTLE_SECONDS) * 16_000)
        assert not found[first + 8 : last - 8].any(), "but for half a millisecond, to which times are rounded"
        assert np.abs(found[:first]).max() > 1000
        assert np.abs(found[last:]).max() > 1000


async def test_a_file_that_is_read_as_a_whole_is_not_kept_once_it_was_paused(tmp_path: Path) -> None:
    coded = encoded("caf", 3.0)
    async with Work(tmp_path) as work:
        await recorded(work, Options(), coded[:1000], PauseRecording(), ResumeRecording(), coded[1000:])
        (complete,) = work.of(Complete)
        assert work.all_stored() == TEXTS
        assert complete.full_transcription == ""
        assert "audio" not in complete.storage.locations
