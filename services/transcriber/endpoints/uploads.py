"""The bodies of requests, as they come, into the spools of jobs: a file as it is, or files in a form."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, cast

from quart import Request
from quart.formparser import FormDataParser
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header

from transcriber.job import FileJob
from transcriber.jobs import JobRefused, Jobs
from transcriber.transport import StreamedBody

FORM = "multipart/form-data"
_AUDIO = re.compile(r"(audio|video)/.+|application/(octet-stream|ogg|mp4|x-(flac|matroska|riff))")
_MAX_PARTS = 1000
_MAX_FIELD_BYTES = 64 << 10
_MAX_HEAD_BYTES = 1 << 20
"""Of what a form holds between its files."""


@dataclass(slots=True)
class Form:
    """What a form brings."""

    jobs: list[FileJob] = field(default_factory=list[FileJob])
    fields: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


class _Part:
    """A file in a form, as the parser writes it."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.write = write
        self.whole = False

    def seek(self, position: int) -> None:
        """The parser goes back to the start behind the last byte."""
        self.whole = True

    def close(self) -> None:
        """There is nothing to close."""


def check_kind(request: Request, max_bytes: int) -> None:
    """Raises JobRefused for a body that can't be what it should."""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise JobRefused("unsupported_media_type", "Send the file itself, without a Content-Encoding.")
    if request.mimetype == FORM:
        return
    if request.mimetype and not _AUDIO.fullmatch(request.mimetype):
        raise JobRefused(
            "unsupported_media_type",
            f"Send a file with its own Content-Type, or application/octet-stream, or files in {FORM}.",
        )
    if (request.content_length or 0) > max_bytes:
        raise JobRefused("file_too_large", f"A file may have {max_bytes} bytes.")


def name_of(request: Request) -> str | None:
    """What a file that is the body is called, as Content-Disposition says (RFC 6266)."""
    options = parse_options_header(request.headers.get("Content-Disposition"))[1]
    return _last_part(options.get("filename"))


async def receive(request: Request, jobs: Jobs, job: FileJob, idle_seconds: float) -> None:
    """The body into a job's spool. Raises JobRefused."""
    job.turn += 1
    turn = job.turn
    async for piece in _pieces(request, idle_seconds):
        jobs.take(job, turn, piece)
    jobs.take(job, turn, b"")


async def receive_form(request: Request, jobs: Jobs, owner: str | None, idle_seconds: float, form: Form) -> None:
    """A form's files into spools of new jobs, which `form` gets as they begin. Raises JobRefused."""
    parts: list[_Part] = []

    def begin(total: int | None, kind: str | None, name: str | None, length: int | None) -> Any:
        job = jobs.begin(owner, _last_part(name))
        form.jobs.append(job)
        parts.append(_Part(lambda data: jobs.take(job, job.turn, data)))
        return parts[-1]

    parser: Any = FormDataParser(
        max_content_length=_MAX_HEAD_BYTES,
        max_form_memory_size=_MAX_FIELD_BYTES,
        max_form_parts=_MAX_PARTS,
        silent=False,
        stream_factory=begin,
    )
    try:
        fields, _ = await parser.parse(
            _pieces(request, idle_seconds), request.mimetype, request.content_length, request.mimetype_params
        )
    except RequestEntityTooLarge:
        raise JobRefused("invalid_form", f"A form may have {_MAX_PARTS} parts, and short fields.") from None
    except ValueError:
        raise _invalid_form() from None
    if not all(part.whole for part in parts):
        raise _invalid_form()
    if not parts:
        raise JobRefused("empty_file", "The form has no file: give a part a filename.")
    form.fields += fields.items(multi=True)


def _invalid_form() -> JobRefused:
    return JobRefused("invalid_form", f"The body is no whole {FORM} (RFC 7578).")


async def _pieces(request: Request, idle_seconds: float) -> AsyncIterator[bytes]:
    body = cast("StreamedBody", request.body).unlimited()
    while True:
        try:
            async with asyncio.timeout(idle_seconds):
                piece = await anext(body)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise JobRefused("upload_timeout", f"Nothing came for {idle_seconds:g} s.") from None
        yield piece


def _last_part(name: str | None) -> str | None:
    """Of a path, as some browsers send it."""
    return re.split(r"[/\\]", name)[-1] or None if name else None
