"""Files over HTTP and on the command line, with the service as a process of its own."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import httpx2

from tests import lj001
from tests.checked_client import transcribe
from tests.http_get import get
from tests.openai_stub import OpenAIStub
from tests.service_process import ServiceProcess
from tests.stage import until
from tests.stub_server import Reply

SPEECH = lj001.wav(0, 12)
WAV = {"Content-Type": "audio/wav"}
PATIENCE_SECONDS = 30
SILENCE = Reply(answer=False)


def client(service: ServiceProcess) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=f"http://127.0.0.1:{service.port}", trust_env=False, timeout=10)


async def ended(http: httpx2.AsyncClient, job_id: str) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            job = (await http.get(f"/v1/jobs/{job_id}")).json()
            if job["state"] in ("done", "failed", "cancelled"):
                return job
            await asyncio.sleep(0.05)


async def test_a_file_yields_the_text_that_a_session_does(service: ServiceProcess) -> None:
    said = (await transcribe(service.url, SPEECH, "END")).text
    async with client(service) as http:
        job = (await http.post("/v1/jobs", content=SPEECH, headers=WAV)).json()
        assert (await ended(http, job["id"]))["state"] == "done"
        result = (await http.get(f"/v1/jobs/{job['id']}/result")).json()
        assert result["text"] == said
        subtitles = (await http.get(f"/v1/jobs/{job['id']}/result", params={"format": "vtt"})).text
        assert subtitles.startswith("WEBVTT")
    assert (service.stored(job["id"]) / "audio.wav").read_bytes() == SPEECH


async def test_jobs_outlive_a_kill(own_service: ServiceProcess, stub: OpenAIStub) -> None:
    own_service.settings["MAX_RUNNING_JOBS"] = "1"
    own_service.start()
    async with client(own_service) as http:
        stub.script.extend([SILENCE] * 20)
        jobs = [(await http.post("/v1/jobs", content=SPEECH, headers=WAV)).json() for _ in range(2)]
        answer = await http.post("/v1/jobs", headers={"Upload-Complete": "?0"})
        upload = answer.headers["Location"]
        more = {"Content-Type": "application/partial-upload", "Upload-Offset": "0", "Upload-Complete": "?0"}
        assert (await http.patch(upload, content=SPEECH[:100_000], headers=more)).status_code == 204
        spool = own_service.data / "spool" / jobs[0]["id"] / "events"
        await until(lambda: spool.stat().st_size > 0)
    own_service.send_signal(signal.SIGKILL)
    own_service.wait()
    stub.script.clear()
    own_service.start()
    async with client(own_service) as http:
        offset = int((await http.head(upload)).headers["Upload-Offset"])
        assert offset == 100_000
        more |= {"Upload-Offset": str(offset), "Upload-Complete": "?1"}
        assert (await http.patch(upload, content=SPEECH[offset:], headers=more)).status_code == 202
        ids = [*(job["id"] for job in jobs), upload.split("/")[3]]
        assert [(await ended(http, job_id))["state"] for job_id in ids] == ["done"] * 3
        texts = {(await http.get(f"/v1/jobs/{job_id}/result", params={"format": "txt"})).text for job_id in ids}
        assert len(texts) == 1
        listed = (await http.get("/v1/jobs")).json()["jobs"]
        assert [job["id"] for job in listed] == sorted(ids, reverse=True)
    await until(lambda: own_service.leftovers() == [])


class Command:
    """`transcriber transcribe` as a process."""

    def __init__(self, folder: Path, service: ServiceProcess | None = None, **settings: str) -> None:
        self.folder = folder
        url = {"TRANSCRIBER_URL": f"http://127.0.0.1:{service.port}"} if service else {}
        self.environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), **url, **settings}

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "transcriber", "transcribe", *arguments),
            cwd=self.folder,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # Shells have what they run in the background ignore it, and children with it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    async def run(self, *arguments: str) -> tuple[int, str, str]:
        process = await self.start(*arguments)
        return await finished(process)


async def finished(process: asyncio.subprocess.Process) -> tuple[int, str, str]:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            out, err = await process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_the_command_uses_a_service(service: ServiceProcess, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(SPEECH)
    (tmp_path / "b.txt").write_text("no audio at all, only words " * 100)
    command = Command(tmp_path, service)
    code, out, err = await command.run("a.wav", "--format", "srt")
    assert (code, err) == (0, "")
    assert out.startswith("1\n00:00:00,")
    code, out, err = await command.run("a.wav", "b.txt", "--output", "out")
    assert (code, out) == (3, "")
    assert "unsupported_audio" in err
    assert (tmp_path / "out" / "a.txt").read_text()
    code, _, err = await command.run("a.wav", "--url", "http://127.0.0.1:1")
    assert (code, "connection_failed" in err) == (4, True)


async def test_the_command_does_without_a_service(openai_settings: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(SPEECH)
    (tmp_path / "b.wav").write_bytes(lj001.wav(12, 20))
    settings = {name.upper(): value for name, value in openai_settings.items()}
    code, out, err = await Command(tmp_path, **settings).run("a.wav", "b.wav", "--format", "json")
    assert (code, err) == (0, "")
    texts = [json.loads(line)["text"] for line in out.splitlines()]
    assert len(texts) == 2
    assert all(texts)
    assert list((tmp_path / "cache").rglob("*.json")) == []
    assert list((tmp_path / "cache").rglob("audio*")) == []


async def test_an_interrupted_command_goes_on_where_it_stopped(
    openai_settings: dict[str, str], stub: OpenAIStub, tmp_path: Path
) -> None:
    (tmp_path / "a.wav").write_bytes(SPEECH)
    command = Command(tmp_path, **{name.upper(): value for name, value in openai_settings.items()})
    stub.script.extend([SILENCE] * 20)
    process = await command.start("a.wav")
    spools = tmp_path / "cache" / "transcriber" / "offline" / "0" / "spool"
    began = time.monotonic()
    while not list(spools.glob("*/events")):
        assert time.monotonic() < began + PATIENCE_SECONDS
        await asyncio.sleep(0.05)
    (spool,) = spools.glob("*/events")
    await until(lambda: spool.stat().st_size > 0)
    process.send_signal(signal.SIGINT)
    code, out, err = await finished(process)
    assert (code, out) == (130, "")
    assert "goes on" in err
    stub.script.clear()
    assert [path.parent.name for path in spools.glob("*/events")] == [spool.parent.name], "nothing is lost"
    code, out, err = await command.run("a.wav")
    assert (code, err) == (0, "")
    assert out.strip()


def test_paths_that_lead_elsewhere(service: ServiceProcess) -> None:
    for path in ("/v1/jobs/../../etc/passwd", "/v1/jobs/%2e%2e%2f%2e%2e/result", "/v1/jobs/..%5c..%5c/result"):
        assert get(service.port, path)[0] == 404
