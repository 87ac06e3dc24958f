"""How the service ends and begins again with sessions going on, whatever their clients do."""

import asyncio
import json
import signal
from pathlib import Path

from tests import lj001
from tests.calls import check_kept, end_amid_calls
from tests.checked_client import client, refusal, types
from tests.ecs_stub import EcsStub
from tests.http_get import get
from tests.openai_stub import OpenAIStub, error
from tests.service_process import ServiceProcess
from tests.stage import until

SPEECH = lj001.wav(0, 12)


async def test_sigterm_amid_speech_whatever_the_clients_do(own_service: ServiceProcess) -> None:
    own_service.settings["DRAIN_SECONDS"] = "1"
    own_service.start()
    ending = await end_amid_calls(
        own_service, [*["polite"] * 4, "stubborn", "deaf"], [(0, signal.SIGTERM)], speaking_seconds=2
    )
    assert ending.exit_code == 0
    assert ending.seconds < 10
    for call in (*ending.of("polite"), *ending.of("stubborn")):
        assert call.close == (1012, "service restart")
        assert call.kinds[-2:] == ["transcription", "complete"]
        (warning,) = (message for message in call.heard if message["type"] == "warning")
        assert warning["code"] == "draining"
        assert "1 s" in warning["message"]
    check_kept(own_service, ending)


async def test_a_second_signal_is_quicker_and_loses_no_recording(own_service: ServiceProcess) -> None:
    own_service.settings["DRAIN_SECONDS"] = "30"
    own_service.start()
    signals = [(0.0, signal.SIGTERM), (0.3, signal.SIGTERM)]
    ending = await end_amid_calls(own_service, ["polite"] * 3, signals, speaking_seconds=2)
    assert (ending.exit_code, ending.seconds < 5) == (0, True)
    assert {call.close for call in ending.calls} == {(1012, "service restart")}
    check_kept(own_service, ending)


async def test_a_second_signal_does_not_wait_for_an_engine_that_hangs(
    own_service: ServiceProcess, stub: OpenAIStub
) -> None:
    own_service.settings["DRAIN_SECONDS"] = "30"
    own_service.start()
    stub.script.extend([error(503, "down")] * 200)
    async with client(own_service.url) as speaker:
        session_id = (await speaker.hear())["session_id"]
        await speaker.stream(SPEECH[:200_000])
        await speaker.hear_until("speech_started")
        own_service.send_signal(signal.SIGTERM)
        await speaker.hear_until("warning")
        own_service.send_signal(signal.SIGTERM)
        assert await speaker.hear_all() == (1012, "service restart")
    assert await asyncio.to_thread(own_service.wait) == 0
    assert types(speaker.received)[-2:] == ["error", "complete"]
    folder = own_service.stored(session_id)
    assert (folder / "audio.wav").read_bytes()[44:] == SPEECH[44:200_000]
    (line,) = json.loads((folder / "transcript.json").read_text())["utterances"]
    assert line["gap"] == "engine_failed"


async def test_a_session_goes_on_in_the_next_process(own_service: ServiceProcess) -> None:
    own_service.settings["DRAIN_SECONDS"] = "30"
    own_service.start()
    async with client(own_service.url, resume="true") as first:
        status = await first.hear()
        await first.stream(SPEECH[:300_000])
        await first.hear_until("transcription")
        own_service.send_signal(signal.SIGTERM)
        assert await first.hear_all() == (1012, "service restart")
    suspended = first.received[-1]
    assert suspended["type"] == "suspended"
    assert suspended["resume_token"] == status["resume_token"]
    assert await asyncio.to_thread(own_service.wait) == 0
    own_service.start()
    seen = max(message["number"] for message in first.received if "number" in message)
    async with client(own_service.url, resume_token=suspended["resume_token"], last_event=seen) as second:
        again = await second.hear_until("status")
        assert again["received_bytes"] == suspended["received_bytes"]
        await second.stream(SPEECH[again["received_bytes"] :])
        await second.say("END")
        assert await second.hear_all() == (1000, "complete")
    numbers = [message["number"] for message in first.received + second.received if "number" in message]
    assert numbers == list(range(1, len(numbers) + 1))
    said = " ".join(passage.text for passage in lj001.passages()[:2])
    assert f"{first.text} {second.text}" == second.received[-1]["full_transcription"] == said
    assert (own_service.stored(status["session_id"]) / "audio.wav").read_bytes() == SPEECH
    assert own_service.leftovers() == []


