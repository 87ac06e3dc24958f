"""Webhooks: signed, delivered, tried again, and kept meanwhile."""

import asyncio
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.stage import until
from transcriber.client.webhooks import verify_webhook
from transcriber.metrics import Metrics
from transcriber.signing import read_secret
from transcriber.webhooks import MAX_WAITING, PAUSES_SECONDS, Outbox, Target, post_over_http

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TARGET = Target("https://receiver.example/hook", read_secret(SECRET))


class Receiver:
    """Answers as it is told to; then with 204."""

    def __init__(self, *answers: int | Exception | None) -> None:
        self.answers = list(answers)
        self.got: list[tuple[str, Mapping[str, str], bytes]] = []

    async def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> int | None:
        self.got.append((url, headers, body))
        answer = self.answers.pop(0) if self.answers else 204
        if isinstance(answer, Exception):
            raise answer
        return answer


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def outbox(folder: Path, receiver: Receiver, clock: Clock, metrics: Metrics | None = None) -> Outbox:
    return Outbox(folder, TARGET, metrics or Metrics(), post=receiver, now=clock)


async def deliver(box: Outbox, receiver: Receiver, times: int) -> None:
    """Run until so many attempts were made, and what came of them is known."""
    running = asyncio.create_task(box.run())
    await until(lambda: len(receiver.got) >= times)
    for _ in range(10):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])


def files(folder: Path) -> dict[str, int]:
    """Who may read them, by name."""
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


def counted(metrics: Metrics, outcome: str) -> float | None:
    return metrics.registry.get_sample_value("transcriber_webhooks_total", {"outcome": outcome})


async def test_a_message_is_signed_and_delivered_once(tmp_path: Path) -> None:
    receiver, metrics = Receiver(), Metrics()
    box = outbox(tmp_path, receiver, Clock(), metrics)
    box.put("session.ended", {"session_id": "x", "text": "Grüße"})
    await deliver(box, receiver, 1)
    ((url, headers, body),) = receiver.got
    assert url == TARGET.url
    said = verify_webhook(SECRET, headers, body, tolerance_seconds=1e10)
    assert (said["type"], said["data"]) == ("session.ended", {"session_id": "x", "text": "Grüße"})
    assert said["timestamp"].endswith("+00:00")
    assert headers["webhook-id"].startswith("msg_")
    assert len(box) == 0
    assert files(tmp_path) == {}
    assert counted(metrics, "delivered") == 1


@pytest.mark.parametrize("answer", [None, 500, 404, 302, 429, RuntimeError("broken")])
async def test_what_is_not_taken_is_tried_again_later_with_the_same_id(
    tmp_path: Path, answer: int | Exception | None
) -> None:
    receiver, clock, metrics = Receiver(answer), Clock(), Metrics()
    box = outbox(tmp_path, receiver, clock, metrics)
    box.put("session.ended", {})
    await deliver(box, receiver, 1)
    assert len(box) == 1
    await asyncio.sleep(0.02)
    clock.now += PAUSES_SECONDS[0] * 0.7
    running = asyncio.create_task(box.run())
    await asyncio.sleep(0.02)
    running.cancel()
    assert len(receiver.got) == 1
    clock.now += PAUSES_SECONDS[0]
    await deliver(box, receiver, 2)
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1
    assert len({headers["webhook-timestamp"] for _, headers, _ in receiver.got}) == 2
    assert (counted(metrics, "failed"), counted(metrics, "delivered"), len(box)) == (1, 1, 0)


async def test_what_waits_survives_the_process(tmp_path: Path) -> None:
    clock = Clock()
    receiver = Receiver(500)
    box = outbox(tmp_path, receiver, clock)
    box.put("session.ended", {"first": True})
    await deliver(box, receiver, 1)
    box.put("session.ended", {"first": False})
    assert set(files(tmp_path).values()) == {0o600}
    (tmp_path / "damaged.json").write_text("[")
    clock.now += 3600
    later = Receiver()
    box = outbox(tmp_path, later, clock)
    assert len(box) == 2
    await deliver(box, later, 2)
    assert sorted(json.loads(body)["data"]["first"] for _, _, body in later.got) == [False, True]
    assert list(files(tmp_path)) == ["damaged.json"]


async def test_it_is_given_up_in_the_end_or_when_the_receiver_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, metrics = Clock(), Metrics()
    receiver = Receiver(*[500] * 20)
    box = outbox(tmp_path, receiver, clock, metrics)
    box.put("session.ended", {"text": "planted"})
    with caplog.at_level(logging.WARNING):
        for attempt in range(len(PAUSES_SECONDS) + 1):
            await deliver(box, receiver, attempt + 1)
            clock.now += 40_000
    assert (len(box), len(receiver.got)) == (0, len(PAUSES_SECONDS) + 1)
    box.put("session.ended", {})
    receiver.answers = [410]
    await deliver(box, receiver, len(receiver.got) + 1)
    assert (len(box), counted(metrics, "given_up")) == (0, 2)
    assert "planted" not in caplog.text


async def test_one_that_hangs_holds_up_no_other(tmp_path: Path) -> None:
    hang, got = asyncio.Event(), list[bytes]()

    async def post(url: str, body: bytes, headers: Mapping[str, str]) -> int | None:
        got.append(body)
        if len(got) == 1:
            await hang.wait()
        return 204

    box = Outbox(tmp_path, TARGET, Metrics(), post=post)
    for number in range(6):
        box.put("session.ended", {"number": number})
    running = asyncio.create_task(box.run())
    await until(lambda: len(box) == 1)
    hang.set()
    await until(lambda: len(box) == 0)
    running.cancel()


def test_no_more_wait_than_may(tmp_path: Path) -> None:
    metrics = Metrics()
    box = outbox(tmp_path, Receiver(), Clock(), metrics)
    box._waiting = dict.fromkeys(map(str, range(MAX_WAITING)))  # type: ignore[assignment]
    box.put("session.ended", {})
    assert counted(metrics, "dropped") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_nothing_fails_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    box = outbox(tmp_path / "box", Receiver(), Clock())
    (tmp_path / "box").rmdir()
    box.put("session.ended", {})
    assert len(box) == 1
    assert "webhook not kept on disk" in caplog.text


async def test_over_http(tmp_path: Path) -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"{}"))
        writer.write(b"HTTP/1.1 307 Elsewhere\r\nLocation: /other\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        headers: dict[str, Any] = {"webhook-id": "msg_1"}
        assert await post_over_http(f"http://127.0.0.1:{port}/hook", b"{}", headers) == 307
    assert len(seen) == 1
    assert b"webhook-id: msg_1\r\n" in seen[0]
    assert await post_over_http(f"http://127.0.0.1:{port}/hook", b"{}", headers) is None
