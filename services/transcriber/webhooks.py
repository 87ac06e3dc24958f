"""Messages to a server of whoever runs the service: signed after Standard Webhooks (standardwebhooks.com), kept on the
disk until they are delivered, and tried again with growing pauses.

Where they go is a setting. No client names an address, so none can have the service ask another machine for it.
"""

import asyncio
import contextlib
import json
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2

from transcriber.metrics import Metrics
from transcriber.signing import signature

log = logging.getLogger(__name__)

PAUSES_SECONDS = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0)
"""Before each further attempt; 16 hours in all."""
WEBHOOKS = ".webhooks"
"""The folder of messages that wait, among the spools; no session is called so."""
MAX_WAITING = 10_000
_AT_ONCE = 4
_ANSWER_SECONDS = 15.0
_GONE = 410
"""The receiver wants no more of it, says the standard."""

Post = Callable[[str, bytes, Mapping[str, str]], Awaitable[int | None]]
"""Sends a body to a URL; the status, or None where there was no answer."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where messages go, and what they are signed with."""

    url: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """One that is not delivered yet."""

    id: str
    body: str = field(repr=False)
    due_at: float
    """Unix time of the next attempt."""
    attempts: int = 0

    def to_json(self) -> str:
        return json.dumps([1, self.id, self.body, self.due_at, self.attempts])

    @classmethod
    def from_json(cls, text: str) -> "Message":
        """Raises ValueError or TypeError."""
        _, message_id, body, due_at, attempts = json.loads(text)
        return cls(str(message_id), str(body), float(due_at), int(attempts))


class Outbox:
    """A file for each message; what a process before this one did not deliver goes on."""

    def __init__(
        self,
        folder: Path,
        target: Target,
        metrics: Metrics,
        *,
        post: Post | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Raises OSError: the folder can't be used."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._target = target
        self._metrics = metrics
        self._post = post or post_over_http
        self._now = now
        self._waiting: dict[str, Message] = {}
        self._sending = dict[str, asyncio.Task[None]]()
        self._bell = asyncio.Event()
        for path in sorted(folder.glob("*.json")):
            try:
                message = Message.from_json(path.read_text("utf-8"))
            except (ValueError, TypeError):
                log.error("webhook damaged: left as it is", extra={"file": path.name})
            else:
                self._waiting[message.id] = message

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, kind: str, data: Mapping[str, Any]) -> None:
        """Have something told. Never fails: a session must not, because its webhook can't be kept."""
        if len(self._waiting) >= MAX_WAITING:
            self._count("dropped")
            return
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        body = json.dumps({"type": kind, "timestamp": moment, "data": data}, ensure_ascii=False)
        message = Message(f"msg_{secrets.token_urlsafe(16)}", body, self._now())
        self._keep(message)
        self._waiting[message.id] = message
        self._bell.set()

    async def run(self) -> None:
        """Deliver until cancelled; what is not delivered stays."""
        try:
            while True:
                self._bell.clear()
                pause = self._start()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._bell.wait()
        finally:
            for task in self._sending.values():
                task.cancel()

    def _start(self) -> float | None:
        """Begin attempts that are due; seconds until the next one is, None where nothing waits."""
        now = self._now()
        idle = [message for message in self._waiting.values() if message.id not in self._sending]
        for message in sorted(idle, key=lambda message: message.due_at):
            if message.due_at > now:
                return message.due_at - now
            if len(self._sending) >= _AT_ONCE:
                return None
            self._sending[message.id] = asyncio.create_task(self._deliver(message))
        return None

    async def _deliver(self, message: Message) -> None:
        try:
            await self._attempt(message)
        finally:
            del self._sending[message.id]
            self._bell.set()

    async def _attempt(self, message: Message) -> None:
        timestamp, body = int(self._now()), message.body.encode()
        headers = {
            "content-type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._target.secret, message.id, timestamp, body),
        }
        try:
            status = await self._post(self._target.url, body, headers)
        except Exception:
            log.exception("webhook failed", extra={"webhook": message.id})
            status = None
        if status is not None and 200 <= status < 300:
            self._forget(message, "delivered")
        elif status == _GONE or message.attempts == len(PAUSES_SECONDS):
            log.error("webhook given up", extra={"webhook": message.id, "status": status})
            self._forget(message, "given_up")
        else:
            pause = PAUSES_SECONDS[message.attempts] * (0.75 + secrets.randbelow(500) / 1000)
            again = replace(message, due_at=self._now() + pause, attempts=message.attempts + 1)
            log.warning(
                "webhook not taken", extra={"webhook": message.id, "status": status, "attempts": again.attempts}
            )
            self._count("failed")
            self._waiting[message.id] = again
            self._keep(again)

    def _keep(self, message: Message) -> None:
        path = self._folder / f"{message.id}.json"
        temp = path.with_suffix(".new")
        try:
            temp.touch(0o600)
            temp.write_text(message.to_json(), "utf-8")
            temp.replace(path)
        except OSError as problem:
            log.error("webhook not kept on disk", extra={"webhook": message.id, "reason": problem.strerror})

    def _forget(self, message: Message, outcome: str) -> None:
        self._count(outcome)
        del self._waiting[message.id]
        with contextlib.suppress(OSError):
            (self._folder / f"{message.id}.json").unlink(missing_ok=True)

    def _count(self, outcome: str) -> None:
        self._metrics.webhooks.labels(outcome).inc()


async def post_over_http(url: str, body: bytes, headers: Mapping[str, str]) -> int | None:
    """Send it; redirects are not followed."""
    try:
        async with httpx2.AsyncClient(timeout=_ANSWER_SECONDS, trust_env=False) as client:
            answer = await client.post(url, content=body, headers=dict(headers))
    except (httpx2.HTTPError, httpx2.InvalidURL):
        return None
    return answer.status_code
