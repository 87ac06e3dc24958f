import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.native_server import ENGINE_FAILED, Conversation, NativeServer, Script, native_server
from transcriber.client import (
    Complete,
    ConnectionFailed,
    ConnectionLost,
    Event,
    Failed,
    Refused,
    Session,
    SessionFailed,
    SessionOver,
    Status,
    Suspended,
    Transcription,
    connect,
)


@contextlib.asynccontextmanager
async def session_with(script: Script, **options: Any) -> AsyncGenerator[Session, None]:
    async with native_server(script) as server, connect(server.url, **options) as session:
        yield session


async def read(session: Session, events: list[Event] | None = None) -> list[Event]:
    """The events to the end; `events` has them also when the end is an error."""
    events = [] if events is None else events
    async for event in session:
        events.append(event)
    return events


async def send_for_ever(session: Session) -> None:
    while True:
        await session.send(bytes(100_000))


async def test_audio_goes_out_and_events_come_in() -> None:
    async with native_server() as server, connect(server.url) as session:
        for chunk in (b"\1\2", b"\3", b"\4\5\6"):
            await session.send(chunk)
        await session.finish()
        events = await read(session)
    assert [type(event) for event in events] == [Status, Transcription, Complete]
    assert [event.number for event in events] == [1, 2, 3]
    assert server.conversation.received == [b"\1\2", b"\3", b"\4\5\6", "END"]


async def test_the_status_is_there_from_the_start() -> None:
    async with native_server() as server, connect(server.url) as session:
        assert session.status.session_id == "0190a8a0-0000-7000-8000-000000000000"
        await session.finish()
        assert (await anext(session)) is session.status


async def test_finishing_twice_is_finishing_once() -> None:
    async with native_server() as server, connect(server.url) as session:
        await session.finish()
        await session.finish()
        await read(session)
    assert server.conversation.received == ["END"]


async def test_the_end_stays_the_end() -> None:
    async with native_server() as server, connect(server.url) as session:
        await session.finish()
        await read(session)
        assert await read(session) == []


async def test_options_become_query_parameters() -> None:
    options: dict[str, Any] = {
        **{"language": "de", "sample_rate": 8000, "interim_results": True, "translate": False, "speech_threshold": 0.4},
        **{"prompt": "a & b = ü", "keywords": ["Ann", "Bo"], "record": "audio+text", "model": None},
    }
    async with native_server() as server, connect(f"{server.url}?endpointing_ms=300", **options):
        pass
    assert server.conversation.query == [
        *(("endpointing_ms", "300"), ("language", "de"), ("sample_rate", "8000"), ("interim_results", "true")),
        *(("translate", "false"), ("speech_threshold", "0.4"), ("prompt", "a & b = ü")),
        *(("keywords", "Ann"), ("keywords", "Bo"), ("record", "audio+text")),
    ]


async def test_the_key_goes_into_a_header_and_no_compression_is_offered() -> None:
    async with native_server() as server, connect(server.url, api_key="secret"):
        pass
    headers = server.conversation.headers
    assert headers["Authorization"] == "Bearer secret"
    assert "Sec-WebSocket-Extensions" not in headers


async def test_without_a_key_there_is_no_header() -> None:
    async with native_server() as server, connect(server.url):
        pass
    assert "Authorization" not in server.conversation.headers


async def test_a_proxy_does_not_stand_between_processes_of_one_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with native_server() as server, connect(server.url) as session:
        assert session.status.engine == "fake"


async def test_controls() -> None:
    async with native_server() as server, connect(server.url) as session:
        await session.configure(language="fr", endpointing_ms=300)
        await session.finalize()
        await session.keep_alive()
        await session.pause_recording()
        await session.resume_recording()
        await session.finish()
        await read(session)
    assert [json.loads(text) for text in server.conversation.texts[:-1]] == [
        {"type": "configure", "language": "fr", "endpointing_ms": 300},
        {"type": "finalize"},
        {"type": "keep_alive"},
        {"type": "pause_recording"},
        {"type": "resume_recording"},
    ]


async def test_audio_may_be_sent_whole_before_the_first_event_is_read() -> None:
    count = 200

    async def chatty(conversation: Conversation) -> None:
        await conversation.tell("status")
        for _ in range(count):
            await conversation.hear()
            await conversation.tell("transcription", text="x" * 10_000)
        await conversation.hear_until_end()
        await conversation.tell("complete")

    async with session_with(chatty) as session:
        for _ in range(count):
            await session.send(bytes(10_000))
        await session.finish()
        assert len(await read(session)) == count + 2


