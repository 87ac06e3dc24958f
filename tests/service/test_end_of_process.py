"""However the process ends, nothing that was sent is lost."""

import asyncio
import contextlib
import json
import signal
import time

import pytest

from tests import lj001
from tests.checked_client import client, refusal, types
from tests.http_get import get
from tests.service_process import ServiceProcess
from tests.stage import until
from tests.transport.raw_client import BINARY, connected, frame, handshake

SPEECH = lj001.wav(0, 12)
FIRST_WORDS = "Printing, in the only sense"


async def test_a_killed_process_leaves_sessions_that_the_next_one_finishes(own_service: ServiceProcess) -> None:
    own_service.start()
    async with client(own_service.url) as speaker:
        session_id = (await speaker.hear())["session_id"]
        await speaker.stream(SPEECH)
        heard = await speaker.hear_until("transcription")
        own_service.send_signal(signal.SIGKILL)
        assert own_service.wait() == -signal.SIGKILL
        await speaker.hear_all()
    assert (own_service.data / "spool" / session_id).exists()
    assert not list(own_service.data.rglob("transcript.*"))
    own_service.start()
    await until(lambda: not (own_service.data / "spool" / session_id).exists())
    folder = own_service.stored(session_id)
    recording = (folder / "audio.wav").read_bytes()
    assert len(recording) > len(SPEECH) / 2
    assert recording[44:] == SPEECH[44 : len(recording)]
    first, *_ = json.loads((folder / "transcript.json").read_text())["utterances"]
    assert {name: heard[name] for name in ("text", "start", "end", "utterance")}.items() <= first.items()
    assert own_service.leftovers() == []
    assert "taking up unfinished sessions" in [line["event"] for line in own_service.log()]


async def test_sigterm_gives_every_session_its_text_and_a_close_code(own_service: ServiceProcess) -> None:
    own_service.start()
    async with client(own_service.url) as speaker:
        session_id = (await speaker.hear())["session_id"]
        await speaker.stream(SPEECH[:200_000])
        await speaker.hear_until("speech_started")
        own_service.send_signal(signal.SIGTERM)
        assert await speaker.hear_all() == (1012, "service restart")
    assert types(speaker.received)[-1] == "complete"
    final = speaker.of("transcription")[-1]
    assert (final["reason"], final["text"].startswith(FIRST_WORDS)) == ("end", True)
    assert own_service.wait() == 0
    assert (own_service.stored(session_id) / "audio.wav").stat().st_size > 44
    assert own_service.leftovers() == []
    assert {line["level"] for line in own_service.log()} == {"info"}


HALVES = (
    b"",
    b"GET /health HT",
    b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf a body",
    handshake("/ws")[:-2],
    handshake("/ws") + frame(BINARY, b"RI", final=False),
)


@pytest.mark.parametrize("event_loop", ["asyncio", "uvloop"])
async def test_what_clients_have_half_sent_holds_nothing_up_and_is_no_error(
    own_service: ServiceProcess, event_loop: str
) -> None:
    own_service.settings |= {"DRAIN_SECONDS": "0", "EVENT_LOOP": event_loop}
    own_service.start()
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(own_service.port)) for _ in HALVES]
        for half, visitor in zip(HALVES, clients, strict=True):
            await visitor.send(half)
        assert await clients[-1].head()
        own_service.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(own_service.wait) == 0
    assert {line["level"] for line in own_service.log()} == {"info"}


async def test_a_draining_service_takes_on_nothing_and_lets_sessions_end(own_service: ServiceProcess) -> None:
    own_service.settings["DRAIN_SECONDS"] = "30"
    own_service.start()
    async with client(own_service.url) as speaker:
        await speaker.hear()
        own_service.send_signal(signal.SIGTERM)
        await until(lambda: "draining" in own_service.log_text())
        response, error = await refusal(own_service.url)
        assert (response.status_code, error["code"]) == (503, "draining")
        assert [get(own_service.port, path)[0] for path in ("/health", "/live")] == [503, 200]
        await speaker.stream(SPEECH)
        await speaker.say("END")
        assert await speaker.hear_all() == (1000, "complete")
    assert speaker.text.startswith(FIRST_WORDS)
    assert own_service.wait() == 0


async def test_a_second_ctrl_c_ends_sessions_at_once(own_service: ServiceProcess) -> None:
    own_service.settings["DRAIN_SECONDS"] = "30"
    own_service.start()
    async with client(own_service.url) as speaker:
        await speaker.hear()
        began = time.monotonic()
        own_service.send_signal(signal.SIGINT)
        await until(lambda: "draining" in own_service.log_text())
        await asyncio.sleep(0.2)
        assert speaker.connection.close_code is None
        own_service.send_signal(signal.SIGINT)
        assert await speaker.hear_all() == (1012, "service restart")
    assert own_service.wait() == 0
    assert time.monotonic() - began < 4
    assert types(speaker.received)[-1] == "complete"


def test_ctrl_c_without_sessions_ends_at_once(own_service: ServiceProcess) -> None:
    own_service.settings["DRAIN_SECONDS"] = "30"
    own_service.start()
    began = time.monotonic()
    own_service.send_signal(signal.SIGINT)
    assert own_service.wait() == 0
    assert time.monotonic() - began < 4
    assert not list((own_service.data / ".tmp").glob("*/")), "the store took its temporary folder away"
