"""When the process should stop, and how much time each reason leaves."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator

import pytest

from tests.ecs_stub import EcsStub
from tests.stage import until
from tests.stub_server import Reply
from transcriber.shutdown import HURRIED_TEXT_SECONDS, TEXT_SECONDS, EcsTask, Shutdown, Stop


class Work:
    """Sessions, of which only their time is known."""

    def __init__(self) -> None:
        self.remaining = 0.0

    def remaining_seconds(self) -> float:
        return self.remaining


@pytest.fixture
async def ecs() -> AsyncIterator[EcsStub]:
    async with EcsStub() as stub:
        yield stub


@pytest.fixture
def work() -> Work:
    return Work()


def task_of(ecs: EcsStub, *, answer_seconds: float = 5) -> EcsTask:
    return EcsTask(
        metadata_url=ecs.metadata_url, agent_url=ecs.agent_url, poll_seconds=0.01, answer_seconds=answer_seconds
    )


async def next_stop(shutdown: Shutdown) -> Stop:
    async with asyncio.timeout(5):
        return await shutdown.next()


@pytest.mark.parametrize(
    ("signals", "stops"),
    [
        ([signal.SIGTERM], [Stop("SIGTERM", 90, TEXT_SECONDS)]),
        ([signal.SIGINT], [Stop("SIGINT", 5, TEXT_SECONDS)]),
        (
            [signal.SIGTERM, signal.SIGTERM],
            [Stop("SIGTERM", 90, TEXT_SECONDS), Stop("SIGTERM", 0, HURRIED_TEXT_SECONDS)],
        ),
        ([signal.SIGINT, signal.SIGINT], [Stop("SIGINT", 5, TEXT_SECONDS), Stop("SIGINT", 0, HURRIED_TEXT_SECONDS)]),
    ],
)
async def test_a_second_signal_is_quicker(signals: list[signal.Signals], stops: list[Stop]) -> None:
    shutdown = Shutdown(drain_seconds=90)
    async with shutdown.watched(lambda: 1):
        for number in signals:
            shutdown.signalled(number)
        assert [await next_stop(shutdown) for _ in stops] == stops


async def test_ctrl_c_gives_no_more_than_a_drain_has() -> None:
    shutdown = Shutdown(drain_seconds=2)
    shutdown.signalled(signal.SIGINT)
    assert (await next_stop(shutdown)).seconds == 2


async def test_a_task_that_is_stopping_is_news_and_a_signal_behind_it_the_first(ecs: EcsStub, work: Work) -> None:
    shutdown = Shutdown(drain_seconds=90, task=task_of(ecs))
    work.remaining = 500
    async with shutdown.watched(work.remaining_seconds):
        await until(lambda: ecs.looks > 2)
        ecs.desired_status = "STOPPED"
        assert await next_stop(shutdown) == Stop("TASK_STOPPING", 500, TEXT_SECONDS)
        shutdown.signalled(signal.SIGTERM)
        assert await next_stop(shutdown) == Stop("SIGTERM", 90, TEXT_SECONDS)


async def test_a_signal_comes_before_any_news(ecs: EcsStub, work: Work) -> None:
    shutdown = Shutdown(drain_seconds=90, task=task_of(ecs))
    async with shutdown.watched(work.remaining_seconds):
        shutdown.signalled(signal.SIGTERM)
        ecs.desired_status = "STOPPED"
        await until(lambda: ecs.looks > 0)
        await next_stop(shutdown)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await shutdown.next()


async def test_protection_is_held_while_sessions_run(ecs: EcsStub, work: Work) -> None:
    async with Shutdown(drain_seconds=90, task=task_of(ecs)).watched(work.remaining_seconds):
        await until(lambda: ecs.looks > 2)
        assert ecs.wishes == []
        work.remaining = 601
        await until(lambda: ecs.protected_minutes == 11)
        work.remaining = 30
        await until(lambda: ecs.protected_minutes == 1)
        work.remaining = 0
        await until(lambda: ecs.protected_minutes is None)
        wishes = len(ecs.wishes)
        looks = ecs.looks
        await until(lambda: ecs.looks > looks + 2)
        assert len(ecs.wishes) == wishes, "what is released once is left alone"


async def test_protection_never_exceeds_what_ecs_allows(ecs: EcsStub, work: Work) -> None:
    work.remaining = 1e9
    async with Shutdown(drain_seconds=90, task=task_of(ecs)).watched(work.remaining_seconds):
        await until(lambda: ecs.protected_minutes == 2880)


async def test_protection_is_released_at_the_end(ecs: EcsStub, work: Work) -> None:
    work.remaining = 60
    async with Shutdown(drain_seconds=90, task=task_of(ecs)).watched(work.remaining_seconds):
        await until(lambda: ecs.protected_minutes)
    assert ecs.protected_minutes is None


async def test_protection_whose_grant_was_not_heard_is_released_too(ecs: EcsStub, work: Work) -> None:
    work.remaining, ecs.garbled = 60, True
    async with Shutdown(drain_seconds=90, task=task_of(ecs)).watched(work.remaining_seconds):
        await until(lambda: ecs.protected_minutes)
        ecs.garbled = False
        work.remaining = 0
        await until(lambda: ecs.protected_minutes is None)


@pytest.mark.parametrize("reason", ["DEPLOYMENT_BLOCKED", "TASK_STOPPING_OR_STOPPED"])
async def test_protection_refused_for_a_deployment_is_news(ecs: EcsStub, work: Work, reason: str) -> None:
    shutdown = Shutdown(drain_seconds=90, task=task_of(ecs))
    work.remaining = 60
    async with shutdown.watched(work.remaining_seconds):
        await until(lambda: ecs.protected_minutes)
        ecs.refusal = reason
        assert await next_stop(shutdown) == Stop(reason, 60, TEXT_SECONDS)
        asked = len(ecs.wishes)
        await asyncio.sleep(0.05)
        assert len(ecs.wishes) == asked, "and it is not asked for again"


@pytest.mark.parametrize(
    "broken",
    [
        Reply(500, b"{}"),
        Reply(200, b"not JSON"),
        Reply(200, b'["DesiredStatus"]'),
        Reply(200, b'{"protection": 1, "failure": "x", "DesiredStatus": {}}'),
        Reply(200, b'{"DesiredStatus": "STOPPED"}', cut=True),
        Reply(200, b"[" * 100_000),
        Reply(200, b'{"DesiredStatus": "STOPPED"}', drip_seconds=0.02),
    ],
    ids=str,
)
async def test_an_agent_that_is_broken_is_no_news_and_asked_again(
    ecs: EcsStub, work: Work, broken: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    shutdown = Shutdown(drain_seconds=90, task=task_of(ecs, answer_seconds=0.1))
    work.remaining = 60
    ecs.broken = broken
    with caplog.at_level(logging.WARNING):
        async with shutdown.watched(work.remaining_seconds):
            await asyncio.sleep(0.1)
            ecs.broken = None
            await until(lambda: ecs.protected_minutes)
            ecs.desired_status = "STOPPED"
            assert (await next_stop(shutdown)).reason == "TASK_STOPPING"
    assert len(caplog.records) <= 2, "each complaint once"


async def test_other_refusals_are_no_news(ecs: EcsStub, work: Work) -> None:
    shutdown = Shutdown(drain_seconds=90, task=task_of(ecs))
    work.remaining, ecs.refusal = 60, "TASK_NOT_VALID"
    async with shutdown.watched(work.remaining_seconds):
        await until(lambda: len(ecs.wishes) > 2)
        ecs.desired_status = "STOPPED"
        assert (await next_stop(shutdown)).reason == "TASK_STOPPING"


async def test_what_ecs_does_not_offer_is_not_asked(ecs: EcsStub, work: Work) -> None:
    work.remaining = 60
    only_metadata = EcsTask(metadata_url=ecs.metadata_url, agent_url="", poll_seconds=0.01)
    async with Shutdown(drain_seconds=90, task=only_metadata).watched(work.remaining_seconds):
        await until(lambda: ecs.looks > 2)
    assert ecs.wishes == []
    only_agent = EcsTask(metadata_url="", agent_url=ecs.agent_url, poll_seconds=0.01)
    looks = ecs.looks
    async with Shutdown(drain_seconds=90, task=only_agent).watched(work.remaining_seconds):
        await until(lambda: ecs.protected_minutes)
    assert ecs.looks == looks
