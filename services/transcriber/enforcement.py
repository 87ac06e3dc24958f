"""What holds of sessions that are going on: their key's end, and its audio of the day. Looked at every second."""

import asyncio
import logging

from transcriber.auth import Gate
from transcriber.events import Rejected
from transcriber.sessions import Sessions
from transcriber.storage.store import StoreError
from transcriber.tallies import Tallies, share

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
_SWEEP_SECONDS = 3600.0


async def enforce(gate: Gate, sessions: Sessions, *, seconds: float = _LOOK_SECONDS) -> None:
    """End sessions that may not go on, until cancelled. What they sent before is transcribed and kept."""
    while True:
        objection = gate.objections()
        for live in sessions.living():
            if not live.ended and (error := objection(live.admission.owner, live.admission.key_id)):
                log.info("session ended", extra={"session": live.session_id, "reason": error.code})
                live.end(Rejected(error, loses_audio=True))
        await asyncio.sleep(seconds)


async def count_together(tallies: Tallies, gate: Gate, sessions: Sessions) -> None:
    """Count together with all processes that share the store, until cancelled."""
    await share(tallies, gate.quotas, lambda: {live.status.owner for live in sessions.living()})


async def sweep(gate: Gate, tallies: Tallies, *, seconds: float = _SWEEP_SECONDS) -> None:
    """Forget used tokens that have expired and what was counted on former days, until cancelled."""
    while True:
        try:
            await gate.forget_tokens()
            await tallies.forget()
        except StoreError as problem:
            log.warning("the store is not swept", extra={"reason": type(problem).__name__})
        await asyncio.sleep(seconds)
