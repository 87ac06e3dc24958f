"""A socket's reader and writer, on a socket made of lists."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.full_disk import files_limited
from tests.stage import SPEECH, House, until
from transcriber.connection import Connection, SocketClosed
from transcriber.events import Options
from transcriber.live import Limits, Live
from transcriber.wire.native import NativeProtocol
from transcriber.wire.protocol import Accepted, Handshake

RAW_QUERY = (("encoding", "pcm_s16le"), ("sample_rate", "16000"))


class ListSocket:
    """Gives scripted messages, keeps what is sent."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[bytes | str | None] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None

    def say(self, *messages: bytes | str) -> None:
        for message in messages:
            self.incoming.put_nowait(message)

    def vanish(self) -> None:
        self.incoming.put_nowait(None)

    async def receive(self) -> bytes | str:
        message = await self.incoming.get()
        if message is None:
            raise SocketClosed
        return message

    async def send(self, message: bytes | str) -> None:
        self.sent.append(json.loads(message))

    async def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    def types(self) -> list[str]:
        return [message["type"] for message in self.sent]


class Client:
    """A connection under test; `query` is its handshake's."""

    def __init__(self, house: House, query: tuple[tuple[str, str], ...] = (), live: Live | None = None) -> None:
        self.socket = ListSocket()
        protocol = NativeProtocol(Options())
        accepted = protocol.open(Handshake("/ws", query))
        assert isinstance(accepted, Accepted)
        self.live = live or house.sessions.begin(accepted.options)
        connection = Connection(self.socket, protocol, accepted, self.live)
        self.task = asyncio.create_task(connection.run())

    async def done(self) -> None:
        async with asyncio.timeout(5):
            await self.task


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as made:
        yield made


