"""The client's view of the jobs of a service, against the routes themselves."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from quart import Quart, Response

from tests.served import installed
from tests.stage import SPEECH, House, wav
from transcriber.client.errors import ConnectionFailed, ConnectionLost, Refused, TranscriberError
from transcriber.client.jobs import HttpService, Job, base_url, is_passing, texts_of
from transcriber.endpoints.jobs import Owners
from transcriber.endpoints.jobs import jobs as routes
from transcriber.job_archive import JobArchive
from transcriber.jobs import Jobs

AUDIO = wav(SPEECH)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[HttpService]:
    async with House(tmp_path) as house:
        jobs = Jobs(house.sessions, JobArchive(house.store))
        app = Quart(__name__)
        app.register_blueprint(routes(lambda: jobs, Owners(), 5))
        async with installed(app) as port:
            yield HttpService(f"ws://127.0.0.1:{port}/ws")
        await jobs.close()


async def test_a_file_goes_there_and_its_text_comes_back(service: HttpService) -> None:
    job = await service.begin("grüße.wav", len(AUDIO), {"language": "en"})
    assert (job.state, job.received_bytes) == ("receiving", 0)
    await service.append(job.id, AUDIO[:1000], 0, complete=False)
    assert (await service.job(job.id)).received_bytes == 1000
    with pytest.raises(Refused) as refused:
        await service.append(job.id, AUDIO, 0, complete=True)
    assert refused.value.code == "wrong_offset"
    await service.append(job.id, AUDIO[1000:], 1000, complete=True)
    async with asyncio.timeout(10):
        while not (job := await service.job(job.id)).ended:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.01)
    assert (job.state, job.gaps, job.error) == ("done", 0, None)
    for kind in ("json", "txt", "srt", "vtt"):
        assert await service.result(job.id, kind)
    await service.forget(job.id)
    assert (await service.job(job.id)).state == "done", "the service keeps it"


async def test_what_is_refused_is_told_in_the_words_of_the_service(service: HttpService) -> None:
    with pytest.raises(Refused) as refused:
        await service.begin("a.wav", 1, {"language": "english"})
    assert (refused.value.status, refused.value.code, refused.value.field) == (400, "invalid_field", "language")
    with pytest.raises(Refused) as refused:
        await service.job("../../x")
    assert refused.value.status == 404


async def test_what_is_only_a_moment_is_asked_again() -> None:
    app, asked = Quart(__name__), list[str]()

    async def busy(job_id: str) -> Response | dict[str, object]:
        asked.append(job_id)
        if len(asked) == 1:
            return Response('{"error":{"code":"too_many_jobs","message":"Later."}}', 429)
        return {"id": job_id, "state": "running", "received_bytes": 1, "progress": {"seconds": 1, "fraction": 0.25}}

    app.add_url_rule("/v1/jobs/<job_id>", view_func=busy)
    async with installed(app) as port:
        job = await HttpService(f"http://127.0.0.1:{port}").job("a")
    assert (job.fraction, len(asked)) == (0.25, 2)


async def test_something_else_answers() -> None:
    app = Quart(__name__)

    async def page(path: str) -> str:
        return "<html>"

    app.add_url_rule("/<path:path>", view_func=page)
    async with installed(app) as port:
        with pytest.raises(ConnectionFailed) as failed:
            await HttpService(f"http://127.0.0.1:{port}").job("a")
    assert failed.value.code == "no_service"


async def test_nobody_answers() -> None:
    with pytest.raises(ConnectionFailed) as failed:
        await HttpService("http://127.0.0.1:1").append("a", b"", 0, complete=True)
    assert failed.value.code == "connection_failed"


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://host:8080", "http://host:8080"),
        ("https://host/prefix/", "https://host/prefix"),
        ("ws://host:1/ws", "http://host:1"),
        ("wss://host/a/ws?language=en", "https://host/a"),
    ],
)
def test_the_address_of_a_service(url: str, base: str) -> None:
    assert base_url(url) == base


@pytest.mark.parametrize("url", ["", "host:8080", "ftp://host", "http://", "http://[x"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ConnectionFailed) as failed:
        base_url(url)
    assert failed.value.code == "invalid_url"


@pytest.mark.parametrize(
    ("failure", "passing"),
    [
        (Refused(429, "too_many_jobs", ""), True),
        (Refused(503, "draining", ""), True),
        (Refused(401, "invalid_key", ""), False),
        (ConnectionLost("connection_lost", ""), True),
        (ConnectionFailed("connection_failed", ""), True),
        (ConnectionFailed("invalid_url", ""), False),
        (TranscriberError("usage", ""), False),
    ],
)
def test_which_trouble_passes(failure: TranscriberError, passing: bool) -> None:
    assert is_passing(failure) is passing


def test_options_are_written_as_a_query_has_them() -> None:
    options = {"language": "en", "translate": True, "keywords": ["a", "b"], "prompt": None, "endpointing_ms": 400}
    assert texts_of(options) == {"language": "en", "translate": "true", "keywords": "a,b", "endpointing_ms": "400"}


def test_a_job_is_read_from_what_is_shown() -> None:
    document = {"id": "a", "state": "failed", "received_bytes": 3, "progress": None, "gaps": 2}
    job = Job.of({**document, "error": {"code": "c", "message": "m"}})
    assert job == Job("a", "failed", 3, gaps=2, error=("c", "m"))
    assert job.ended