async def test_sending_waits_for_a_server_that_does_not_read() -> None:
    async def deaf(conversation: Conversation) -> None:
        await conversation.tell("status")
        conversation.stop_reading()
        await conversation.connection.wait_closed()

    sent = 0
    async with session_with(deaf) as session:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                while sent < 1000:
                    await session.send(bytes(100_000))
                    sent += 1
    assert 0 < sent < 500, "kernel buffers hold a few megabytes; the client itself nearly nothing"


async def test_an_error_that_is_not_fatal_is_an_event() -> None:
    async def engine_fails(conversation: Conversation) -> None:
        await conversation.tell("status")
        await conversation.tell("error", **ENGINE_FAILED)
        await conversation.tell("complete")

    async with session_with(engine_fails) as session:
        events = await read(session)
    assert [event.type for event in events] == ["status", "error", "complete"]


async def unsupported(conversation: Conversation) -> None:
    await conversation.tell("status")
    await conversation.hear()
    await conversation.tell("error", fatal=True, field="encoding")
    await conversation.connection.close(1003)


async def test_a_fatal_error_is_an_event_and_then_raised() -> None:
    events: list[Event] = []
    async with session_with(unsupported) as session:
        await session.send(b"?")
        with pytest.raises(SessionFailed) as failed:
            await read(session, events)
        assert isinstance(events[-1], Failed)
        assert events[-1].fatal
    error = failed.value
    assert (error.code, error.message, error.field, error.close_code) == (
        *("unsupported_audio", "Declare it.", "encoding"),
        1003,
    )


async def test_sending_fails_with_the_reason_that_the_server_gave() -> None:
    async with session_with(unsupported) as session:
        with pytest.raises(SessionFailed, match="unsupported_audio"):
            await send_for_ever(session)
        with pytest.raises(SessionFailed, match="unsupported_audio"):
            await session.finish()
        with pytest.raises(SessionFailed, match="unsupported_audio"):
            await read(session)
        with pytest.raises(SessionFailed, match="unsupported_audio"):
            await read(session)


async def test_the_reason_comes_though_the_server_reads_no_more() -> None:
    async def turn_away(conversation: Conversation) -> None:
        await conversation.tell("status")
        conversation.stop_reading()
        await asyncio.sleep(0.1)
        await conversation.tell("error", fatal=True)
        await conversation.connection.wait_closed()

    async with session_with(turn_away) as session:
        async with asyncio.timeout(5):
            with pytest.raises(SessionFailed, match="unsupported_audio"):
                await send_for_ever(session)


@pytest.mark.parametrize(
    ("code", "reason", "error", "message"),
    [
        (1000, "", ConnectionLost, "connection_lost: the connection closed with code 1000"),
        (1001, "restarting", ConnectionLost, "connection_lost: the connection closed with code 1001 (restarting)"),
        (1011, "", ConnectionLost, "connection_lost: the connection closed with code 1011"),
        (1008, "too much", SessionFailed, "closed_1008: the server closed the connection: too much"),
        (1009, "", SessionFailed, "closed_1009: the server closed the connection: no reason given"),
    ],
)
async def test_a_connection_that_closes_before_the_end(
    code: int, reason: str, error: type[SessionFailed | ConnectionLost], message: str
) -> None:
    async def close(conversation: Conversation) -> None:
        await conversation.tell("status")
        await conversation.connection.close(code, reason)

    async with session_with(close) as session:
        with pytest.raises(error) as failed:
            await read(session)
    assert str(failed.value) == message
    assert failed.value.close_code == code


async def test_a_connection_that_is_cut() -> None:
    async def die(conversation: Conversation) -> None:
        await conversation.tell("status")
        await conversation.hear()
        await conversation.cut()

    async with session_with(die) as session:
        await session.send(b"?")
        with pytest.raises(ConnectionLost) as lost:
            await read(session)
    assert (lost.value.code, lost.value.close_code) == ("connection_lost", 1006)


@pytest.mark.parametrize("message", ["hello", b"\0", '{"type": "partial"}'])
async def test_a_message_that_nobody_can_read(message: str | bytes) -> None:
    async def mumble(conversation: Conversation) -> None:
        await conversation.tell("status")
        await conversation.connection.send(message)
        await conversation.connection.wait_closed()

    async with session_with(mumble) as session:
        with pytest.raises(ConnectionLost, match="invalid_message"):
            await read(session)


