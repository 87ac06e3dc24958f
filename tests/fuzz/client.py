"""Fuzz targets for what the client meets: servers, and files that it opens."""

import io
import json

from tests.fuzz.structures import json_lines
from tests.fuzz.target import Target, joined, numbered
from tests.native_server import DEFAULTS, told
from tests.wavs import chunk, fmt, riff
from transcriber.client.display import Display
from transcriber.client.events import Complete, parse
from transcriber.client.session import refused
from transcriber.client.sources import HEAD_BYTES, wav_byte_rate


class _Terminal(io.TextIOWrapper):
    """A terminal that takes UTF-8 and nothing else."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), "utf-8")

    def isatty(self) -> bool:
        return True


def check_events(data: bytes) -> None:
    """Each line is a server's message: what can be read can also be shown, as text and as JSON."""
    displays = [Display(_Terminal(), _Terminal(), as_json=as_json) for as_json in (False, True)]
    complete: Complete | None = None
    for line in data.decode(errors="replace").split("\n"):
        try:
            event = parse(line)
        except ValueError:
            continue
        complete = event if isinstance(event, Complete) else complete
        for display in displays:
            display.show(event)
    for display in displays:
        display.close(complete)


def _events() -> dict[str, bytes]:
    kinds = [json.dumps(told(kind)) for kind in DEFAULTS]
    return numbered([*(kind.encode() for kind in kinds), joined(*kinds)])


def check_refusal(data: bytes) -> None:
    """The body of a response without a WebSocket becomes an error that can be printed."""
    assert str(refused(400, "Bad Request", data)).encode(errors="surrogatepass")


def _refusals() -> dict[str, bytes]:
    error = {"code": "invalid_field", "message": "`language` must be …", "field": "language"}
    return numbered([json.dumps({"error": error}).encode(), b"<html></html>", b'{"error": "no"}'])


def check_byte_rate(data: bytes) -> None:
    """The head of a file that the client opens."""
    rate = wav_byte_rate(data)
    assert rate is None or 0 < rate < 1 << 48
    assert rate == wav_byte_rate(data[:HEAD_BYTES])


def _wav_heads() -> dict[str, bytes]:
    return numbered([riff(fmt(16_000), chunk(b"data", b"ab")), riff(chunk(b"LIST", bytes(30)), fmt(8_000, 2))])


TARGETS = (
    Target("client: events", check_events, _events, json_lines),
    Target("client: refusals", check_refusal, _refusals, json_lines),
    Target("client: WAV head", check_byte_rate, _wav_heads, max_bytes=8192),
)
