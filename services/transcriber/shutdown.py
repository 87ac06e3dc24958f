"""When this process should stop: a signal, or on ECS the news that its task is being replaced.

ECS deregisters a task from its load balancer, waits for the deregistration delay and only then sends SIGTERM; a task
that is protected while a deployment waits for it is not told at all. So the agent is asked: the task's desired status
tells the first, protection that is refused the second.
"""

import asyncio
import contextlib
import json
import logging
import math
import signal
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any, cast

import httpx2

log = logging.getLogger(__name__)

TEXT_SECONDS = 20
"""How long the last texts may take once sessions are ended."""
HURRIED_TEXT_SECONDS = 3
"""The same, when asked to stop twice."""
INTERRUPTED_SECONDS = 5
"""How long sessions may go on after Ctrl-C."""
_ANSWER_SECONDS = 5
_NO_ANSWER = (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, ValueError, RecursionError)
"""What asking raises; the last is what JSON does that is nested without end."""
_MOST_MINUTES = 2880
"""The longest that a task can be protected."""
_REPLACED = ("DEPLOYMENT_BLOCKED", "TASK_STOPPING_OR_STOPPED")
"""Why protection is refused to a task that is being replaced."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Sessions may go on for `seconds`, and their last texts may take `text_seconds` more."""

    reason: str
    seconds: float
    text_seconds: float = TEXT_SECONDS


class EcsTask:
    """This task, as its ECS agent knows it. An agent that does not answer well is asked again later."""

    def __init__(
        self, *, metadata_url: str, agent_url: str, poll_seconds: float, answer_seconds: float = _ANSWER_SECONDS
    ) -> None:
        """The URLs are those that ECS gives a container; an empty one is not asked."""
        self._metadata_url = metadata_url
        self._agent_url = agent_url
        self._poll_seconds = poll_seconds
        self._answer_seconds = answer_seconds
        self._protected = False
        """Whether it is or may be: an answer can be lost."""
        self._complaints: dict[str, str] = {}
        """By URL, what went wrong when it was last asked."""

    async def replaced(self, remaining_seconds: Callable[[], float]) -> str:
        """Protect the task for as long as its sessions may take; return when it is being replaced, with the reason."""
        async with _client() as client:
            while True:
                if reason := await self._stopping(client) or await self._refused(client, remaining_seconds()):
                    return reason
                await asyncio.sleep(self._poll_seconds)

    async def release(self) -> None:
        """Give up protection."""
        async with _client() as client:
            await self._refused(client, 0)

    async def _stopping(self, client: httpx2.AsyncClient) -> str | None:
        if not self._metadata_url:
            return None
        task = await self._ask(client, "GET", f"{self._metadata_url}/task")
        return "TASK_STOPPING" if task.get("DesiredStatus") == "STOPPED" else None

    async def _refused(self, client: httpx2.AsyncClient, seconds: float) -> str | None:
        """Protect the task for so long, or no longer if that is 0; why that is refused, if it is being replaced."""
        if not self._agent_url or not (seconds or self._protected):
            return None
        wanted: dict[str, Any] = {"ProtectionEnabled": seconds > 0}
        if seconds:
            self._protected = True
            wanted["ExpiresInMinutes"] = min(_MOST_MINUTES, math.ceil(seconds / 60))
        answer = await self._ask(client, "PUT", f"{self._agent_url}/task-protection/v1/state", wanted)
        if isinstance(protection := answer.get("protection"), dict):
            self._protected = bool(cast("dict[str, Any]", protection).get("ProtectionEnabled"))
        failure = answer.get("failure")
        reason = cast("dict[str, Any]", failure).get("Reason") if isinstance(failure, dict) else None
        return str(reason) if reason in _REPLACED else None

    async def _ask(
        self, client: httpx2.AsyncClient, method: str, url: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The answer; empty when there is none."""
        try:
            # The client's own limit is for each read: an answer that drips would hold up every question behind it.
            async with asyncio.timeout(self._answer_seconds):
                response = await client.request(method, url, json=body)
            answer = json.loads(response.content)
        except _NO_ANSWER as problem:
            self._complain(url, type(problem).__name__)
            return {}
        self._complain(url, "" if response.is_success else f"status {response.status_code}")
        return cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}

    def _complain(self, url: str, problem: str) -> None:
        """Log what is wrong, once."""
        if problem and self._complaints.get(url) != problem:
            log.warning("ECS agent does not do as asked", extra={"url": url, "problem": problem})
        self._complaints[url] = problem


class Shutdown:
    """Hears all reasons to stop. Each leaves less time than the one before."""

    def __init__(self, *, drain_seconds: float, task: EcsTask | None = None) -> None:
        self._drain_seconds = drain_seconds
        self._task = task
        self._stops = asyncio.Queue[Stop]()
        self._signalled = False

    def signalled(self, number: signal.Signals) -> None:
        """A signal has come."""
        if self._signalled:
            stop = Stop(number.name, 0, HURRIED_TEXT_SECONDS)
        elif number is signal.SIGINT:
            stop = Stop(number.name, min(self._drain_seconds, INTERRUPTED_SECONDS))
        else:
            stop = Stop(number.name, self._drain_seconds)
        self._signalled = True
        self._stops.put_nowait(stop)

    @contextlib.asynccontextmanager
    async def watched(self, remaining_seconds: Callable[[], float]) -> AsyncGenerator[None, None]:
        """Inside, ECS is listened to as well; behind it, the task is not protected any more. `remaining_seconds` is how
        long the sessions there are may still take, 0 when there is none."""
        if self._task is None:
            yield
            return
        watching = asyncio.create_task(self._watch(self._task, remaining_seconds), name="ECS")
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.wait((watching,))
            await self._task.release()

    async def _watch(self, task: EcsTask, remaining_seconds: Callable[[], float]) -> None:
        reason = await task.replaced(remaining_seconds)
        if not self._signalled:
            self._stops.put_nowait(Stop(reason, remaining_seconds()))

    async def next(self) -> Stop:
        """The next reason to stop."""
        return await self._stops.get()


def _client() -> httpx2.AsyncClient:
    """The agent is on this machine: no proxy stands before it."""
    return httpx2.AsyncClient(timeout=_ANSWER_SECONDS, trust_env=False)
