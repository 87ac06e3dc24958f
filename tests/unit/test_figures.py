"""What is counted of a session, from beginning to end."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.stage import RAW, SPEECH, Work, silence, tone, until
from transcriber.events import Command, Disconnected, Ended, Error, Options, Rejected, Started, Transcription
from transcriber.recorder import Recorder
from transcriber.runner import Runner
from transcriber.storage.store import Item, Store, StoreError
from transcriber.tracing import Attribute

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"


class KeptSpan:
    """A span that remembers."""

    def __init__(self, name: str, spans: "list[KeptSpan]", parent: "KeptSpan | None", **attributes: Attribute) -> None:
        self.name = name
        self.parent = parent
        self.attributes = dict(attributes)
        self.error: str | None = None
        self.ended = 0
        self._spans = spans
        spans.append(self)

    def child(self, name: str, *, ago_seconds: float = 0.0, **attributes: Attribute) -> "KeptSpan":
        assert not self.ended
        assert ago_seconds >= 0
        return KeptSpan(name, self._spans, self, **attributes)

    def end(self, error: str | None = None, attributes: Mapping[str, Attribute] | None = None) -> None:
        self.error, self.ended = error, self.ended + 1
        self.attributes |= attributes or {}


class KeptTraces:
    def __init__(self) -> None:
        self.spans: list[KeptSpan] = []

    def begin(self, name: str, **attributes: Attribute) -> KeptSpan:
        return KeptSpan(name, self.spans, None, **attributes)

    async def close(self) -> None:
        return None

    def named(self, name: str) -> list[KeptSpan]:
        return [span for span in self.spans if span.name == name]


class Refusing:
    """A store that may refuse texts."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.refuses = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def put(self, key: str, data: bytes) -> Item:
        if self.refuses:
            raise StoreError("No.")
        return await self._store.put(key, data)


class Watched(Work):
    """A session whose figures are looked at."""

    def __init__(self, folder: Path, *, recovering: bool = False) -> None:
        super().__init__(folder)
        self.traces = KeptTraces()
        self.refusing = Refusing(self.store)
        recorder = Recorder(self.refusing, metrics=self.parts.metrics)  # type: ignore[arg-type]
        self.parts = replace(self.parts, traces=self.traces, recorder=recorder)
        self.recovering = recovering

    def start(self) -> asyncio.Task[None]:
        self.runner = Runner(self.spool, self.status, self.parts, recovering=self.recovering)
        return asyncio.create_task(self.runner.run())

    def value(self, name: str, **labels: str) -> float:
        return self.parts.metrics.registry.get_sample_value(f"transcriber_{name}", labels) or 0.0

    async def live(self, audio: bytes, *, message_seconds: float = 0.02) -> None:
        """Send in real time."""
        size = int(32_000 * message_seconds)
        due = asyncio.get_running_loop().time()
        for start in range(0, len(audio), size):
            self.spool.append_audio(audio[start : start + size])
            due += message_seconds
            await asyncio.sleep(due - asyncio.get_running_loop().time())

    async def whole(self, *script: bytes | Command) -> None:
        for item in script:
            if isinstance(item, bytes):
                self.spool.append_audio(item)
            else:
                self.spool.append_command(item)
        async with asyncio.timeout(20):
            await self.start()


@pytest.fixture
async def work(tmp_path: Path) -> AsyncIterator[Watched]:
    async with Watched(tmp_path) as made:
        yield made


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    """What the log has of sessions that are over."""
    caplog.set_level(logging.INFO, "transcriber.figures")

    def over() -> list[dict[str, Any]]:
        return [record.__dict__ for record in caplog.records if record.getMessage() == "session over"]

    return over


async def test_a_session_leaves_one_line_with_its_figures(work: Watched, lines: Any) -> None:
    await work.whole(Started(RAW), SPEECH, Ended())
    (line,) = lines()
    spoken = sum(final.end - final.start for final in work.of(Transcription))
    assert (line["session"], line["end"], line["storage"]) == ("id", "complete", "stored")
    assert (line["audio_seconds"], line["received_bytes"], line["received_messages"]) == (4.512, len(SPEECH), 1)
    assert (line["utterances"], line["finals"], line["failures"], line["partials"]) == (3, 3, 0, 0)
    assert line["speech_seconds"] == pytest.approx(spoken, abs=0.04)
    assert line["upstream_seconds"] == pytest.approx((27_584 + 22_464 + 12_864) / 16_000, abs=0.01)
    assert line["latency_p50_seconds"] is None, "nobody waits for what is sent faster than it is said"
    assert line["recovered"] is False


