"""A key's limits, where several processes share a store, and over a restart."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from tests import lj001
from tests.checked_client import client
from tests.service_process import ServiceProcess
from tests.ways_in import ask
from transcriber.api_keys import KeyLimits, dump, new_key

SPEECH = lj001.wav(0, 5)
SETTLED_SECONDS = 10
"""Others learn within a second or two; a loaded machine takes longer."""


class Pair:
    """Two services on one store, and a key for both."""

    def __init__(self, folder: Path, limits: KeyLimits, settings: dict[str, str]) -> None:
        self.text, key = new_key("alice", limits)
        shared = {**settings, "data_dir": folder / "shared", "api_keys": dump([key]), "token_secret": "s" * 32}
        self.one, self.other = (
            ServiceProcess(folder / name, spool_dir=folder / name / "spool", **shared) for name in ("one", "other")
        )

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.text}"}


@pytest.fixture
def pair(tmp_path: Path, openai_settings: dict[str, str]) -> Iterator[Callable[[KeyLimits], Pair]]:
    made: list[Pair] = []

    def make(limits: KeyLimits) -> Pair:
        made.append(Pair(tmp_path, limits, openai_settings))
        made[-1].one.start()
        made[-1].other.start()
        return made[-1]

    yield make
    for both in made:
        both.one.__exit__()
        both.other.__exit__()


async def refusal(service: ServiceProcess, pair: Pair) -> int | None:
    """The status that a session is refused with; None when it may begin."""
    try:
        async with client(service.url, headers=pair.headers) as speaker:
            assert (await speaker.hear())["type"] == "status"
            await speaker.say("END")
            await speaker.hear_all()
    except InvalidStatus as refused:
        return refused.response.status_code
    return None


async def settles(service: ServiceProcess, pair: Pair, status: int | None) -> bool:
    deadline = time.monotonic() + SETTLED_SECONDS
    while time.monotonic() < deadline:
        if await refusal(service, pair) == status:
            return True
    return False


async def test_sessions_at_once_are_those_of_all_processes(pair: Callable[[KeyLimits], Pair]) -> None:
    both = pair(KeyLimits(sessions=1))
    async with client(both.one.url, headers=both.headers) as speaker:
        assert (await speaker.hear())["type"] == "status"
        assert await settles(both.other, both, 429)
        assert await refusal(both.one, both) == 429
        await speaker.say("END")
        assert (await speaker.hear_all())[0] == 1000
    assert await settles(both.other, both, None)


async def test_audio_of_the_day_is_that_of_all_processes_and_outlives_them(pair: Callable[[KeyLimits], Pair]) -> None:
    both = pair(KeyLimits(audio_seconds_per_day=4))
    assert await refusal(both.other, both) is None
    async with client(both.one.url, headers=both.headers) as speaker:
        await speaker.say(SPEECH)
        await speaker.say("END")
        await speaker.hear_all()
    assert await settles(both.other, both, 429)
    for service in (both.one, both.other):
        service.send_signal(signal.SIGTERM)
        assert service.wait() == 0
    both.one.start()
    assert await refusal(both.one, both) == 429


async def test_a_file_is_whole_though_others_are_asked_before_it_is_taken(pair: Callable[[KeyLimits], Pair]) -> None:
    both = pair(KeyLimits(sessions=1))
    long = lj001.wav(0, 50)
    assert len(long) > 1 << 20
    headers = {**both.headers, "Content-Type": "audio/wav"}
    for service in (both.one, both.other):
        answer = await asyncio.to_thread(ask, service.port, "POST", "/v1/jobs", headers, long)
        assert (answer.status, answer.body["received_bytes"]) == (202, len(long))
