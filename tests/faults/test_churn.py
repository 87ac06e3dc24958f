"""Thousands of short sessions leave nothing behind."""

import asyncio
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests import lj001
from tests.checked_client import client
from tests.service_process import ServiceProcess
from tests.stage import until

SESSIONS = 4000
AT_ONCE = 20
WARM_UP = 1000
"""The allocator keeps what the first ones needed at once; from then on memory is flat."""
AUDIO = lj001.wav(0.3, 0.5)
MEGABYTE = 1 << 20

COUNTING = """
import asyncio, json, runpy, signal, sys
def count(*_):
    print(json.dumps({"event": "tasks", "count": len(asyncio.all_tasks())}), file=sys.stderr, flush=True)
signal.signal(signal.SIGUSR1, count)
sys.argv = ["transcriber", "serve"]
runpy.run_module("transcriber", run_name="__main__")
"""
"""The service, which on SIGUSR1 says how many tasks it has."""


async def figures(service: ServiceProcess) -> dict[str, float]:
    before = len(service.log())
    service.send_signal(signal.SIGUSR1)
    await until(lambda: any(line["event"] == "tasks" for line in service.log()[before:]))
    (tasks,) = (line["count"] for line in service.log()[before:] if line["event"] == "tasks")
    process = psutil.Process(service.pid)
    return {
        "memory MiB": round(process.memory_info().rss / MEGABYTE, 1),
        "descriptors": process.num_fds(),
        "threads": process.num_threads(),
        "tasks": tasks,
    }


async def churn(service: ServiceProcess, sessions: int) -> None:
    left = iter(range(sessions))

    async def come_and_go() -> None:
        for number in left:
            async with client(service.url, record="none" if number % 10 else "audio+text") as speaker:
                await speaker.stream(AUDIO, message_bytes=640)
                if number % 3 == 0:
                    speaker.vanish()
                    continue
                await speaker.say("END")
                assert await speaker.hear_all() == (1000, "complete")

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(come_and_go())


@pytest.mark.timeout(900)
async def test_sessions_come_and_go(
    openai_settings: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ServiceProcess(tmp_path, command=(sys.executable, "-c", COUNTING), **openai_settings) as service:
        await churn(service, WARM_UP)
        await until(lambda: not any((service.data / "spool").iterdir()))
        before, began = await figures(service), time.monotonic()
        await churn(service, SESSIONS)
        seconds = time.monotonic() - began
        await until(lambda: not any((service.data / "spool").iterdir()))
        await asyncio.sleep(5)
        after = await figures(service)
        with capsys.disabled():
            sys.stdout.write(f"\n{SESSIONS} sessions, {AT_ONCE} at once, a third of them cut off: {seconds:.0f} s\n")
            for name, value in before.items():
                sys.stdout.write(f"  {name:12} {value:8} at the start, {after[name]:8} at the end\n")
    assert after["descriptors"] <= before["descriptors"] + 2
    assert after["tasks"] <= before["tasks"] + 2
    assert after["memory MiB"] < before["memory MiB"] + 10