async def test_the_metrics_of_the_process_grow_by_it(work: Watched) -> None:
    await work.whole(Started(RAW), SPEECH, Ended())
    assert work.value("sessions_ended_total", end="complete") == 1
    assert work.value("audio_in_seconds_total") == pytest.approx(4.512)
    assert work.value("audio_transcribed_seconds_total") == pytest.approx(2.132, abs=0.01)
    assert work.value("received_bytes_total") == len(SPEECH)
    assert work.value("received_messages_total") == 1
    assert work.value("engine_answer_seconds_count", kind="final") == 3
    assert work.value("final_latency_seconds_count") == 0
    assert work.value("stored_bytes_total", kind="audio") == len(SPEECH) + 44
    assert work.value("store_seconds_count") == 1


async def test_states_are_counted_while_they_last(work: Watched) -> None:
    def states() -> dict[str, float]:
        names = ("waiting", "listening", "finishing", "closed")
        return {name: count for name in names if (count := work.value("sessions", state=name))}

    task = work.start()
    await until(lambda: states() == {"waiting": 1})
    work.spool.append_command(Started(RAW))
    await until(lambda: states() == {"listening": 1})
    work.engine.gate.clear()
    work.spool.append_audio(SPEECH)
    work.spool.append_command(Ended())
    await until(lambda: states() == {"finishing": 1})
    work.engine.gate.set()
    await task
    assert states() == {}


async def test_latency_is_from_the_end_of_speech_to_the_text(work: Watched, lines: Any) -> None:
    work.spool.append_command(Started(replace(RAW, endpointing_ms=300, interim_results=True)))
    task = work.start()
    await work.live(tone(0.8) + silence(0.7))
    await until(lambda: work.of(Transcription))
    work.spool.append_command(Ended())
    await task
    (line,) = lines()
    assert 0.28 <= line["latency_p50_seconds"] <= 0.6
    assert line["latency_p95_seconds"] == line["latency_p50_seconds"]
    assert line["partials"] >= 1
    assert work.value("final_latency_seconds_count") == 1
    assert work.value("final_latency_seconds_sum") == pytest.approx(line["latency_p50_seconds"], abs=0.001)
    assert work.value("first_partial_latency_seconds_count") == 1
    assert 0.5 <= work.value("first_partial_latency_seconds_sum") <= 0.9


async def test_a_speaker_who_stalls_has_waited_since_the_last_sound(work: Watched, lines: Any) -> None:
    work.spool.append_command(Started(replace(RAW, endpointing_ms=200)))
    task = work.start()
    await work.live(tone(0.6))
    await until(lambda: work.of(Transcription))
    work.spool.append_command(Ended())
    await task
    (line,) = lines()
    assert 0.38 <= line["latency_p50_seconds"] <= 0.7, "twice the endpointing time"


async def test_failures_are_counted_by_what_the_engine_says(work: Watched, lines: Any) -> None:
    work.engine.answer = work.engine.fail
    await work.whole(Started(RAW), SPEECH, Ended())
    (line,) = lines()
    assert (line["finals"], line["failures"], line["utterances"]) == (0, 3, 3)
    assert work.value("engine_errors_total", code="engine_unreachable", kind="final") >= 3
    assert work.value("engine_answer_seconds_count", kind="final") == 0


async def test_what_can_not_be_stored_is_counted_and_said(work: Watched, lines: Any) -> None:
    work.refusing.refuses = True
    await work.whole(Started(RAW), SPEECH, Ended())
    (line,) = lines()
    assert (line["end"], line["storage"]) == ("complete", "failed")
    assert work.value("store_errors_total") == 1
    assert work.value("store_seconds_count") == 0


