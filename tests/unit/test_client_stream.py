import argparse
import asyncio
import contextlib
import fcntl
import io
import json
import os
import re
import signal
import socket
import struct
import sys
import termios
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.native_server import ENGINE_FAILED, Conversation, NativeServer, Script, native_server, until
from tests.wavs import speechlike, wav
from transcriber.client import stream
from transcriber.client.display import Display

SPEECH = wav(speechlike(16_000, 0.6), 16_000)

FAKE_SOUNDDEVICE = """
import threading, time

class PortAudioError(Exception):
    pass

class RawInputStream:
    def __init__(self, callback, **settings):
        self.callback, self.open = callback, True

    def start(self):
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while self.open:
            self.callback(bytes(1600), 800, None, None)
            time.sleep(0.02)

    def close(self):
        self.open = False
"""


@pytest.fixture
def clip(tmp_path: Path) -> str:
    path = tmp_path / "clip.wav"
    path.write_bytes(SPEECH)
    return str(path)


async def streamed(*arguments: str, out: io.StringIO | None = None) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command, run in this process."""
    parser = argparse.ArgumentParser()
    stream.add_arguments(parser)
    parsed = parser.parse_args(arguments)
    out, err = out or io.StringIO(), io.StringIO()
    exit_code = await stream.transcribe(parsed, Display(out, err, as_json=parsed.format == "json"))
    return exit_code, out.getvalue(), err.getvalue()


async def streamed_to(script: Script, clip: str, *arguments: str) -> tuple[int, str, str]:
    async with native_server(script) as server:
        return await streamed(clip, "--url", server.url, *arguments)


@contextlib.asynccontextmanager
async def command(*arguments: str, **settings: Any) -> AsyncGenerator[asyncio.subprocess.Process, None]:
    """`transcriber stream` as a process of its own; killed at the end of the block if it is still there."""
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), asyncio.subprocess.PIPE)
    words = [sys.executable, "-m", "transcriber", "stream", *arguments]
    process = await asyncio.create_subprocess_exec(*words, **{**pipes, **settings})
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def environment(**variables: str) -> Mapping[str, str]:
    return {**os.environ, **variables}


async def audio_arrives(server: NativeServer) -> Conversation:
    """The conversation, once the server has heard something."""
    await until(lambda: server.conversations and server.conversation.received)
    return server.conversation


# What is sent


async def test_a_file_is_sent_whole_and_then_the_end(clip: str) -> None:
    async with native_server() as server:
        assert await streamed(clip, "--url", server.url) == (0, "Hello.\n", "")
    assert server.conversation.audio == SPEECH
    assert server.conversation.texts == ["END"]


async def test_arguments_become_options(clip: str) -> None:
    arguments = (
        *("--interim", "--language", "de", "--prompt", "Ada & Bo", "--keywords", "Ada, Bo,", "--model", "m"),
        *("--endpointing-ms", "300", "--translate", "--separate-channels", "--no-record", "--encoding", "mulaw"),
        *("--sample-rate", "8000", "--channels", "2"),
    )
    async with native_server() as server:
        assert (await streamed(clip, "--url", server.url, *arguments))[0] == 0
    assert sorted(server.conversation.query) == [
        *(("channels", "2"), ("encoding", "mulaw"), ("endpointing_ms", "300"), ("interim_results", "true")),
        *(("keywords", "Ada"), ("keywords", "Bo"), ("language", "de"), ("model", "m"), ("prompt", "Ada & Bo")),
        *(("record", "none"), ("sample_rate", "8000"), ("separate_channels", "true"), ("translate", "true")),
    ]


@pytest.mark.parametrize("record", ["none", "text", "audio+text"])
async def test_what_is_to_be_kept_is_asked_for(clip: str, record: str) -> None:
    async with native_server() as server:
        assert (await streamed(clip, "--url", server.url, "--record", record))[0] == 0
    assert list(server.conversation.query) == [("record", record)]


async def test_what_is_not_asked_for_is_left_to_the_server(clip: str) -> None:
    async with native_server() as server:
        await streamed(clip, "--url", server.url)
    assert server.conversation.query == []


async def test_the_key_comes_from_the_environment(clip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSCRIBER_API_KEY", "secret")
    async with native_server() as server:
        await streamed(clip, "--url", server.url)
    assert server.conversation.headers["Authorization"] == "Bearer secret"


async def test_the_address_comes_from_the_environment_too(clip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with native_server() as server:
        monkeypatch.setenv("TRANSCRIBER_URL", server.url.removesuffix("/ws").replace("ws:", "http:"))
        assert await streamed(clip) == (0, "Hello.\n", "")
        assert (await streamed(clip, "--url", "ws://127.0.0.1:1/ws"))[0] == stream.DISCONNECTED


async def test_a_key_on_the_command_line_counts_and_is_not_shown(
    clip: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRANSCRIBER_API_KEY", "other")
    async with native_server() as server:
        await streamed(clip, "--url", server.url, "--api-key", "secret")
    assert server.conversation.headers["Authorization"] == "Bearer secret"
    await streamed(clip, "--url", "ws://127.0.0.1:1/ws", "--api-key", "secret")
    assert "secret" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("arguments", [(), ("--bitrate", "256000")], ids=["as the file says", "as the user says"])
async def test_realtime_sends_as_fast_as_it_was_spoken(clip: str, arguments: tuple[str, ...]) -> None:
    async with native_server() as server:
        assert (await streamed(clip, "--url", server.url, "--realtime", *arguments))[0] == 0
    conversation = server.conversation
    assert conversation.audio == SPEECH
    took = conversation.arrivals[-1] - conversation.arrivals[0]
    assert 0.45 <= took < 2.0
    assert max(len(message) for message in conversation.received) == 3200


# What is shown


async def two_partials(conversation: Conversation) -> None:
    await conversation.tell("status")
    await conversation.tell("partial", text="hel", end=0.2)
    await conversation.tell("partial", text="hello", end=0.3)
    await conversation.tell("transcription", end=0.5)
    await conversation.hear_until_end()
    await conversation.tell("complete")


async def test_json_is_an_event_a_line(clip: str) -> None:
    exit_code, out, err = await streamed_to(two_partials, clip, "--interim", "--format", "json")
    types = [json.loads(line)["type"] for line in out.splitlines()]
    assert (exit_code, err) == (0, "")
    assert types == ["status", "partial", "partial", "transcription", "complete"]


async def test_text_is_a_final_a_line(clip: str) -> None:
    assert await streamed_to(two_partials, clip, "--interim") == (0, "Hello.\n", "")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    @property
    def percentages(self) -> list[int]:
        return [int(number) for number in re.findall(r"(\d+)%", self.getvalue())]


async def test_progress_is_that_of_the_text(clip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    async with native_server(two_partials) as server:
        await streamed(clip, "--url", server.url, "--interim", out=terminal)
    assert sorted({*terminal.percentages}) == [33, 49, 83]


async def test_in_real_time_progress_is_that_of_the_audio(clip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    async with native_server() as server:
        await streamed(clip, "--url", server.url, "--realtime", out=terminal)
    assert terminal.percentages == sorted(terminal.percentages)
    assert len({*terminal.percentages}) >= 6
    assert terminal.percentages[-1] == 100


# Exit codes


async def test_a_gap_is_told_by_the_exit_code(clip: str) -> None:
    async def engine_fails(conversation: Conversation) -> None:
        await conversation.tell("status")
        await conversation.hear_until_end()
        await conversation.tell("error", **ENGINE_FAILED, message="No engine.")
        await conversation.tell("transcription", utterance=2, text="Bye.")
        await conversation.tell("complete")

    assert await streamed_to(engine_fails, clip) == (
        *(1, "Bye.\n"),
        "transcriber: engine_failed: 0:00.0 – 0:01.0 has no text: No engine.\n",
    )


async def test_a_gap_that_was_filled_is_none(clip: str) -> None:
    async def engine_recovers(conversation: Conversation) -> None:
        await conversation.tell("status")
        await conversation.hear_until_end()
        await conversation.tell("error", **ENGINE_FAILED)
        await conversation.tell("transcription_late", text="Late.")
        await conversation.tell("complete")

    exit_code, out, _ = await streamed_to(engine_recovers, clip)
    assert (exit_code, out) == (0, "Late.\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.wav",), "unreadable_file: cannot open missing.wav: No such file or directory"),
        ((__file__, "--realtime"), "unknown_speed: --realtime can't tell how fast this audio was spoken"),
        ((__file__, "--url", "ftp://127.0.0.1/ws"), "invalid_url: ftp://127.0.0.1/ws is no address of a service"),
    ],
)
async def test_wrong_usage(arguments: tuple[str, ...], message: str) -> None:
    exit_code, out, err = await streamed(*arguments)
    assert (exit_code, out) == (2, "")
    assert err.startswith(f"transcriber: {message}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [(), ("a.wav", "--sample-rate", "0"), ("a.wav", "--channels", "x"), ("a.wav", "--format", "xml")]
)
async def test_wrong_arguments(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        await streamed(*arguments)
    assert exited.value.code == 2
    assert "usage:" in capsys.readouterr().err


async def test_a_refusal(clip: str) -> None:
    body = json.dumps({"error": {"code": "unsupported_language", "message": "Not this one.", "field": "language"}})
    async with native_server(refuse=(400, body)) as server:
        result = await streamed(clip, "--url", server.url)
    assert result == (3, "", "transcriber: unsupported_language: Not this one. (field: language)\n")


async def test_audio_that_the_server_cannot_read(clip: str) -> None:
    async def turn_away(conversation: Conversation) -> None:
        await conversation.tell("status")
        await conversation.hear()
        await conversation.tell("error", fatal=True)
        await conversation.connection.close(1003)

    assert await streamed_to(turn_away, clip) == (3, "", "transcriber: unsupported_audio: Declare it.\n")


@pytest.mark.parametrize(("status", "exit_code"), [(404, 3), (429, 3), (503, 3), (500, 4), (502, 4), (504, 4)])
async def test_a_refusal_by_something_before_the_service(clip: str, status: int, exit_code: int) -> None:
    async with native_server(refuse=(status, "<html>")) as server:
        result = await streamed(clip, "--url", server.url)
    assert result[:2] == (exit_code, "")
    assert result[2].startswith(f"transcriber: http_{status}: the server answered {status} ")


async def test_a_service_that_breaks(clip: str) -> None:
    async def break_down(conversation: Conversation) -> None:
        await conversation.tell("status")
        await conversation.tell("error", code="internal_error", message="Broken.", fatal=True)
        await conversation.connection.close(1011)

    assert await streamed_to(break_down, clip) == (4, "", "transcriber: internal_error: Broken.\n")


@pytest.mark.parametrize(("code", "exit_code"), [(1008, 3), (1000, 4), (1011, 4), (1012, 4)])
async def test_a_connection_that_is_closed(clip: str, code: int, exit_code: int) -> None:
    async def close(conversation: Conversation) -> None:
        await conversation.tell("status")
        await conversation.tell("transcription")
        await conversation.connection.close(code)

    result = await streamed_to(close, clip)
    assert result[:2] == (exit_code, "Hello.\n")
    assert result[2].startswith(f"transcriber: {'closed_1008' if exit_code == 3 else 'connection_lost'}: ")


async def test_a_connection_that_is_cut(clip: str) -> None:
    async def die(conversation: Conversation) -> None:
        await conversation.tell("status")
        await conversation.hear()
        await conversation.cut()

    assert await streamed_to(die, clip) == (
        *(4, ""),
        "transcriber: connection_lost: the connection closed with code 1006\n",
    )


async def test_a_session_that_is_suspended(clip: str) -> None:
    async def suspend(conversation: Conversation) -> None:
        await conversation.tell("status")
        await conversation.tell("suspended")

    exit_code, _, err = await streamed_to(suspend, clip)
    assert exit_code == 4
    assert err.startswith("transcriber: suspended: ")


async def test_nobody_listens(clip: str) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{reserved.getsockname()[1]}/ws"
        exit_code, out, err = await streamed(clip, "--url", url)
    assert (exit_code, out) == (4, "")
    assert err.startswith(f"transcriber: connection_failed: cannot connect to {url}: ")


async def test_a_microphone_that_breaks_still_gets_its_text(tmp_path: Path) -> None:
    (tmp_path / "sounddevice.py").write_text(
        "class PortAudioError(Exception): pass\ndef RawInputStream(**_): raise PortAudioError('unplugged')\n"
    )
    async with (
        native_server() as server,
        command("mic", "--url", server.url, env=environment(PYTHONPATH=str(tmp_path))) as process,
    ):
        out, err = await process.communicate()
    assert (process.returncode, out) == (2, b"Hello.\n")
    assert err == b"transcriber: microphone_unavailable: the microphone cannot be opened: unplugged\n"


async def test_it_can_be_run_beside_the_main_thread_and_cancelled_like_any_task(clip: str) -> None:
    async with native_server() as server:
        result = await asyncio.to_thread(asyncio.run, streamed(clip, "--url", server.url))
    assert result == (0, "Hello.\n", "")
    async with native_server() as server:
        streaming = asyncio.create_task(streamed(clip, "--url", server.url, "--realtime", "--bitrate", "800"))
        conversation = await audio_arrives(server)
        streaming.cancel()
        await asyncio.wait([streaming])
        assert streaming.cancelled()
        await conversation.over.wait()


# As a process


async def test_a_pipe_gets_clean_utf8_whatever_the_locale(clip: str) -> None:
    async def polyglot(conversation: Conversation) -> None:
        await conversation.tell("status")
        await conversation.hear_until_end()
        await conversation.tell("transcription", text="Žluťoučký 日本 🎙")
        await conversation.tell("complete")

    foreign = environment(LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="ascii")
    async with native_server(polyglot) as server, command(clip, "--url", server.url, env=foreign) as process:
        out, err = await process.communicate()
    assert (process.returncode, out.decode(), err) == (0, "Žluťoučký 日本 🎙\n", b"")


async def test_standard_input_goes_out_while_it_comes_in() -> None:
    async with native_server() as server, command("-", "--url", server.url) as process:
        assert process.stdin is not None
        process.stdin.write(SPEECH[:1000])
        conversation = await audio_arrives(server)
        assert conversation.audio == SPEECH[:1000]
        out, err = await process.communicate(SPEECH[1000:])
    assert (process.returncode, out, err) == (0, b"Hello.\n", b"")
    assert conversation.audio == SPEECH
    assert conversation.texts == ["END"]


async def test_output_that_nobody_reads_ends_it_quietly(clip: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    async with native_server() as server, command(clip, "--url", server.url, stdout=writing) as process:
        os.close(writing)
        _, err = await process.communicate()
    assert (process.returncode, err) == (141, b"")


async def test_the_first_interrupt_ends_the_audio_and_waits_for_the_text(clip: str) -> None:
    async with (
        native_server() as server,
        command(clip, "--url", server.url, "--realtime", "--bitrate", "800") as process,
    ):
        conversation = await audio_arrives(server)
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert (process.returncode, out, err) == (130, b"Hello.\n", b"")
    assert conversation.texts == ["END"]
    assert len(conversation.audio) < len(SPEECH)


async def test_the_second_interrupt_quits(clip: str) -> None:
    async def never_done(conversation: Conversation) -> None:
        await conversation.tell("status")
        await conversation.hear_until_end()
        await conversation.connection.wait_closed()

    async with (
        native_server(never_done) as server,
        command(clip, "--url", server.url) as process,
    ):
        conversation = await audio_arrives(server)
        process.send_signal(signal.SIGINT)
        await until(lambda: conversation.texts)
        await asyncio.sleep(0.2)  # the signal must have been handled: two at once are one
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert (process.returncode, out, err) == (130, b"", b"")


async def test_an_interrupt_before_the_session_quits(clip: str) -> None:
    async def silent(conversation: Conversation) -> None:
        await conversation.connection.wait_closed()

    async with native_server(silent) as server, command(clip, "--url", server.url) as process:
        await until(lambda: server.conversations)
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert (process.returncode, out, err) == (130, b"", b"")


async def test_an_interrupt_is_how_the_microphone_ends(tmp_path: Path) -> None:
    (tmp_path / "sounddevice.py").write_text(FAKE_SOUNDDEVICE)
    async with (
        native_server() as server,
        command("mic", "--url", server.url, env=environment(PYTHONPATH=str(tmp_path))) as process,
    ):
        conversation = await audio_arrives(server)
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"Hello.\n", b"")
    assert ("encoding", "pcm_s16le") in conversation.query


async def test_on_a_terminal_partials_give_way_to_finals(clip: str) -> None:
    controller, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    shown = bytearray()
    asyncio.get_running_loop().add_reader(controller, lambda: shown.extend(_read(controller)))
    async with (
        native_server(two_partials) as server,
        command(
            *(clip, "--url", server.url, "--interim"),
            **{"stdout": terminal, "stderr": terminal, "env": environment(TERM="xterm")},
        ) as process,
    ):
        assert await process.wait() == 0
    os.close(terminal)
    await until(lambda: b"audio.wav" in shown)
    asyncio.get_running_loop().remove_reader(controller)
    os.close(controller)
    text = shown.decode()
    assert re.search(r"33% .*hel\x1b.*\r\x1b\[K.*hello\x1b.*\r\x1b\[K\[0:00.0 – 0:00.5\] Hello\.\r\n", text, re.DOTALL)
    assert text.endswith("\r\x1b[K2.0 s of audio, 1.0 s of speech\r\naudio: /data/audio.wav\r\n")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # how Linux says that the other side of a terminal is closed
        asyncio.get_running_loop().remove_reader(descriptor)
        return b""
