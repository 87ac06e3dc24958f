"""Where a session stands in time: behind what it received, ahead of the clock, or with the audio of another process."""

import asyncio
from datetime import UTC, datetime, timedelta

from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.engines.queue import Priority
from transcriber.intake import Intake
from transcriber.spool import Spool

_BEHIND_SECONDS = 5
"""A session further behind, or further ahead of real time, is backlog."""
_AHEAD_SECONDS = 1
"""Nobody waits for the texts of a session that has sent so much more than time has passed."""


class Standing:
    """Judged by what the intake has read of the spool. Made on the event loop whose clock counts."""

    def __init__(self, intake: Intake, spool: Spool, *, recovering: bool, patient: bool = False) -> None:
        """`recovering`: the audio that is there was received by a process before this one; `patient`: nobody is
        connected who waits."""
        self._intake = intake
        self._spool = spool
        self._patient = patient
        self._left_bytes = spool.received_bytes if recovering else -1
        self._left_seconds = 0.0
        """How long that audio is, as far as it is decoded."""
        self._began = self._heard_at = asyncio.get_running_loop().time()

    def heard(self) -> None:
        """More audio is decoded and judged."""
        self._heard_at = asyncio.get_running_loop().time()
        if self.catching_up:
            self._left_seconds = self._decoded_seconds

    @property
    def catching_up(self) -> bool:
        """Whether what is heard now was said to a process before this one."""
        return self._intake.position_bytes <= self._left_bytes

    def priority(self, *, final: bool) -> Priority:
        """Of what is to be recognized now."""
        if self.catching_up:
            return Priority.RECOVERY
        if self._patient or max(self._behind_seconds, self._ahead_seconds) > _BEHIND_SECONDS:
            return Priority.BACKLOG
        return Priority.LIVE_FINAL if final else Priority.LIVE_PARTIAL

    def arrived_at(self, sample: int) -> float | None:
        """When a sample came, if all that came since did in real time; None where nobody waits for the text."""
        behind = self._behind_seconds
        if self._patient or self.catching_up or self._ahead_seconds + behind > _AHEAD_SECONDS:
            return None
        return self._heard_at - behind - (self._intake.judged - sample) / SAMPLE_RATE

    def heard_at(self, sample: int) -> str | None:
        """The same on the wall clock: UTC, ISO 8601."""
        arrived = self.arrived_at(sample)
        if arrived is None:
            return None
        ago = timedelta(seconds=asyncio.get_running_loop().time() - arrived)
        return (datetime.now(UTC) - ago).isoformat(timespec="milliseconds")

    def progress(self, untold_from: int | None) -> tuple[float, float]:
        """Seconds of audio that are done with, and an estimate of their share of all that was received. `untold_from`
        is the sample where the first utterance without its text begins."""
        judged = self._intake.judged
        done = judged if untold_from is None else min(judged, untold_from)
        read = self._intake.decoding_bytes / max(1, self._spool.received_bytes)
        return done / SAMPLE_RATE, read * done / max(1, judged)

    @property
    def _decoded_seconds(self) -> float:
        return self._intake.samples.end / SAMPLE_RATE

    @property
    def _behind_seconds(self) -> float:
        """How long the audio is that was received and not yet decoded, judged by what was."""
        read = max(1, self._intake.position_bytes)
        return self._decoded_seconds * (self._spool.received_bytes - read) / read

    @property
    def _ahead_seconds(self) -> float:
        """How much longer the decoded audio is than the time in which it came."""
        elapsed = asyncio.get_running_loop().time() - self._began + self._left_seconds
        return self._decoded_seconds - elapsed
