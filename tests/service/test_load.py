"""More than is reasonable: much audio at once, many messages, clients that don't read, a disk that is full."""

import asyncio
import json
import sys
from pathlib import Path

import numpy as np
import psutil

from tests import lj001
from tests.checked_client import client, transcribe
from tests.service_process import ServiceProcess
from tests.stage import silence, until

MEGABYTE = 1 << 20
SPEECH = lj001.wav(9.955, 11.9)


def resident(service: ServiceProcess) -> float:
    return psutil.Process(service.pid).memory_info().rss / MEGABYTE


async def test_audio_far_ahead_of_time_costs_disk_and_no_memory(service: ServiceProcess) -> None:
    await transcribe(service.url, SPEECH, "END")
    before, peak = resident(service), 0.0
    clip = lj001.samples()
    audio = np.tile(clip, -(-120 * 16_000 // len(clip)))[: 120 * 16_000].tobytes()

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, resident(service))
            await asyncio.sleep(0.02)

    async with client(service.url, encoding="pcm_s16le", sample_rate=16_000) as speaker, asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch())
        await speaker.stream(audio)
        await speaker.say("END")
        assert await speaker.hear_all() == (1000, "complete")
        watching.cancel()
    complete = speaker.received[-1]
    assert (complete["duration_seconds"], complete["received_bytes"]) == (120.0, len(audio))
    assert len(speaker.text.split()) > 200
    assert peak - before < 30


async def test_a_client_that_does_not_read_holds_up_nobody(service: ServiceProcess) -> None:
    async with client(service.url) as deaf:
        status = await deaf.hear()
        deaf.connection.transport.pause_reading()
        await deaf.stream(lj001.wav(0, 12))
        await deaf.say("END")
        await until(lambda: not (service.data / "spool" / status["session_id"]).exists())
        assert (await transcribe(service.url, SPEECH, "END")).text == "in being comparatively modern."
        deaf.connection.transport.resume_reading()
        assert await deaf.hear_all() == (1000, "complete")


async def test_a_flood_of_nonsense_ends_where_a_flood_of_audio_would(
    openai_settings: dict[str, str], tmp_path: Path
) -> None:
    with ServiceProcess(tmp_path, max_session_bytes=MEGABYTE, **openai_settings) as small:
        audio = SPEECH + silence(25)
        async with client(small.url) as babbler:
            await babbler.stream(audio)

            async def babble() -> None:
                for _ in range(5000):
                    await babbler.blurt('{"type": "sing"}')

            babbling = asyncio.create_task(babble())
            assert await babbler.hear_all() == (1009, "session_too_large")
            await asyncio.gather(babbling, return_exceptions=True)
        assert babbler.text == "in being comparatively modern."
        assert 100 < len(babbler.of("error")) < 2000
        folder = small.stored(babbler.received[0]["session_id"])
        assert (folder / "audio.wav").read_bytes()[44:] == audio[44:]


FULL_AT_BYTES = 100_000
FULL_DISK = f"""
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, ({FULL_AT_BYTES}, {FULL_AT_BYTES}))
sys.argv = ["transcriber", "serve"]
runpy.run_module("transcriber", run_name="__main__")
"""


async def test_a_full_disk_ends_the_session_with_what_it_could_keep(
    openai_settings: dict[str, str], tmp_path: Path
) -> None:
    """No file can grow beyond the limit, which is what a full disk does to the largest of them."""
    audio = lj001.wav(0, 10)
    with ServiceProcess(tmp_path, command=(sys.executable, "-c", FULL_DISK), **openai_settings) as service:
        async with client(service.url) as speaker:
            await speaker.stream(audio)
            assert await speaker.hear_all() == (1011, "storage_full")
        assert types_of_errors(speaker.received) == ["storage_full"]
        assert speaker.text.startswith("Printing, in the only sense")
        folder = service.stored(speaker.received[0]["session_id"])
        kept = (folder / "audio.wav").read_bytes()
        assert FULL_AT_BYTES - 4096 < len(kept) <= FULL_AT_BYTES
        assert kept[44:] == audio[44 : len(kept)]
        assert json.loads((folder / "transcript.json").read_text())["text"] == speaker.text


def types_of_errors(messages: list[dict[str, str]]) -> list[str]:
    return [message["code"] for message in messages if message["type"] == "error"]
