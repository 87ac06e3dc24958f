"""`transcriber transcribe`, with a service of its own making."""

import argparse
import asyncio
import json
import os
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from transcriber.client import transcribe
from transcriber.client.errors import ConnectionFailed, ConnectionLost, Refused, TranscriberError
from transcriber.client.jobs import Job


class MemoryService:
    """Takes all, and hears how many bytes there were."""

    def __init__(self) -> None:
        self.audio: dict[str, bytearray] = {}
        self.complete: set[str] = set()
        self.names: dict[str, str] = {}
        self.options: list[Mapping[str, str]] = []
        self.forgotten: list[str] = []
        self.trouble: list[TranscriberError] = []
        """Raised by the next appends, one each."""
        self.gaps = 0
        self.errors: dict[str, tuple[str, str]] = {}
        """By name of the file."""
        self.held: set[str] = set()
        """Names of files that are not done with."""

    async def begin(self, name: str, size: int, options: Mapping[str, str]) -> Job:
        job_id = f"job-{len(self.audio)}"
        self.audio[job_id] = bytearray()
        self.names[job_id] = name
        self.options.append(options)
        return await self.job(job_id)

    async def append(self, job_id: str, data: bytes, offset: int, *, complete: bool) -> None:
        assert offset == len(self.audio[job_id])
        if self.trouble:
            failure = self.trouble.pop(0)
            if failure.code == "connection_lost":
                self.audio[job_id] += data[: len(data) // 2]
            raise failure
        self.audio[job_id] += data
        if complete:
            self.complete.add(job_id)

    async def job(self, job_id: str) -> Job:
        if job_id not in self.audio:
            raise Refused(404, "unknown_job", "There is no such job.")
        size, error = len(self.audio[job_id]), self.errors.get(self.names[job_id])
        if job_id not in self.complete:
            return Job(job_id, "receiving", size)
        if self.names[job_id] in self.held:
            return Job(job_id, "running", size, fraction=0.5)
        return Job(job_id, "failed" if error else "done", size, gaps=self.gaps, error=error)

    async def result(self, job_id: str, kind: str) -> bytes:
        heard = {"name": self.names[job_id], "bytes": len(self.audio[job_id])}
        return json.dumps(heard, indent=1).encode() if kind == "json" else f"{heard['bytes']} bytes\n".encode()

    async def forget(self, job_id: str) -> None:
        self.forgotten.append(job_id)


class Command:
    """The command in a folder, with the service in its process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.service = MemoryService()
        self.at_once = 0
        self.begun: Collection[str] = ()
        for number, size in enumerate((10, 3 * transcribe.PIECE_BYTES + 5, 1000)):
            (folder / f"{'abc'[number]}.wav").write_bytes(bytes([number]) * size)

    async def run(self, *arguments: str) -> int:
        parser = argparse.ArgumentParser()
        transcribe.add_arguments(parser)

        @asynccontextmanager
        async def in_process(at_once: int, begun: Collection[str]) -> AsyncIterator[MemoryService]:
            self.at_once, self.begun = at_once, begun
            yield self.service

        return await transcribe.run(parser.parse_args(arguments), in_process)

    def path(self, name: str) -> str:
        return str(self.folder / name)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TRANSCRIBER_URL", raising=False)
    return Command(tmp_path)


def remembered(command: Command) -> list[str]:
    return [path.name for path in (command.folder / "cache").rglob("*.json")]


async def test_one_file_is_printed_as_it_is(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert await command.run(command.path("b.wav"), "--language", "en", "--keywords", "x, y", "--no-audio") == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == (f"{3 * transcribe.PIECE_BYTES + 5} bytes\n", "")
    assert command.service.options == [{"language": "en", "keywords": "x,y", "record": "text"}]
    assert bytes(command.service.audio["job-0"]) == (command.folder / "b.wav").read_bytes()
    assert command.service.forgotten == ["job-0"]
    assert remembered(command) == []


async def test_raw_samples_are_declared(command: Command) -> None:
    declared = ("--encoding", "mulaw", "--sample-rate", "8000", "--channels", "2")
    assert await command.run(command.path("a.wav"), *declared) == 0
    assert command.service.options == [{"encoding": "mulaw", "sample_rate": "8000", "channels": "2"}]


async def test_several_are_printed_in_their_order_under_their_names(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [command.path(f"{name}.wav") for name in "cab"]
    assert await command.run(*paths, paths[0], "--jobs", "2") == 0
    assert command.at_once == 2
    sizes = (1000, 10, 3 * transcribe.PIECE_BYTES + 5)
    expected = [f"==> {path} <==\n{size} bytes\n\n" for path, size in zip(paths, sizes, strict=True)]
    assert capsys.readouterr().out == "".join(expected)


async def test_json_of_several_is_a_document_a_line(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert await command.run(command.path("a.wav"), command.path("c.wav"), "--format", "json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["name"], line["bytes"]) for line in lines] == [("a.wav", 10), ("c.wav", 1000)]


async def test_results_lie_in_a_folder_under_the_names_of_their_files(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    (command.folder / "a.mp3").write_bytes(b"other")
    paths = [command.path(name) for name in ("a.wav", "a.mp3", "c.wav")]
    assert await command.run(*paths, "--format", "srt", "--output", command.path("out/deep")) == 0
    assert capsys.readouterr().out == ""
    written = {path.name: path.read_text() for path in (command.folder / "out" / "deep").iterdir()}
    assert written == {"a.wav.srt": "10 bytes\n", "a.mp3.srt": "5 bytes\n", "c.srt": "1000 bytes\n"}


async def test_files_of_one_name_have_a_result_each(command: Command) -> None:
    for folder, size in (("x", 3), ("y", 4)):
        (command.folder / folder).mkdir()
        (command.folder / folder / "talk.wav").write_bytes(bytes(size))
    paths = [command.path(name) for name in ("x/talk.wav", "y/talk.wav", "a.wav", "x/../a.wav")]
    assert await command.run(*paths, "--output", command.path("out")) == 0
    out = command.folder / "out"
    written = {path.relative_to(out).as_posix(): path.read_text() for path in out.rglob("*.txt")}
    assert written == {"x/talk.txt": "3 bytes\n", "y/talk.txt": "4 bytes\n", "a.txt": "10 bytes\n"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere.wav"], "No such file"),
        (["cache"], "folder"),
        (["empty.wav"], "empty"),
        (["pipe"], "stream -"),
        (["a.wav", "c.wav", "--format", "vtt"], "--output"),
        (["a.wav", "--output", "c.wav"], "File exists"),
        (["a.wav", "--url", "ftp://x"], "no address"),
    ],
    ids=str,
)
async def test_wrong_usage(
    command: Command, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (command.folder / "cache").mkdir()
    (command.folder / "empty.wav").touch()
    os.mkfifo(command.folder / "pipe")
    absolute = [command.path(name) if (command.folder / name).exists() else name for name in arguments]
    assert await command.run(*absolute) == 2
    assert told in capsys.readouterr().err
    assert command.service.audio == {}


async def test_speech_without_text_shows_in_the_exit_code(command: Command) -> None:
    command.service.gaps = 1
    assert await command.run(command.path("a.wav")) == 1


async def test_one_that_fails_does_not_hold_up_the_others(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    command.service.errors["a.wav"] = ("unsupported_audio", "What is it?")
    assert await command.run(command.path("a.wav"), command.path("c.wav")) == 3
    told = capsys.readouterr()
    assert "1000 bytes" in told.out
    assert "unsupported_audio" in told.err
    command.service.errors.clear()
    assert await command.run(command.path("a.wav"), command.path("c.wav")) == 0
    assert list(command.service.names.values()) == ["a.wav", "c.wav", "a.wav"], "the failed one is done anew, only that"


async def test_a_connection_that_breaks_off_is_made_again(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    command.service.trouble = [ConnectionLost("connection_lost", "gone"), Refused(503, "draining", "Later.")]
    assert await command.run(command.path("b.wav")) == 0
    assert bytes(command.service.audio["job-0"]) == (command.folder / "b.wav").read_bytes()


async def test_a_service_that_can_not_be_had(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    transcribe.add_arguments(parser)

    @asynccontextmanager
    async def nothing(at_once: int, begun: Collection[str]) -> AsyncIterator[MemoryService]:
        raise ConnectionFailed("no_engine", "There is none.")
        yield command.service

    assert await transcribe.run(parser.parse_args([command.path("a.wav")]), nothing) == 4
    assert "no_engine" in capsys.readouterr().err


async def test_what_was_interrupted_goes_on_where_it_stopped(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [command.path("a.wav"), command.path("c.wav"), "--output", command.path("out"), "--jobs", "1"]
    command.service.held = {"c.wav"}
    first = asyncio.create_task(command.run(*arguments))
    async with asyncio.timeout(5):
        while len(command.service.complete) < 2:  # noqa: ASYNC110 - nothing rings
            await asyncio.sleep(0.01)
    first.cancel()
    assert await first == 130
    assert "goes on" in capsys.readouterr().err
    command.service.held.clear()
    (command.folder / "out" / "a.txt").write_text("seen by somebody")
    assert await command.run(*arguments) == 0
    assert command.begun == ["job-1"]
    assert len(command.service.audio) == 2, "nothing is sent again"
    assert (command.folder / "out" / "a.txt").read_text() == "seen by somebody"
    assert (command.folder / "out" / "c.txt").read_text() == "1000 bytes\n"
    assert remembered(command) == []


async def test_what_was_done_and_not_printed_when_it_was_interrupted_is_still_there(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [command.path("a.wav"), command.path("c.wav")]
    command.service.held = {"a.wav"}
    first = asyncio.create_task(command.run(*arguments))
    async with asyncio.timeout(5):
        while len(command.service.complete) < 2:  # noqa: ASYNC110 - nothing rings
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    first.cancel()
    assert await first == 130
    assert command.service.forgotten == []
    command.service.held.clear()
    assert await command.run(*arguments) == 0
    assert len(command.service.audio) == 2, "nothing is sent again"
    assert "1000 bytes" in capsys.readouterr().out
    assert sorted(command.service.forgotten) == ["job-0", "job-1"]


async def test_nothing_stays_of_what_failed(command: Command) -> None:
    command.service.errors["a.wav"] = ("unsupported_audio", "What is it?")
    assert await command.run(command.path("a.wav")) == 3
    assert command.service.forgotten == ["job-0"]
    assert remembered(command) == []


async def test_half_a_file_goes_on_at_its_offset(command: Command) -> None:
    command.service.trouble = [
        ConnectionLost("connection_lost", "gone"),
        Refused(401, "invalid_key", "Who is it?"),
    ]
    assert await command.run(command.path("a.wav")) == 3
    assert len(command.service.audio["job-0"]) == 5
    assert await command.run(command.path("a.wav")) == 0
    assert {name: bytes(data) for name, data in command.service.audio.items()} == {"job-0": bytes(10)}


async def test_a_file_that_grows_is_sent_as_it_was_and_one_that_shrinks_is_told(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    path = command.folder / "b.wav"
    whole, append = path.read_bytes(), command.service.append

    async def change(job_id: str, data: bytes, offset: int, *, complete: bool) -> None:
        path.write_bytes(whole + b"more" if command.service.names[job_id] == "b.wav" and growing else whole[:5])
        await append(job_id, data, offset, complete=complete)

    command.service.append = change  # type: ignore[method-assign]
    growing = True
    assert await command.run(str(path)) == 0
    assert bytes(command.service.audio["job-0"]) == whole
    growing = False
    path.write_bytes(whole)
    async with asyncio.timeout(5):
        assert await command.run(str(path)) == 2
    assert "became shorter" in capsys.readouterr().err


async def test_an_upload_that_lacks_nothing_but_its_end_is_ended(command: Command) -> None:
    command.service.trouble = [Refused(401, "invalid_key", "Who is it?")]
    assert await command.run(command.path("a.wav")) == 3
    command.service.audio["job-0"] += bytes(10)
    assert await command.run(command.path("a.wav")) == 0
    assert command.service.complete == {"job-0"}


async def test_a_job_that_the_service_has_not_any_more_is_begun_anew(command: Command) -> None:
    command.service.trouble = [Refused(401, "invalid_key", "Who is it?")]
    assert await command.run(command.path("a.wav")) == 3
    command.service.audio.clear()
    command.service.names.clear()
    assert await command.run(command.path("a.wav")) == 0
