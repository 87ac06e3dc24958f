"""One session in real time over the Python client, and when everything was sent and arrived."""

import asyncio
import bisect
import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bench._joining import Audio
from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.client import Complete, Event, Failed, Partial, Session, Transcription, connect


@dataclass
class Heard:
    """Positions are seconds of the session's audio, times are the event loop's."""

    sent_positions: list[float] = field(default_factory=list[float])
    """The end of each message, rising."""
    sent_times: list[float] = field(default_factory=list[float])
    finals: list[tuple[Transcription, float]] = field(default_factory=list[tuple[Transcription, float]])
    partials: list[tuple[Partial, float]] = field(default_factory=list[tuple[Partial, float]])
    failed: int = 0
    """Utterances without a text."""
    complete: bool = False
    late_seconds: float = 0.0
    """The most by which a message was sent later than it should have been: the fault of the measuring side."""

    def sent_at(self, position: float) -> float:
        """When the message with this position was sent; the rounding of times on the wire is allowed for."""
        index = bisect.bisect_left(self.sent_positions, position - 0.001)
        return self.sent_times[min(index, len(self.sent_times) - 1)]

    def note(self, event: Event, at: float) -> None:
        match event:
            case Transcription():
                self.finals.append((event, at))
            case Partial():
                self.partials.append((event, at))
            case Failed(utterance=int()):
                self.failed += 1
            case Complete():
                self.complete = True
            case _:
                pass

    def pause_lags(self) -> list[float]:
        """From the last speech of each utterance that a pause ended, where the service says it is, to its final."""
        return [at - self.sent_at(final.end) for final, at in self.finals if final.reason == "silence"]


async def stream(
    url: str,
    audio: Audio,
    *,
    interim: bool,
    message_ms: int = 20,
    delay_seconds: float = 0.0,
    grace_seconds: float = 60.0,
) -> Heard:
    """Send `audio` as fast as it was spoken, then `END`; wait so long for the rest.

    Raises:
        TranscriberError: the service refused, or the connection was lost.
    """
    await asyncio.sleep(delay_seconds)
    heard = Heard()
    raw = f"{url}?encoding=pcm_s16le&sample_rate={SAMPLE_RATE}&channels=1"
    async with connect(raw, language="en", interim_results=interim) as session:
        reading = asyncio.create_task(_read(session, heard))
        try:
            await _send(session, audio, SAMPLE_RATE * message_ms // 1000, heard)
            await session.finish()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reading, grace_seconds)
        finally:
            reading.cancel()
    return heard


async def _read(session: Session, heard: Heard) -> None:
    loop = asyncio.get_running_loop()
    async for event in session:
        heard.note(event, loop.time())


async def _send(session: Session, audio: Audio, step: int, heard: Heard) -> None:
    """A message leaves when its last sample has been spoken."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for start in range(0, audio.size, step):
        end = min(start + step, audio.size)
        due = began + end / SAMPLE_RATE
        await asyncio.sleep(due - loop.time())
        heard.sent_positions.append(end / SAMPLE_RATE)
        heard.sent_times.append(loop.time())
        heard.late_seconds = max(heard.late_seconds, loop.time() - due)
        await session.send(audio[start:end].tobytes())


def spans(finals: Iterable[tuple[Transcription, float]]) -> list[tuple[float, float]]:
    return [(final.start, final.end) for final, _ in finals]


def coverage(start: float, end: float, covering: Sequence[tuple[float, float]]) -> float:
    """The share of a stretch that lies in any of the others."""
    reached, covered = start, 0.0
    for begin, stop in sorted(covering):
        low, high = max(begin, reached), min(stop, end)
        if high > low:
            covered += high - low
            reached = high
    return covered / (end - start)
