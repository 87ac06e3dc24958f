"""What the engine failed on gets its text late, once the engine works again."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes import LengthEngine
from tests.stage import RAW, SPEECH, Work, until, wav
from transcriber.engines.engine import Job, Outcome
from transcriber.events import Complete, Disconnected, Ended, Failed, Options, Started, Transcription, TranscriptionLate


class Moody(LengthEngine):
    """Fails so many times, then works."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures
        self.answer = self._moody

    def _moody(self, job: Job) -> Outcome:
        self.failures -= 1
        return self.fail(job) if self.failures >= 0 else self.hear(job)


async def told_whole(folder: Path, options: Options, audio: bytes) -> list[str]:
    """The texts with an engine that always works."""
    async with Work(folder) as work:
        task = work.start()
        work.spool.append_command(Started(options))
        work.spool.append_audio(audio)
        work.spool.append_command(Ended())
        await task
        return [final.text for final in work.of(Transcription)]


@pytest.mark.parametrize(("options", "audio"), [(RAW, SPEECH), (Options(), wav(SPEECH))], ids=["raw", "wav"])
async def test_a_gap_is_filled_while_the_session_lives(tmp_path: Path, options: Options, audio: bytes) -> None:
    texts = await told_whole(tmp_path / "whole", options, audio)
    async with Work(tmp_path / "gaps", Moody(1)) as work:
        task = work.start()
        work.spool.append_command(Started(options))
        for start in range(0, len(audio), 3000):
            work.spool.append_audio(audio[start : start + 3000])
        await until(lambda: work.of(TranscriptionLate))
        (failed,) = work.of(Failed)
        (late,) = work.of(TranscriptionLate)
        assert (late.utterance, late.turn, late.channel) == (failed.utterance, failed.turn, failed.channel)
        assert (late.start, late.end) == (failed.start, failed.end)
        assert late.text == texts[0]
        assert late.times == "estimated"
        assert late.words[0].start >= late.start
        assert late.words[-1].end <= late.end
        work.spool.append_command(Ended())
        await task
        (complete,) = work.of(Complete)
        assert complete.full_transcription == " ".join(texts)
        assert work.stored("transcript.txt").read_text().splitlines() == texts


async def test_gaps_without_a_later_success_stay(tmp_path: Path) -> None:
    async with Work(tmp_path, Moody(100)) as work:
        task = work.start()
        work.spool.append_command(Started(RAW))
        work.spool.append_audio(SPEECH)
        work.spool.append_command(Ended())
        await task
        assert len(work.of(Failed)) == len(work.engine.jobs) == 3, "an engine that is down is not asked again"
        assert work.of(TranscriptionLate) == []


async def test_gaps_are_tried_again_at_the_end(tmp_path: Path) -> None:
    texts = await told_whole(tmp_path / "whole", RAW, SPEECH)
    async with Work(tmp_path / "gaps", Moody(2)) as work:
        task = work.start()
        work.spool.append_command(Started(RAW))
        work.spool.append_audio(SPEECH)
        work.spool.append_command(Ended())
        await task
        assert [late.utterance for late in work.of(TranscriptionLate)] == [1, 2]
        assert work.stored("transcript.txt").read_text().splitlines() == texts
        assert isinstance(work.events()[-1], Complete)


async def test_a_pass_ends_where_the_engine_fails_again(tmp_path: Path) -> None:
    async with Work(tmp_path) as work:
        outcomes = iter([True, True, False, True])

        def answer(job: Job) -> Outcome:
            return work.engine.fail(job) if next(outcomes) else work.engine.hear(job)

        work.engine.answer = answer
        task = work.start()
        work.spool.append_command(Started(RAW))
        for start in range(0, len(SPEECH), 3200):
            work.spool.append_audio(SPEECH[start : start + 3200])
            await asyncio.sleep(0.005)
        work.spool.append_command(Ended())
        await task
        assert len(work.engine.jobs) == 4
        assert work.of(TranscriptionLate) == []
        assert len(work.of(Transcription)) == 1
        assert isinstance(work.events()[-1], Complete)


async def test_a_recovered_session_has_its_gaps_tried_again_but_not_what_was_told_late(tmp_path: Path) -> None:
    async with Work(tmp_path, Moody(100)) as first:
        task = first.start()
        first.spool.append_command(Started(RAW))
        first.spool.append_audio(SPEECH)
        await until(lambda: len(first.of(Failed)) == 2)
        task.cancel()
        failed = first.of(Failed)[0]
        start, end = failed.start or 0.0, failed.end or 0.0
        late = TranscriptionLate(1, failed.turn or 0, 0, "told late", start, end, None, (), "estimated")
        first.spool.append_event(late)
        first.spool.append_command(Disconnected())
    async with Work(tmp_path) as second:
        await second.start(recovering=True)
        assert [event.utterance for event in second.of(TranscriptionLate)] == [1, 2]
        assert [event.utterance for event in second.of(Failed)] == [1, 2]
        lines = second.stored("transcript.txt").read_text().splitlines()
        assert lines[0] == "told late"
        assert len(lines) == 3


async def test_an_utterance_is_tried_again_with_what_was_asked_then(tmp_path: Path) -> None:
    async with Work(tmp_path, Moody(1)) as work:
        task = work.start()
        work.spool.append_command(Started(replace(RAW, language="en")))
        work.spool.append_audio(SPEECH)
        work.spool.append_command(Ended())
        await task
        assert {job.options.language for job in work.engine.jobs} == {"en"}
        assert len(work.engine.jobs) == 4