async def test_a_killed_process_leaves_sessions_to_be_resumed_too(own_service: ServiceProcess) -> None:
    own_service.start()
    async with client(own_service.url, resume="true") as first:
        token = (await first.hear())["resume_token"]
        await first.stream(SPEECH[:100_000])
        await first.hear_until("speech_started")
        own_service.send_signal(signal.SIGKILL)
        await asyncio.to_thread(own_service.wait)
    own_service.start()
    async with client(own_service.url, resume_token=token, last_event=first.received[-1]["number"]) as second:
        received = (await second.hear_until("status"))["received_bytes"]
        assert 0 < received <= 100_000
        await second.stream(SPEECH[received:])
        await second.say("END")
        assert await second.hear_all() == (1000, "complete")
    said = " ".join(passage.text for passage in lj001.passages()[:2])
    assert second.received[-1]["full_transcription"] == said


async def test_a_client_that_comes_back_too_early_is_told_to_wait(own_service: ServiceProcess) -> None:
    own_service.settings["DRAIN_SECONDS"] = "30"
    own_service.start()
    async with client(own_service.url, resume="true") as resumable, client(own_service.url) as other:
        token = (await resumable.hear())["resume_token"]
        await other.hear()
        own_service.send_signal(signal.SIGTERM)
        assert await resumable.hear_all() == (1012, "service restart")
        response, why = await refusal(own_service.url, resume_token=token)
        assert (response.status_code, why["code"]) == (503, "draining")
        assert int(response.headers["Retry-After"]) > 0
        assert response.headers["Connection"].lower() == "close"
        await other.say("END")
        assert await other.hear_all() == (1000, "complete")
    assert await asyncio.to_thread(own_service.wait) == 0


async def test_ecs_is_told_of_sessions_and_tells_of_a_deployment(own_service: ServiceProcess) -> None:
    async with EcsStub() as ecs:
        own_service.settings.update({name.upper(): str(value) for name, value in ecs.settings.items()})
        own_service.settings.update(MAX_SESSION_SECONDS="600", DRAIN_SECONDS="30")
        await asyncio.to_thread(own_service.start)
        await until(lambda: ecs.looks > 1)
        assert ecs.wishes == []
        async with client(own_service.url) as speaker:
            await speaker.hear()
            await until(lambda: ecs.protected_minutes == 10)
            assert await asyncio.to_thread(get, own_service.port, "/health")
            ecs.refusal = "DEPLOYMENT_BLOCKED"
            warning = await speaker.hear_until("warning")
            assert warning["code"] == "draining"
            health, live = [(await asyncio.to_thread(get, own_service.port, path))[0] for path in ("/health", "/live")]
            assert (health, live) == (503, 200)
            assert (await refusal(own_service.url))[1]["code"] == "draining"
            await speaker.stream(SPEECH)
            await speaker.say("END")
            assert await speaker.hear_all() == (1000, "complete")
        assert await asyncio.to_thread(own_service.wait) == 0
        assert ecs.protected_minutes is None, "released at the end"
    (draining,) = (line for line in own_service.log() if line["event"] == "draining")
    assert draining["reason"] == "DEPLOYMENT_BLOCKED"


async def test_a_task_that_ecs_stops_ends_before_its_signal(own_service: ServiceProcess) -> None:
    async with EcsStub() as ecs:
        own_service.settings.update({name.upper(): str(value) for name, value in ecs.settings.items()})
        await asyncio.to_thread(own_service.start)
        async with client(own_service.url, resume="true") as speaker:
            await speaker.hear()
            ecs.desired_status = "STOPPED"
            assert await speaker.hear_all() == (1012, "service restart")
        assert types(speaker.received) == ["status", "suspended"]
        assert await asyncio.to_thread(own_service.wait) == 0


async def test_limits_are_told_and_kept(openai_settings: dict[str, str], tmp_path: Path) -> None:
    with ServiceProcess(
        tmp_path, idle_seconds=1, min_free_bytes=0, max_spool_bytes=1 << 20, **openai_settings
    ) as small:
        async with client(small.url) as silent:
            assert await silent.hear_all() == (1008, "idle_timeout")
        async with client(small.url, encoding="pcm_s16le", sample_rate=16_000) as hog:
            await hog.stream(bytes(1 << 20), message_bytes=1 << 16)
            assert await hog.hear_all() == (1011, "storage_full")
    with ServiceProcess(tmp_path, min_free_bytes=1 << 50, **openai_settings) as full:
        response, why = await refusal(full.url)
        assert (response.status_code, why["code"]) == (503, "storage_full")
        assert int(response.headers["Retry-After"]) > 0
