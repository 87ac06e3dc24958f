"""Sessions over HTTP once they are over, and the webhook of their end, on a running service."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests import lj001
from tests.checked_client import client
from tests.s3_server import S3Server, s3_server
from tests.service_process import ServiceProcess
from transcriber.api_keys import KeyLimits, dump, new_key
from transcriber.client.webhooks import verify_webhook

SPEECH = lj001.wav(9.955, 11.9)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEYS = {name: new_key(name, KeyLimits()) for name in ("alice", "bob")}


class Receiver:
    """A server that takes webhooks."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []

    async def __aenter__(self) -> "Receiver":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.splitlines()[1:])
        }
        body = await reader.readexactly(int(headers["content-length"]))
        self.got.append(verify_webhook(SECRET, headers, body))
        writer.write(b"HTTP/1.1 204 Taken\r\nConnection: close\r\n\r\n")
        writer.close()


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as made:
        yield made


@pytest.fixture(params=["disk", "s3"])
async def service(
    request: pytest.FixtureRequest, receiver: Receiver, s3: S3Server, openai_settings: dict[str, str], tmp_path: Path
) -> AsyncIterator[ServiceProcess]:
    where = {}
    if request.param == "s3":
        request.node.bucket = s3.make_bucket(versions=True)
        where = {name.lower(): value for name, value in s3.environment.items()} | {"s3_bucket": request.node.bucket}
    process = ServiceProcess(
        tmp_path,
        api_keys=dump(key for _, key in KEYS.values()),
        webhook_url=receiver.url,
        webhook_secret=SECRET,
        webhook_finals="true",
        drain_seconds=0,
        **where,
        **openai_settings,
    )
    await asyncio.to_thread(process.start)
    yield process
    process.__exit__()


def headers(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[name][0]}"}


async def test_a_session_from_its_end_to_its_deletion(
    service: ServiceProcess, receiver: Receiver, s3: S3Server, request: pytest.FixtureRequest
) -> None:
    async with client(service.url, headers("alice")) as speaker:
        session_id = (await speaker.hear())["session_id"]
        await speaker.say(SPEECH, "END")
        assert await speaker.hear_all() == (1000, "complete")
    base = f"http://127.0.0.1:{service.port}/v1"
    async with httpx2.AsyncClient(headers=headers("alice"), trust_env=False) as http:
        async with asyncio.timeout(10):
            while not (listed := (await http.get(f"{base}/sessions")).json()["sessions"]):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        (entry,) = listed
        assert (entry["session_id"], entry["model"], entry["utterances"]) == (session_id, "gpt-transcribe", 1)
        place = f"{base}/sessions/{session_id}"
        shown = (await http.get(place)).json()
        names = {file["name"]: file["bytes"] for file in shown["files"]}
        assert {"audio.wav", "transcript.json", "transcript.txt", "transcript.srt", "transcript.vtt"} <= set(names)
        assert (await http.get(f"{place}/transcript.txt")).text.strip() == speaker.text
        assert (await http.get(f"{place}/transcript.json")).json()["session_id"] == session_id
        assert (await http.get(f"{place}/transcript.vtt")).text.startswith("WEBVTT")
        whole = await http.get(f"{place}/audio")
        assert (whole.headers["content-type"], len(whole.content)) == ("audio/wav", names["audio.wav"])
        part = await http.get(f"{place}/audio", headers={"Range": "bytes=44-143"})
        assert (part.status_code, part.content) == (206, whole.content[44:144])
        head = await http.head(f"{place}/audio")
        assert (head.status_code, head.headers["content-length"]) == (200, str(names["audio.wav"]))
        assert (await http.get(place, headers=headers("bob"))).status_code == 404
        assert (await http.delete(place, headers=headers("bob"))).status_code == 404
        assert (await http.delete(place)).status_code == 204
        assert (await http.get(place)).status_code == 404
        usage = (await http.get(f"{base}/usage")).json()["total"]
        assert usage["sessions"] == 1
        assert usage["dollars"] == pytest.approx(0.0045 * usage["upstream_seconds"] / 60, abs=1e-6)
    if request.node.callspec.params["service"] == "s3":
        pages = s3.client.list_object_versions(Bucket=request.node.bucket)
        left = [found["Key"] for kind in ("Versions", "DeleteMarkers") for found in pages.get(kind, ())]
    else:
        left = [path.relative_to(service.data).as_posix() for path in service.data.rglob("*") if path.is_file()]
    assert [key for key in left if session_id in key and not key.startswith("usage/")] == []
    async with asyncio.timeout(5):
        while len(receiver.got) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    final, ended = sorted(receiver.got, key=lambda said: said["type"], reverse=True)
    assert (final["type"], final["data"]["text"]) == ("transcription.final", speaker.text)
    assert (ended["type"], ended["data"]["owner"], ended["data"]["storage"]["state"]) == (
        "session.ended",
        "alice",
        "stored",
    )
    assert json.dumps(ended).find(speaker.text) == -1


async def test_webhooks_that_wait_survive_the_process(openai_settings: dict[str, str], tmp_path: Path) -> None:
    async with Receiver() as receiver:
        settings = {**openai_settings, "webhook_secret": SECRET, "drain_seconds": 0}
        process = ServiceProcess(tmp_path, webhook_url="http://127.0.0.1:9/nobody", **settings)
        await asyncio.to_thread(process.start)
        async with client(process.url) as speaker:
            await speaker.say("END")
            assert await speaker.hear_all() == (1000, "complete")
        async with asyncio.timeout(10):
            while "webhook not taken" not in process.log_text():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        process.__exit__()
        process.settings["WEBHOOK_URL"] = receiver.url
        await asyncio.to_thread(process.start)
        async with asyncio.timeout(15):
            while not receiver.got:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        process.__exit__()
    assert receiver.got[0]["type"] == "session.ended"
    assert receiver.got[0]["data"]["owner"] is None