async def test_a_suspended_session_ends_the_events() -> None:
    async def suspend(conversation: Conversation) -> None:
        await conversation.tell("status")
        await conversation.tell("suspended", resume_token="again", received_bytes=5)

    async with session_with(suspend) as session:
        last = (await read(session))[-1]
    assert isinstance(last, Suspended)
    assert (last.resume_token, last.received_bytes) == ("again", 5)


async def test_nothing_can_be_sent_after_the_end() -> None:
    async with native_server() as server, connect(server.url) as session:
        await session.finish()
        await read(session)
        with pytest.raises(SessionOver):
            await session.send(b"more")


async def test_leaving_early_closes_the_connection() -> None:
    async def listen(conversation: Conversation) -> None:
        await conversation.tell("status")
        await conversation.connection.wait_closed()

    async with native_server(listen) as server:
        async with connect(server.url) as session:
            await session.send(b"?")
        await server.conversation.over.wait()
        assert server.conversation.connection.close_code == 1000


async def refused(server: NativeServer) -> Refused:
    with pytest.raises(Refused) as refusal:
        async with connect(server.url):
            pass
    return refusal.value


async def test_a_refusal_in_the_words_of_the_server() -> None:
    body = json.dumps({"error": {"code": "invalid_field", "message": "Wrong.", "field": "language"}})
    async with native_server(refuse=(400, body)) as server:
        error = await refused(server)
    assert (error.status, error.code, error.message, error.field) == (400, "invalid_field", "Wrong.", "language")


@pytest.mark.parametrize(
    "body", [*("<html>", "{}", "[]", '{"error": "no"}', '{"error": {"code": "x"}}', ""), "[" * 100_000]
)
async def test_a_refusal_by_something_else(body: str) -> None:
    async with native_server(refuse=(503, body)) as server:
        error = await refused(server)
    assert (error.status, str(error)) == (503, "http_503: the server answered 503 Service Unavailable")


async def not_connected(url: str, **options: Any) -> ConnectionFailed:
    with pytest.raises(ConnectionFailed) as failure:
        async with connect(url, **options):
            pass
    return failure.value


async def test_nobody_listens() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{reserved.getsockname()[1]}/ws"
        error = await not_connected(url, prompt="private")
    assert error.code == "connection_failed"
    assert error.message.startswith(f"cannot connect to {url}: ")
    assert "private" not in str(error)


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("http://127.0.0.1:1", "ws://127.0.0.1:1/ws"),
        ("https://127.0.0.1:1/base/?language=en", "wss://127.0.0.1:1/base/ws"),
        ("http://127.0.0.1:1/ws", "ws://127.0.0.1:1/ws"),
        ("ws://127.0.0.1:1/", "ws://127.0.0.1:1/ws"),
        ("ws://127.0.0.1:1/base", "ws://127.0.0.1:1/base"),
    ],
)
async def test_the_address_of_a_service_is_that_of_its_websocket(given: str, asked: str) -> None:
    assert (await not_connected(given)).message.startswith(f"cannot connect to {asked}: ")


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/ws", "http://", "127.0.0.1:80", "ws://", "ws://127.0.0.1:99999/ws", "ws://["]
)
async def test_what_is_no_address(url: str) -> None:
    assert (await not_connected(url, prompt="private")).code == "invalid_url"


async def test_a_server_that_says_nothing() -> None:
    async def silent(conversation: Conversation) -> None:
        await conversation.connection.wait_closed()

    async with native_server(silent) as server:
        assert (await not_connected(server.url, open_timeout_seconds=0.2)).code == "not_answering"


async def test_a_server_that_never_answers_the_handshake() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"ws://127.0.0.1:{deaf.getsockname()[1]}/ws"
        error = await not_connected(url, open_timeout_seconds=0.2)
    assert str(error) == f"connection_failed: no answer from {url} in 0.2 s"


async def test_a_server_that_begins_with_something_else() -> None:
    async def hasty(conversation: Conversation) -> None:
        await conversation.tell("complete")

    async with native_server(hasty) as server:
        assert (await not_connected(server.url)).code == "not_answering"


async def test_a_session_that_fails_before_it_begins() -> None:
    async def full(conversation: Conversation) -> None:
        await conversation.tell("error", code="no_room", fatal=True)
        await conversation.connection.close(1013)

    async with native_server(full) as server:
        with pytest.raises(SessionFailed, match="no_room"):
            async with connect(server.url):
                pass
