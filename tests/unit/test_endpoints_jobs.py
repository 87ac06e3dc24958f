"""Files over HTTP: what is taken, what is answered, and what an interrupted upload goes on with."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from quart import Quart

from tests.raw_http import Exchange
from tests.served import installed
from tests.stage import SPEECH, House, tone, until, wav
from transcriber.auth import Denied
from transcriber.endpoints.jobs import Owners
from transcriber.endpoints.jobs import jobs as routes
from transcriber.events import Error
from transcriber.job_archive import JobArchive
from transcriber.jobs import JobLimits, Jobs
from transcriber.live import Limits

AUDIO = wav(SPEECH)
WAV = {"Content-Type": "audio/wav"}
PARTIAL = "application/partial-upload"


class Desk:
    """A house of sessions with the routes for jobs."""

    def __init__(self, house: House, jobs: Jobs, client: httpx2.AsyncClient, port: int) -> None:
        self.house = house
        self.jobs = jobs
        self.client = client
        self.port = port
        self.owner: str | None = None
        self.allowed = 1_000
        """So many files more."""

    async def begin(self) -> None:
        if not self.allowed:
            raise Denied(429, Error("key_rate_exceeded", "Later."), 30)
        self.allowed -= 1

    async def ended(self, job_id: str) -> dict[str, Any]:
        async with asyncio.timeout(10):
            while True:
                job = (await self.client.get(f"/v1/jobs/{job_id}")).json()
                if job["state"] in ("done", "failed", "cancelled"):
                    return job
                await asyncio.sleep(0.01)

    async def created(self, **query: str) -> str:
        """The URL of an upload that has begun, empty."""
        answer = await self.client.post("/v1/jobs", headers={"Upload-Complete": "?0"}, params=query)
        assert answer.status_code == 201, answer.text
        return answer.headers["Location"]

    async def append(self, url: str, data: bytes, offset: int, *, complete: bool = False) -> httpx2.Response:
        headers = {"Upload-Offset": str(offset), "Upload-Complete": f"?{complete:d}", "Content-Type": PARTIAL}
        return await self.client.patch(url, content=data, headers=headers)

    def spools(self) -> list[str]:
        return sorted(path.name for path in (self.house.folder / "spool").iterdir())


@pytest.fixture
def limits() -> Limits:
    return Limits(session_bytes=1 << 20)


@pytest.fixture
def job_limits() -> JobLimits:
    return JobLimits(running=2)


@pytest.fixture
async def desk(tmp_path: Path, limits: Limits, job_limits: JobLimits) -> AsyncIterator[Desk]:
    async with House(tmp_path, limits) as house:
        jobs = Jobs(house.sessions, JobArchive(house.store), limits=job_limits)
        app = Quart(__name__)
        opened: list[Desk] = []

        async def begin() -> None:
            await opened[0].begin()

        app.register_blueprint(routes(lambda: jobs, Owners(lambda: opened[0].owner, begin), 0.5))
        async with (
            installed(app) as port,
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
        ):
            opened.append(Desk(house, jobs, client, port))
            yield opened[0]
        await house.sessions.drain(0, 0.05)
        await jobs.close()


def error_of(answer: httpx2.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/json"
    return answer.status_code, answer.json()["error"]["code"]


async def test_a_file_is_taken_transcribed_and_given_back(desk: Desk) -> None:
    headers = {**WAV, "Content-Disposition": 'attachment; filename="talk.wav"'}
    answer = await desk.client.post("/v1/jobs", content=AUDIO, headers=headers, params={"language": "en"})
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert (job["name"], job["received_bytes"], job["options"]["language"]) == ("talk.wav", len(AUDIO), "en")
    ended = await desk.ended(job["id"])
    assert (ended["state"], ended["gaps"], ended["error"]) == ("done", 0, None)
    assert ended["duration_seconds"] == pytest.approx(4.5)
    assert ended["storage"]["state"] == "stored"
    transcript = (await desk.client.get(f"/v1/jobs/{job['id']}/result")).json()
    assert [line["utterance"] for line in transcript["utterances"]] == [1, 2, 3]
    text = await desk.client.get(f"/v1/jobs/{job['id']}/result", params={"format": "txt"})
    assert text.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert text.text == desk.house.transcripts()[0]
    await until(lambda: desk.spools() == [])


async def test_twenty_files_in_one_form_are_twenty_jobs(desk: Desk) -> None:
    files = [("file", (f"{number}.wav", wav(tone(0.5 + number / 20)), "audio/wav")) for number in range(20)]
    answer = await desk.client.post("/v1/jobs", files=files, data={"language": "de", "keywords": "a,b"})
    assert answer.status_code == 202, answer.text
    jobs = answer.json()["jobs"]
    assert [job["name"] for job in jobs] == [f"{number}.wav" for number in range(20)]
    assert sum(job["state"] == "running" for job in jobs) <= 2
    ended = [await desk.ended(job["id"]) for job in jobs]
    assert {job["state"] for job in ended} == {"done"}
    assert [round(job["duration_seconds"], 2) for job in ended] == [round(0.5 + n / 20, 2) for n in range(20)]
    assert {tuple(job["options"]["keywords"]) for job in ended} == {("a", "b")}
    listed = (await desk.client.get("/v1/jobs", params={"limit": "5"})).json()["jobs"]
    assert [job["id"] for job in listed] == [job["id"] for job in reversed(jobs)][:5]


async def test_a_form_with_one_file_is_one_job_and_options_may_come_before_or_behind_it(desk: Desk) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="language"\r\n\r\nen\r\n'
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="music/a.wav"\r\n\r\n' + AUDIO + b"\r\n"
        b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nhello\r\n--x--\r\n'
    )
    answer = await desk.client.post(
        "/v1/jobs", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    job = answer.json()
    assert (answer.status_code, job["name"]) == (202, "a.wav")
    assert (job["options"]["language"], job["options"]["prompt"]) == ("en", "hello")
    assert (await desk.ended(job["id"]))["received_bytes"] == len(AUDIO)


@pytest.mark.parametrize(
    ("headers", "query", "body", "status", "code"),
    [
        ({"Content-Type": "application/json"}, {}, b"{}", 415, "unsupported_media_type"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, {}, AUDIO, 415, "unsupported_media_type"),
        ({**WAV, "Content-Encoding": "gzip"}, {}, AUDIO, 415, "unsupported_media_type"),
        (WAV, {"langauge": "en"}, AUDIO, 400, "unknown_field"),
        (WAV, {"endpointing_ms": "x"}, AUDIO, 400, "invalid_field"),
        (WAV, {"record": "none"}, AUDIO, 400, "invalid_field"),
        (WAV, {}, b"", 400, "empty_file"),
        (WAV, {}, bytes(2 << 20), 413, "file_too_large"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, {}, b"--x--\r\n", 400, "empty_file"),
        ({"Content-Type": "multipart/form-data"}, {}, b"--x--\r\n", 400, "invalid_form"),
        (
            {"Content-Type": "multipart/form-data; boundary=x"},
            {},
            b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nhalf',
            400,
            "invalid_form",
        ),
        ({**WAV, "Upload-Complete": "yes"}, {}, b"", 400, "invalid_header"),
        ({**WAV, "Upload-Complete": "?0", "Upload-Length": "-1"}, {}, b"", 400, "invalid_header"),
        ({**WAV, "Upload-Complete": "?0", "Upload-Length": str(1 << 40)}, {}, b"", 413, "file_too_large"),
    ],
)
async def test_what_can_not_be_taken_is_refused_and_leaves_nothing(
    desk: Desk, headers: dict[str, str], query: dict[str, str], body: bytes, status: int, code: str
) -> None:
    answer = await desk.client.post("/v1/jobs", content=body, headers=headers, params=query)
    assert error_of(answer) == (status, code)
    assert desk.spools() == []
    assert (await desk.client.get("/v1/jobs")).json() == {"jobs": []}


async def test_every_file_of_a_form_counts(desk: Desk) -> None:
    files = [("file", (f"{number}.wav", AUDIO, "audio/wav")) for number in range(3)]
    desk.allowed = 2
    answer = await desk.client.post("/v1/jobs", files=files)
    assert error_of(answer) == (429, "key_rate_exceeded")
    assert (answer.headers["Retry-After"], desk.spools()) == ("30", [])
    desk.allowed = 3
    assert (await desk.client.post("/v1/jobs", files=files)).status_code == 202
    assert desk.allowed == 0


async def test_one_file_too_large_refuses_all_of_a_form(desk: Desk) -> None:
    files = [("file", ("a.wav", AUDIO, "audio/wav")), ("file", ("b.wav", bytes(2 << 20), "audio/wav"))]
    assert error_of(await desk.client.post("/v1/jobs", files=files)) == (413, "file_too_large")
    assert desk.spools() == []


async def test_a_body_of_unknown_length_is_cut_where_it_is_too_long(desk: Desk) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield bytes(1 << 16)

    answer = await desk.client.post("/v1/jobs", content=endless(), headers=WAV)
    assert error_of(answer) == (413, "file_too_large")
    assert desk.spools() == []


@pytest.mark.parametrize("limits", [Limits(spool_bytes=100_000)])
async def test_a_full_quota_is_told_as_such(desk: Desk) -> None:
    answer = await desk.client.post("/v1/jobs", content=AUDIO, headers=WAV)
    assert error_of(answer) == (503, "storage_full")
    assert int(answer.headers["Retry-After"]) > 0
    assert desk.spools() == []
    answer = await desk.client.post("/v1/jobs", content=wav(tone(1)), headers=WAV)
    assert answer.status_code == 202, "there is room again"
    await desk.ended(answer.json()["id"])


@pytest.mark.parametrize("job_limits", [JobLimits(jobs=1)])
async def test_no_more_jobs_than_there_may_be(desk: Desk) -> None:
    await desk.created()
    answer = await desk.client.post("/v1/jobs", content=AUDIO, headers=WAV)
    assert error_of(answer) == (429, "too_many_jobs")
    assert int(answer.headers["Retry-After"]) > 0


async def test_a_service_that_drains_takes_none(desk: Desk) -> None:
    desk.house.sessions.draining = True
    assert error_of(await desk.client.post("/v1/jobs", content=AUDIO, headers=WAV)) == (503, "draining")


NO_IDS = (
    *("0", "01234567-89ab-7def-8123-456789abcdef", "0199E3A0-0000-7000-8000-000000000000"),
    *("..", "%2e%2e", "..%2f..%2fetc", "%00", "*", "ffffffff-ffff-7fff-bfff-ffffffffffff"),
)


@pytest.mark.parametrize("job_id", NO_IDS)
async def test_an_id_of_no_job(desk: Desk, job_id: str) -> None:
    for url in (f"/v1/jobs/{job_id}", f"/v1/jobs/{job_id}/result"):
        exchange = await Exchange.of(desk.port, f"GET {url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert exchange.status == 404, exchange.head
    for method in ("DELETE", "PATCH", "HEAD"):
        request = f"{method} /v1/jobs/{job_id}/audio HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        request += f"Content-Type: {PARTIAL}\r\nUpload-Offset: 0\r\nUpload-Complete: ?1\r\n\r\n"
        assert (await Exchange.of(desk.port, request.encode())).status == 404


async def test_an_upload_goes_on_where_it_stopped_byte_for_byte(desk: Desk) -> None:
    url = await desk.created(language="en")
    assert (await desk.append(url, AUDIO[:50_000], 0)).status_code == 204
    head = await desk.client.head(url)
    assert (head.status_code, head.headers["Upload-Offset"], head.headers["Upload-Complete"]) == (204, "50000", "?0")
    assert head.headers["Cache-Control"] == "no-store"
    answer = await desk.append(url, AUDIO[40_000:], 40_000, complete=True)
    assert error_of(answer) == (409, "wrong_offset")
    answer = await desk.append(url, AUDIO[50_000:], 50_000, complete=True)
    assert (answer.status_code, answer.headers["Upload-Complete"]) == (202, "?1")
    job = await desk.ended(answer.json()["id"])
    assert job["state"] == "done"
    (recording,) = (desk.house.folder / "store").rglob("audio.wav")
    assert recording.read_bytes() == AUDIO
    head = await desk.client.head(url)
    assert (head.headers["Upload-Offset"], head.headers["Upload-Complete"]) == (str(len(AUDIO)), "?1")
    assert error_of(await desk.append(url, b"more", len(AUDIO))) == (409, "upload_superseded")


async def test_what_came_of_a_request_that_broke_off_is_kept(desk: Desk) -> None:
    url = await desk.created()
    head = f"PATCH {url} HTTP/1.1\r\nHost: x\r\nContent-Type: {PARTIAL}\r\nUpload-Offset: 0\r\nUpload-Complete: ?1\r\n"
    exchange = await Exchange.begun(desk.port, f"{head}Content-Length: {len(AUDIO)}\r\n\r\n".encode() + AUDIO[:30_000])
    job = desk.jobs.find(url.split("/")[3], None)
    assert job is not None
    await until(lambda: job.spool.received_bytes == 30_000)
    exchange.reset()
    offset = int((await desk.client.head(url)).headers["Upload-Offset"])
    assert offset == 30_000
    assert (await desk.append(url, AUDIO[offset:], offset, complete=True)).status_code == 202
    await desk.ended(job.id)
    assert len(desk.house.transcripts()[0].splitlines()) == 3


async def test_the_newest_request_has_the_upload(desk: Desk) -> None:
    url = await desk.created()
    head = f"PATCH {url} HTTP/1.1\r\nHost: x\r\nContent-Type: {PARTIAL}\r\nUpload-Offset: 0\r\nUpload-Complete: ?1\r\n"
    old = await Exchange.begun(desk.port, f"{head}Content-Length: {len(AUDIO)}\r\n\r\n".encode() + AUDIO[:10])
    job = desk.jobs.find(url.split("/")[3], None)
    assert job is not None
    await until(lambda: job.spool.received_bytes == 10)
    assert (await desk.append(url, AUDIO[10:20], 10)).status_code == 204
    await old.send(AUDIO[10:])
    answer = await old.answer()
    assert (answer.status, answer.json["error"]["code"]) == (409, "upload_superseded")
    assert job.spool.received_bytes == 20


async def test_an_upload_has_the_length_that_was_announced(desk: Desk) -> None:
    headers = {"Upload-Complete": "?0", "Upload-Length": "100"}
    url = (await desk.client.post("/v1/jobs", headers=headers)).headers["Location"]
    assert error_of(await desk.append(url, bytes(101), 0)) == (400, "wrong_length")
    assert error_of(await desk.append(url, bytes(99), 0, complete=True)) == (400, "wrong_length")
    assert (await desk.client.head(url)).headers["Upload-Length"] == "100"
    assert (await desk.append(url, bytes(1), 99, complete=True)).status_code == 202


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Content-Type": "audio/wav", "Upload-Offset": "0", "Upload-Complete": "?1"}, 415, "unsupported_media_type"),
        ({"Content-Type": PARTIAL, "Upload-Complete": "?1"}, 400, "invalid_header"),
        ({"Content-Type": PARTIAL, "Upload-Offset": "0"}, 400, "invalid_header"),
        ({"Content-Type": PARTIAL, "Upload-Offset": "1e3", "Upload-Complete": "?1"}, 400, "invalid_header"),
    ],
    ids=str,
)
async def test_more_of_an_upload_says_what_it_is(desk: Desk, headers: dict[str, str], status: int, code: str) -> None:
    answer = await desk.client.patch(await desk.created(), content=b"x", headers=headers)
    assert error_of(answer) == (status, code)


@pytest.mark.parametrize("job_limits", [JobLimits(upload_seconds=0.05)])
async def test_an_upload_with_which_nobody_goes_on_is_given_up(desk: Desk) -> None:
    url = await desk.created()
    job = await desk.ended(url.split("/")[3])
    assert (job["state"], job["error"]["code"]) == ("failed", "upload_abandoned")
    await until(lambda: desk.spools() == [])
    assert error_of(await desk.client.get(f"/v1/jobs/{job['id']}/result")) == (409, "job_failed")


async def test_a_body_that_stops_coming_is_not_waited_for(desk: Desk) -> None:
    head = b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: audio/wav\r\nContent-Length: 1000\r\n\r\nRIFF"
    exchange = await Exchange.begun(desk.port, head)
    answer = await exchange.answer()
    assert (answer.status, answer.json["error"]["code"]) == (408, "upload_timeout")
    assert desk.spools() == []


async def test_a_body_that_comes_slowly_is(desk: Desk) -> None:
    head = f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: audio/wav\r\nContent-Length: {len(AUDIO)}\r\n\r\n"
    exchange = await Exchange.begun(desk.port, head.encode())
    for start in range(0, len(AUDIO), 20_000):
        await asyncio.sleep(0.1)
        await exchange.send(AUDIO[start : start + 20_000])
    answer = await exchange.answer()
    assert answer.status == 202
    assert (await desk.ended(answer.json["id"]))["state"] == "done"


async def test_a_client_that_goes_before_its_file_is_whole_leaves_nothing(desk: Desk) -> None:
    head = b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: audio/wav\r\nContent-Length: 100000\r\n\r\nRIFF"
    exchange = await Exchange.begun(desk.port, head)
    await until(lambda: desk.spools() != [])
    exchange.reset()
    await until(lambda: desk.spools() == [])


async def test_what_waits_and_what_runs_can_be_cancelled(desk: Desk) -> None:
    desk.house.engine.gate.clear()
    answers = [await desk.client.post("/v1/jobs", content=AUDIO, headers=WAV) for _ in range(4)]
    ids = [answer.json()["id"] for answer in answers]
    await until(lambda: desk.house.engine.jobs)
    states = [(await desk.client.get(f"/v1/jobs/{job_id}")).json() for job_id in ids]
    assert [job["state"] for job in states] == ["running", "running", "queued", "queued"]
    assert [job["queue_position"] for job in states] == [None, None, 1, 2]
    assert states[0]["progress"]["fraction"] < 1
    assert error_of(await desk.client.get(f"/v1/jobs/{ids[0]}/result")) == (409, "job_not_done")
    for job_id in (ids[0], ids[2]):
        assert (await desk.client.delete(f"/v1/jobs/{job_id}")).status_code == 204
        assert (await desk.ended(job_id))["state"] == "cancelled"
        assert error_of(await desk.client.get(f"/v1/jobs/{job_id}/result")) == (409, "job_cancelled")
    assert len([name for name in desk.spools() if not name.endswith(".job")]) == 2
    desk.house.engine.gate.set()
    assert [(await desk.ended(job_id))["state"] for job_id in ids] == ["cancelled", "done", "cancelled", "done"]
    assert len(desk.house.transcripts()) == 2
    await until(lambda: desk.spools() == [])


async def test_deleting_a_job_that_is_done_deletes_what_is_kept_of_it(desk: Desk) -> None:
    job_id = (await desk.client.post("/v1/jobs", content=AUDIO, headers=WAV)).json()["id"]
    await desk.ended(job_id)
    assert (await desk.client.delete(f"/v1/jobs/{job_id}")).status_code == 204
    assert error_of(await desk.client.get(f"/v1/jobs/{job_id}")) == (404, "unknown_job")
    assert error_of(await desk.client.delete(f"/v1/jobs/{job_id}")) == (404, "unknown_job")
    assert desk.house.transcripts() == []


async def test_what_is_no_audio_fails_and_says_why(desk: Desk) -> None:
    job_id = (await desk.client.post("/v1/jobs", content=b"plain text " * 1000, headers=WAV)).json()["id"]
    job = await desk.ended(job_id)
    assert (job["state"], job["error"]["code"]) == ("failed", "unsupported_audio")


async def test_jobs_of_others_are_not_there(desk: Desk) -> None:
    desk.owner = "ann"
    job_id = (await desk.client.post("/v1/jobs", content=AUDIO, headers=WAV)).json()["id"]
    url = await desk.created()
    for state in ("active", "done"):
        desk.owner = "bob"
        for path in (f"/v1/jobs/{job_id}", f"/v1/jobs/{job_id}/result"):
            assert error_of(await desk.client.get(path)) == (404, "unknown_job"), state
        assert error_of(await desk.client.delete(f"/v1/jobs/{job_id}")) == (404, "unknown_job")
        assert error_of(await desk.append(url, b"x", 0)) == (404, "unknown_job")
        assert (await desk.client.get("/v1/jobs")).json() == {"jobs": []}
        desk.owner = "ann"
        await desk.ended(job_id)
    assert [job["id"] for job in (await desk.client.get("/v1/jobs")).json()["jobs"]] == [url.split("/")[3], job_id]


@pytest.mark.parametrize(
    ("query", "field"), [({"since": "yesterday"}, None), ({"limit": "0"}, "limit"), ({"page": "2"}, "page")], ids=str
)
async def test_a_list_that_can_not_be(desk: Desk, query: dict[str, str], field: str | None) -> None:
    answer = await desk.client.get("/v1/jobs", params=query)
    assert answer.status_code == 400
    assert answer.json()["error"].get("field") == field


async def test_a_result_in_a_form_that_there_is_not(desk: Desk) -> None:
    answer = await desk.client.get(f"/v1/jobs/{'x'}/result", params={"format": "docx"})
    assert error_of(answer) == (400, "invalid_field")
    assert json.loads(answer.text)["error"]["field"] == "format"


async def test_any_form_is_answered(desk: Desk) -> None:
    """Damaged in any way, it is taken whole or refused; nothing is left of what was refused."""
    valid = (
        b'--x\r\nContent-Disposition: form-data; name="language"\r\n\r\nen\r\n'
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'
        + wav(tone(0.1))[:400]
        + b"\r\n--x--\r\n"
    )
    random = np.random.default_rng(7)
    taken = 0
    for _ in range(150):
        body = bytearray(valid)
        for _ in range(int(random.integers(1, 4))):
            start = int(random.integers(0, len(body)))
            body[start : start + int(random.integers(0, 12))] = random.bytes(int(random.integers(0, 12)))
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = await desk.client.post("/v1/jobs", content=bytes(body), headers=headers)
        assert answer.status_code in (202, 400), answer.text
        taken += answer.status_code == 202
        if answer.status_code == 400:
            assert answer.json()["error"]["code"] in ("invalid_form", "invalid_field", "unknown_field", "empty_file")
    assert 0 < taken < 150
    await until(lambda: desk.spools() == [])


async def test_a_head_that_never_ends_is_not_held(desk: Desk) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="' + b"a" * (3 << 20)
    answer = await desk.client.post(
        "/v1/jobs", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert error_of(answer) == (400, "invalid_form")


async def test_a_form_of_too_many_parts_is_refused(desk: Desk) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="keywords"\r\n\r\na\r\n'
    body = part * 1100 + b"--x--\r\n"
    answer = await desk.client.post(
        "/v1/jobs", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert error_of(answer) == (400, "invalid_form")