@pytest.mark.parametrize(
    ("last", "end"),
    [
        (Disconnected(), "disconnected"),
        (Ended(), "complete"),
        (Rejected(Error("idle_timeout", "No.", close_code=1008)), "idle_timeout"),
    ],
)
async def test_the_end_says_why(work: Watched, lines: Any, last: Command, end: str) -> None:
    await work.whole(Started(RAW), last)
    assert [line["end"] for line in lines()] == [end]
    assert work.value("sessions_ended_total", end=end) == 1


async def test_a_session_that_goes_to_the_next_process_is_suspended(tmp_path: Path, lines: Any) -> None:
    async with Watched(tmp_path) as first:
        first.spool.append_command(Started(RAW))
        task = first.start()
        first.spool.append_audio(SPEECH[:96_000])
        await until(lambda: len(first.of(Transcription)) == 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert first.value("audio_in_seconds_total") == pytest.approx(2.976)
    async with Watched(tmp_path, recovering=True) as second:
        await second.whole(Disconnected())
        assert second.value("audio_in_seconds_total") == pytest.approx(0.032, abs=0.04)
        assert second.value("received_bytes_total") == 0
        assert second.value("engine_answer_seconds_count", kind="final") == 1
    before, after = lines()
    assert (before["end"], before["finals"], before["storage"], before["recovered"]) == ("suspended", 1, "spool", False)
    assert (after["end"], after["finals"], after["storage"], after["recovered"]) == ("disconnected", 1, "stored", True)


async def test_a_bug_is_an_internal_error(work: Watched, lines: Any) -> None:
    work.parts = replace(work.parts, decoder_for=lambda options, read_at: 1 / 0)  # type: ignore[arg-type, return-value]
    await work.whole(Started(RAW), Ended())
    assert [line["end"] for line in lines()] == ["internal_error"]


async def test_a_session_is_a_trace(work: Watched) -> None:
    await work.whole(Started(replace(RAW, prompt="secret")), SPEECH, Ended())
    (session,) = work.traces.named("session")
    utterances, calls = work.traces.named("utterance"), work.traces.named("engine")
    assert [span.parent for span in utterances] == [session] * 3
    assert [span.parent for span in calls] == utterances
    assert [span.ended for span in work.traces.spans] == [1] * 7
    assert [span.error for span in work.traces.spans] == [None] * 7
    assert calls[0].attributes == {"kind": "final", "audio_seconds": 1.724}
    assert session.attributes["session"] == "id"
    assert session.attributes["finals"] == 3
    assert "latency_p50_seconds" not in session.attributes
    assert "secret" not in str([span.attributes for span in work.traces.spans])


async def test_what_goes_wrong_is_marked_in_the_trace(work: Watched) -> None:
    work.engine.answer = work.engine.fail
    await work.whole(Started(RAW), tone(0.5), Ended())
    assert {span.error for span in work.traces.named("engine")} == {"engine_unreachable"}
    assert [span.error for span in work.traces.named("utterance")] == ["engine_failed"]
    assert all(span.ended == 1 for span in work.traces.spans)


async def test_what_was_told_before_is_not_told_again(tmp_path: Path) -> None:
    async with Watched(tmp_path) as first:
        first.spool.append_command(Started(RAW))
        task = first.start()
        first.spool.append_audio(SPEECH[:96_000])
        await until(lambda: len(first.of(Transcription)) == 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert {span.ended for span in first.traces.spans} == {1}
    async with Watched(tmp_path, recovering=True) as second:
        await second.whole(Disconnected())
        assert len(second.traces.named("utterance")) == 2
        assert len(second.traces.named("engine")) == 1
        assert {span.ended for span in second.traces.spans} == {1}


def test_the_line_is_documented(lines: Any, tmp_path: Path) -> None:
    async def run() -> None:
        async with Watched(tmp_path) as work:
            await work.whole(Started(Options()), Ended())

    asyncio.run(run())
    (line,) = lines()
    standard = set(logging.makeLogRecord({}).__dict__) | {"message"}
    shown = re.findall(r"^- `(\w+)`: ", DOCUMENT.read_text(), re.MULTILINE)
    assert shown == [name for name in line if name not in standard]
