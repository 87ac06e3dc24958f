"""A client that loses its connection comes back, misses nothing and gets nothing twice."""

import asyncio

from tests import lj001
from tests.checked_client import CheckedClient, Message, client, refusal, transcribe, types
from tests.service_process import ServiceProcess
from tests.stage import until

SPEECH = lj001.wav(0, 12)


def told(messages: list[Message]) -> list[Message]:
    """Everything numbered, in the order of numbers, without what depends on messages and on who asked."""
    numbered = sorted((message for message in messages if "number" in message), key=lambda message: message["number"])
    varying = {"number", "chunk_range", "total_chunks", "storage"}
    return [
        {name: value for name, value in message.items() if name not in varying}
        for message in numbered
        if message["type"] in ("transcription", "complete")
    ]


async def break_off(speaker: CheckedClient, service: ServiceProcess, audio: bytes) -> Message:
    """Send some audio, hear something, and be cut off. The status with the token."""
    status = await speaker.hear()
    await speaker.stream(audio)
    await speaker.hear_until("speech_started")
    spool = service.data / "spool" / status["session_id"]
    await until(lambda: sum(path.stat().st_size for path in spool.glob("audio-*")) == len(audio))
    speaker.vanish()
    return status


async def test_nothing_is_missing_and_nothing_doubled(service: ServiceProcess) -> None:
    unbroken = await transcribe(service.url, SPEECH, "END")
    async with client(service.url, resume="true") as first:
        status = await break_off(first, service, SPEECH[:200_000])
    seen = first.received[-1]["number"]
    async with client(service.url, resume_token=status["resume_token"], last_event=seen) as second:
        again = await second.hear_until("status")
        assert "number" not in again
        assert (again["session_id"], again["received_bytes"]) == (status["session_id"], 200_000)
        await second.stream(SPEECH[again["received_bytes"] :])
        await second.say("END")
        assert await second.hear_all() == (1000, "complete")
    messages = first.received + second.received
    numbers = [message["number"] for message in messages if "number" in message]
    assert numbers == list(range(1, len(numbers) + 1))
    assert told(messages) == told(unbroken.received)
    assert (service.stored(status["session_id"]) / "audio.wav").read_bytes() == SPEECH


async def test_a_client_that_saw_nothing_is_told_everything(service: ServiceProcess) -> None:
    async with client(service.url, resume="true") as first:
        status = await break_off(first, service, SPEECH[:100_000])
    async with client(service.url, resume_token=status["resume_token"]) as second:
        await second.say("END")
        assert await second.hear_all() == (1000, "complete")
    numbers = [message["number"] for message in second.received if "number" in message]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_the_newest_connection_has_the_session(service: ServiceProcess) -> None:
    async with client(service.url, resume="true") as first:
        token = (await first.hear())["resume_token"]
        async with client(service.url, resume_token=token) as second:
            async with asyncio.timeout(5):
                await first.hear_all()
            assert "complete" not in types(first.received)
            await second.say(SPEECH[:100_000], "END")
            assert await second.hear_all() == (1000, "complete")
    assert second.received[-1]["received_bytes"] == 100_000


async def test_a_token_is_worth_nothing_once_the_session_is_over(service: ServiceProcess) -> None:
    async with client(service.url, resume="true") as speaker:
        token = (await speaker.hear())["resume_token"]
        await speaker.say("END")
        await speaker.hear_all()
    response, error = await refusal(service.url, resume_token=token)
    assert (response.status_code, error["code"]) == (404, "unknown_session")
