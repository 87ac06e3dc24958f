"""Clients that stream speech as it is spoken, and are polite or not when the service closes."""

import asyncio
import contextlib
import json
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tests import lj001
from tests.service_process import ServiceProcess
from tests.transport.raw_client import BINARY, CLOSE, TEXT, RawClient, close_frame, connected, frame

Kind = Literal["polite", "stubborn", "deaf"]
"""Stubborn clients ignore the close frame and go on streaming; deaf ones read nothing behind the first message."""

CHUNK_SECONDS = 0.1
CHUNK_BYTES = 3200
AUDIO = lj001.wav(0, 50)


@dataclass
class Call:
    """One client's life, as it saw it."""

    kind: Kind
    sent_bytes: int = 0
    heard: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    close: tuple[int, str] | None = None
    closed_at: float | None = None
    """When the close frame came, on the monotonic clock."""

    @property
    def session_id(self) -> str:
        return str(self.heard[0]["session_id"])

    @property
    def kinds(self) -> list[str]:
        return [message["type"] for message in self.heard]

    async def run(self, port: int) -> None:
        """Until the connection is gone."""
        async with connected(port, "/ws") as client:
            self.heard.append(json.loads(await client.message()))
            speaking = asyncio.create_task(self._speak(client))
            try:
                if self.kind == "deaf":
                    client.writer.transport.pause_reading()
                    await speaking
                else:
                    await self._listen(client)
            finally:
                speaking.cancel()
                await asyncio.gather(speaking, return_exceptions=True)

    async def _speak(self, client: RawClient) -> None:
        with contextlib.suppress(ConnectionError):
            for start in range(0, len(AUDIO), CHUNK_BYTES):
                await client.send(frame(BINARY, AUDIO[start : start + CHUNK_BYTES]))
                self.sent_bytes += CHUNK_BYTES
                await asyncio.sleep(CHUNK_SECONDS)

    async def _listen(self, client: RawClient) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                opcode, payload = await client.frame()
                if opcode == TEXT:
                    self.heard.append(json.loads(payload))
                elif opcode == CLOSE:
                    self.closed_at = time.monotonic()
                    self.close = struct.unpack("!H", payload[:2])[0], payload[2:].decode()
                    if self.kind == "polite":
                        await client.send(close_frame(self.close[0]))


@dataclass(frozen=True)
class Ending:
    """How a service ended with calls going on."""

    exit_code: int
    seconds: float
    """From the first signal to the end of the process."""
    calls: list[Call]
    sent_before: list[int]
    """Bytes that each call had sent when the signal came."""

    def of(self, kind: Kind) -> list[Call]:
        return [call for call in self.calls if call.kind == kind]


async def end_amid_calls(
    service: ServiceProcess, kinds: Sequence[Kind], signals: Sequence[tuple[float, int]], speaking_seconds: float
) -> Ending:
    """Let everybody speak for so long, then send the signals, each after its pause."""
    calls = [Call(kind) for kind in kinds]
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(call.run(service.port)) for call in calls]
        await asyncio.sleep(speaking_seconds)
        sent_before, began = [call.sent_bytes for call in calls], time.monotonic()
        for pause, number in signals:
            await asyncio.sleep(pause)
            service.send_signal(number)
        exit_code = await asyncio.to_thread(service.wait)
        seconds = time.monotonic() - began
        # What reads nothing does not see the end either.
        await asyncio.sleep(0.2)
        for task in running:
            task.cancel()
    return Ending(exit_code, seconds, calls, sent_before)


def check_kept(service: ServiceProcess, ending: Ending) -> None:
    """Every call's recording and transcript is stored: what was sent before the signal, and no gap in the text."""
    for call, before in zip(ending.calls, ending.sent_before, strict=True):
        folder = service.stored(call.session_id)
        recording = (folder / "audio.wav").read_bytes()
        # The last chunks may have been on their way.
        assert len(recording) >= before - 2 * CHUNK_BYTES, call.kind
        assert recording[44:] == AUDIO[44 : len(recording)]
        transcript = json.loads((folder / "transcript.json").read_text())
        assert transcript["utterances"]
        assert [line.get("gap") for line in transcript["utterances"] if line.get("gap")] == []
        assert transcript["text"].startswith("Printing, in the only sense")
    assert service.leftovers() == []