async def test_audio_in_text_out(house: House) -> None:
    client = Client(house, RAW_QUERY)
    client.socket.say(*(SPEECH[start : start + 4096] for start in range(0, len(SPEECH), 4096)), "END")
    await client.done()
    types = client.socket.types()
    assert types[0] == "status"
    assert types.count("status") == 1
    assert types.count("transcription") == 3
    assert types[-1] == "complete"
    assert client.socket.sent[-1]["total_chunks"] == -(-len(SPEECH) // 4096)
    assert [message["number"] for message in client.socket.sent] == list(range(1, len(types) + 1))
    assert client.socket.closed == (1000, "complete")


async def test_the_status_comes_before_any_audio(house: House) -> None:
    client = Client(house)
    await until(lambda: client.socket.types() == ["status"])
    client.socket.vanish()
    await client.done()


async def test_a_start_message_declares_raw_samples(house: House) -> None:
    client = Client(house)
    start = {"type": "start", "encoding": "pcm_s16le", "sample_rate": 16_000, "language": "en"}
    client.socket.say(json.dumps(start), SPEECH, "END")
    await client.done()
    assert client.socket.types().count("transcription") == 3
    assert {job.options.language for job in house.engine.jobs} == {"en"}


@pytest.mark.parametrize(
    ("message", "code", "field"),
    [
        ('{"type": "sing"}', "unknown_message", "type"),
        ('{"type": "configure", "endpointing_ms": "long"}', "invalid_field", "endpointing_ms"),
        ('{"type": "configure", "volume": 3}', "unknown_field", "volume"),
        ("not json", "invalid_json", None),
        ('{"type": "start"}', "already_started", "type"),
    ],
)
async def test_bad_messages_are_answered_and_the_session_goes_on(
    house: House, message: str, code: str, field: str | None
) -> None:
    client = Client(house, RAW_QUERY)
    client.socket.say(SPEECH[:48_000], message, SPEECH[48_000:], "END")
    await client.done()
    (error,) = [sent for sent in client.socket.sent if sent["type"] == "error"]
    assert (error["code"], error.get("field"), error["fatal"]) == (code, field, False)
    assert client.socket.types()[-1] == "complete"


async def test_what_comes_after_the_end_is_left(house: House) -> None:
    client = Client(house, RAW_QUERY)
    client.socket.say(b"", SPEECH, "END", "END", SPEECH, '{"type": "sing"}')
    await client.done()
    assert client.socket.sent[-1]["total_chunks"] == 1
    assert "error" not in client.socket.types()


async def test_a_client_that_vanishes_leaves_a_stored_session(house: House) -> None:
    client = Client(house, RAW_QUERY)
    client.socket.say(SPEECH)
    client.socket.vanish()
    await client.done()
    await until(lambda: not house.sessions)
    assert len(house.transcripts()[0].splitlines()) == 3


async def test_a_session_that_sends_too_much_is_ended_with_its_text(tmp_path: Path) -> None:
    async with House(tmp_path, Limits(session_bytes=len(SPEECH) + 2000)) as house:
        client = Client(house, RAW_QUERY)
        client.socket.say(SPEECH, SPEECH)
        await client.done()
        assert client.socket.types().count("transcription") == 3
        assert (client.socket.sent[-1]["code"], client.socket.sent[-1]["fatal"]) == ("session_too_large", True)
        assert client.socket.closed == (1009, "session_too_large")


async def test_a_client_comes_back_and_misses_nothing(house: House) -> None:
    first = Client(house, (*RAW_QUERY, ("resume", "true")))
    first.socket.say(SPEECH[:96_000])
    await until(lambda: "transcription" in first.socket.types())
    first.socket.vanish()
    await first.done()
    token, seen = first.socket.sent[0]["resume_token"], first.socket.sent[0]["number"]
    live = house.sessions.resume(token)
    assert live is first.live
    second = Client(house, (("resume_token", token), ("last_event", str(seen))), live)
    await until(lambda: "status" in second.socket.types())
    received = next(message for message in second.socket.sent if message["type"] == "status")["received_bytes"]
    assert received == 96_000
    second.socket.say(SPEECH[received:], "END")
    await second.done()
    numbers = [message["number"] for message in second.socket.sent if "number" in message]
    assert numbers == list(range(seen + 1, seen + 1 + len(numbers)))
    assert second.socket.types().count("transcription") == 3
    assert second.socket.sent[-1]["full_transcription"] == " ".join(
        message["text"] for message in second.socket.sent if message["type"] == "transcription"
    )


async def test_a_connection_gives_way_to_the_next_of_its_client(house: House) -> None:
    first = Client(house, (*RAW_QUERY, ("resume", "true")))
    await until(lambda: first.socket.types() == ["status"])
    second = Client(house, RAW_QUERY, first.live)
    await first.done()
    second.socket.say(SPEECH, "END")
    await second.done()
    assert second.socket.types()[-1] == "complete"


async def test_a_configure_before_the_audio_counts(house: House) -> None:
    client = Client(house, RAW_QUERY)
    client.socket.say('{"type": "configure", "language": "fr"}', SPEECH, "END")
    await client.done()
    assert {job.options.language for job in house.engine.jobs} == {"fr"}


async def test_a_start_that_changes_options_is_answered_by_what_is_understood_now(house: House) -> None:
    client = Client(house)
    start = {"type": "start", "encoding": "pcm_s16le", "sample_rate": 16_000, "resume": True}
    client.socket.say(json.dumps(start))
    await until(lambda: client.socket.types() == ["status", "status"])
    first, second = client.socket.sent
    assert "resume_token" not in first or first["resume_token"] is None
    assert second["resume_token"]
    assert second["options"]["sample_rate"] == 16_000
    client.socket.vanish()
    await client.done()
    assert client.live.resumable


async def test_a_client_that_saw_nothing_yet_learns_what_was_received(house: House) -> None:
    first = Client(house, (*RAW_QUERY, ("resume", "true")))
    first.socket.say(SPEECH[:3200])
    first.socket.vanish()
    await first.done()
    token = first.live.status.resume_token or ""
    second = Client(house, (("resume_token", token),), first.live)
    await until(lambda: second.socket.types() == ["status", "status"])
    assert second.socket.sent[1]["received_bytes"] == 3200
    second.socket.say("END")
    await second.done()


async def test_a_client_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    async with House(tmp_path, Limits(idle_seconds=0.2)) as house:
        client = Client(house, RAW_QUERY)
        client.socket.say(SPEECH)
        for _ in range(5):
            await asyncio.sleep(0.1)
            client.socket.say('{"type": "keep_alive"}')
        assert not client.live.ended
        await client.done()
        assert client.socket.types().count("transcription") == 3
        assert (client.socket.sent[-1]["code"], client.socket.sent[-1]["fatal"]) == ("idle_timeout", True)
        assert client.socket.closed == (1008, "idle_timeout")


async def test_messages_in_too_quick_a_succession_are_read_later(tmp_path: Path) -> None:
    async with House(tmp_path, Limits(messages_per_second=100)) as house:
        client = Client(house, RAW_QUERY)
        client.socket.say(*(SPEECH[start : start + 800] for start in range(0, len(SPEECH), 800)), "END")
        messages = -(-len(SPEECH) // 800)
        began = asyncio.get_running_loop().time()
        await client.done()
        assert asyncio.get_running_loop().time() - began > (messages - 100) / 100 * 0.9
        assert client.socket.sent[-1]["total_chunks"] == messages


async def test_a_suspended_session_says_so_last_and_to_nobody_else(tmp_path: Path) -> None:
    async with House(tmp_path) as first_house:
        first = Client(first_house, (*RAW_QUERY, ("resume", "true")))
        first.socket.say(SPEECH[:96_000])
        await until(lambda: "transcription" in first.socket.types())
        await first_house.sessions.drain(30)
        await first.done()
        suspended = first.socket.sent[-1]
        assert suspended == {
            "type": "suspended",
            "resume_token": first.socket.sent[0]["resume_token"],
            "received_bytes": 96_000,
        }
        assert first.socket.closed == (1012, "service restart")
    seen = max(message["number"] for message in first.socket.sent if "number" in message)
    async with House(tmp_path) as second_house:
        second_house.sessions.recover()
        live = second_house.sessions.resume(suspended["resume_token"])
        query = (("resume_token", suspended["resume_token"]), ("last_event", str(seen)))
        second = Client(second_house, query, live)
        await until(lambda: "status" in second.socket.types())
        status = next(message for message in second.socket.sent if message["type"] == "status")
        assert (status["received_bytes"], status["options"]["sample_rate"]) == (96_000, 16_000)
        second.socket.say(SPEECH[96_000:], "END")
        await second.done()
    numbers = [message["number"] for message in second.socket.sent if "number" in message]
    assert numbers == list(range(seen + 1, seen + 1 + len(numbers)))
    messages = first.socket.sent + second.socket.sent
    texts = [message["text"] for message in messages if message["type"] == "transcription"]
    assert len(texts) == 3
    assert second.socket.sent[-1]["full_transcription"] == " ".join(texts)
    assert "suspended" not in second.socket.types()


async def test_a_session_of_nothing_but_nonsense_has_its_limit_too(tmp_path: Path) -> None:
    async with House(tmp_path, Limits(session_bytes=len(SPEECH) + 20_000)) as house:
        client = Client(house, RAW_QUERY)
        client.socket.say(SPEECH, *(['{"type": "sing"}'] * 1000))
        await client.done()
        assert client.socket.types().count("transcription") == 3
        assert 10 < client.socket.types().count("error") < 500
        assert client.socket.closed == (1009, "session_too_large")


async def test_a_full_disk_ends_the_session_with_what_it_could_keep(house: House) -> None:
    client = Client(house, RAW_QUERY)
    client.socket.say(SPEECH[:96_000])
    await until(lambda: client.live.spool.received_bytes == 96_000)
    house.engine.gate.clear()  # nothing is stored before the disk is well again
    with files_limited(96_000):
        client.socket.say(SPEECH[96_000:])
        await until(lambda: client.live.ended)
    house.engine.gate.set()
    await client.done()
    assert (client.socket.sent[-1]["code"], client.socket.sent[-1]["fatal"]) == ("storage_full", True)
    assert client.socket.closed == (1011, "storage_full")
    await until(lambda: not house.sessions)
    assert house.transcripts()[0].splitlines()[2:] == ["[no text from 00:00:03.000 on: storage_full]"]


async def test_audio_behind_a_fatal_error_is_no_part_of_the_recording(house: House) -> None:
    client = Client(house)
    client.socket.say(b"neither fish nor flesh")
    await until(lambda: client.live.spool.sealed)
    client.socket.say(SPEECH)
    await client.done()
    assert client.socket.closed == (1003, "unsupported_audio")
    await until(lambda: not house.sessions)
    (recording,) = (house.folder / "store").rglob("audio.bin")
    assert recording.read_bytes() == b"neither fish nor flesh"
