"""`/v1/jobs`: files in, transcripts out. docs/http.md describes it for clients.

Uploads can be resumed as the IETF's draft "Resumable Uploads for HTTP" says (draft-ietf-httpbis-resumable-upload).
"""

import functools
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from quart import Blueprint, Response, request

from transcriber.auth import Denied
from transcriber.endpoints import guard
from transcriber.endpoints.uploads import FORM, Form, check_kind, name_of, receive, receive_form
from transcriber.events import Error, Options
from transcriber.job import FileJob, Seen
from transcriber.jobs import JobRefused, Jobs
from transcriber.storage.media_types import media_type
from transcriber.wire.fields import FieldError

RETRY_AFTER_SECONDS = 5
MAX_LISTED = 1000

STATUS: Mapping[str, int] = {
    "upload_timeout": 408,
    "unknown_job": 404,
    **dict.fromkeys(("job_not_done", "job_failed", "job_cancelled", "upload_superseded", "wrong_offset"), 409),
    "file_too_large": 413,
    "unsupported_media_type": 415,
    "too_many_jobs": 429,
    **dict.fromkeys(("draining", "storage_full", "store_unavailable"), 503),
}
"""By code; all others are 400."""
RETRY_LATER = ("job_not_done", "too_many_jobs", "draining", "storage_full", "store_unavailable")

_FORMATS = ("json", "txt", "srt", "vtt")

Handler = Callable[..., Awaitable[Response]]


async def _anybody() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Owners:
    """On whose behalf the current request is made, and what they may do; the last two raise Denied."""

    caller: Callable[[], str | None] = lambda: None
    """None sees the jobs of all."""
    begin: Callable[[], Awaitable[None]] = _anybody
    """They bring a file."""
    permitted: Callable[[Options], Options] = lambda options: options
    """Their options, within what they may choose."""


def jobs(jobs: Callable[[], Jobs], owners: Owners, idle_seconds: float) -> Blueprint:
    """The routes. An upload from which nothing comes for `idle_seconds` breaks off."""
    blueprint = Blueprint("jobs", __name__)
    routes = _Routes(jobs, owners, idle_seconds)
    for rule, method, handler in (
        ("/v1/jobs", "POST", routes.create),
        ("/v1/jobs", "GET", routes.list),
        ("/v1/jobs/<job_id>", "GET", routes.show),
        ("/v1/jobs/<job_id>", "DELETE", routes.delete),
        ("/v1/jobs/<job_id>/result", "GET", routes.result),
        ("/v1/jobs/<job_id>/audio", "HEAD", routes.offset),
        ("/v1/jobs/<job_id>/audio", "PATCH", routes.append),
        ("/v1/jobs/<job_id>/audio", "DELETE", routes.delete),
    ):
        blueprint.add_url_rule(rule, f"{method} {rule}".replace(".", " "), _answered(handler), methods=[method])
    return blueprint


class _Routes:
    def __init__(self, jobs: Callable[[], Jobs], owners: Owners, idle_seconds: float) -> None:
        self._jobs = jobs
        self._owners = owners
        self._caller = owners.caller
        self._idle_seconds = idle_seconds

    async def create(self) -> Response:
        """One job, or those of a form; or one whose audio comes bit by bit."""
        await self._owners.begin()
        check_kind(request, self._jobs().max_bytes)
        if request.mimetype == FORM:
            return await self._create_all()
        complete = _flag("Upload-Complete")
        if complete is not None:
            return await self._create_kept(complete=complete)
        jobs = self._jobs()
        options = self._options(_query())
        job = jobs.begin(self._caller(), name_of(request))
        try:
            await receive(request, jobs, job, self._idle_seconds)
            jobs.complete([job], options)
        except BaseException:
            jobs.drop(job)
            raise
        return await self._accepted(job)

    def _options(self, pairs: list[tuple[str, str]]) -> Options:
        return self._owners.permitted(self._jobs().options(pairs))

    async def _create_all(self) -> Response:
        jobs, owner, form = self._jobs(), self._caller(), Form()
        query = _query()
        self._options(query)
        try:
            await receive_form(request, jobs, owner, self._idle_seconds, form)
            for _ in form.jobs[1:]:
                await self._owners.begin()
            jobs.complete(form.jobs, self._options([*query, *form.fields]))
        except BaseException:
            for job in form.jobs:
                jobs.drop(job)
            raise
        if len(form.jobs) == 1:
            return await self._accepted(form.jobs[0])
        return _json({"jobs": [(await jobs.see(job.id, owner)).document() for job in form.jobs]}, 202)

    async def _create_kept(self, *, complete: bool) -> Response:
        jobs = self._jobs()
        length = _number("Upload-Length")
        if length is not None and length > jobs.max_bytes:
            raise jobs.too_large()
        options = self._options(_query())
        job = jobs.begin(self._caller(), name_of(request))
        try:
            jobs.keep(job, options, length)
        except BaseException:
            jobs.drop(job)
            raise
        await receive(request, jobs, job, self._idle_seconds)
        if complete:
            jobs.complete([job])
            return await self._accepted(job)
        seen = await jobs.see(job.id, self._caller())
        headers = _upload_headers(seen, jobs) | {"Location": f"/v1/jobs/{job.id}/audio"}
        return _json(seen.document(), 201, headers)

    async def offset(self, job_id: str) -> Response:
        """How much of an upload is there. One that is still going on ends here: its client would not ask."""
        seen = await self._jobs().see(job_id, self._caller())
        if job := self._jobs().find(job_id, self._caller()):
            job.turn += 1
        return Response(status=204, headers=_upload_headers(seen, self._jobs()) | {"Cache-Control": "no-store"})

    async def append(self, job_id: str) -> Response:
        """More of an upload."""
        jobs, owner = self._jobs(), self._caller()
        if request.mimetype != "application/partial-upload":
            raise JobRefused("unsupported_media_type", "Send more of a file as application/partial-upload.")
        complete, offset = _flag("Upload-Complete"), _number("Upload-Offset")
        if complete is None or offset is None:
            raise JobRefused("invalid_header", "Upload-Complete and Upload-Offset are needed.", "Upload-Offset")
        seen = await jobs.see(job_id, owner)
        job = jobs.find(job_id, owner)
        if job is None or job.state != "receiving":
            raise JobRefused("upload_superseded", "The upload is over; nothing can be added to it.")
        if offset != job.spool.received_bytes:
            raise JobRefused("wrong_offset", f"The upload goes on at byte {job.spool.received_bytes}.", "Upload-Offset")
        await receive(request, jobs, job, self._idle_seconds)
        if complete:
            jobs.complete([job])
            return await self._accepted(job)
        seen = await jobs.see(job_id, owner)
        return Response(status=204, headers=_upload_headers(seen, jobs))

    async def show(self, job_id: str) -> Response:
        return _json((await self._jobs().see(job_id, self._caller())).document())

    async def list(self) -> Response:
        """Newest first."""
        arguments = dict(_query())
        if unknown := arguments.keys() - {"since", "limit"}:
            raise JobRefused("unknown_field", "The query takes: since, limit.", sorted(unknown)[0][:60])
        try:
            yesterday = datetime.now(UTC).date() - timedelta(days=1)
            since = date.fromisoformat(arguments["since"]) if "since" in arguments else yesterday
            limit = int(arguments.get("limit", "100"))
        except ValueError:
            raise JobRefused("invalid_field", "`since` must be a day (YYYY-MM-DD), `limit` a number.") from None
        if not 0 < limit <= MAX_LISTED:
            raise JobRefused("invalid_field", f"`limit` must be from 1 to {MAX_LISTED}.", "limit")
        seen = await self._jobs().list(self._caller(), since, limit)
        return _json({"jobs": [job.document() for job in seen]})

    async def result(self, job_id: str) -> Response:
        chosen = request.args.get("format", "json")
        if chosen not in _FORMATS:
            raise JobRefused("invalid_field", f"`format` must be one of {', '.join(_FORMATS)}.", "format")
        name = f"transcript.{chosen}"
        text = await self._jobs().file(job_id, self._caller(), name)
        return Response(text, content_type=media_type(name))

    async def delete(self, job_id: str) -> Response:
        await self._jobs().delete(job_id, self._caller())
        return Response(status=204)

    async def _accepted(self, job: FileJob) -> Response:
        seen = await self._jobs().see(job.id, self._caller())
        headers = _upload_headers(seen, self._jobs()) if _flag("Upload-Complete") is not None else {}
        return _json(seen.document(), 202, headers | {"Location": f"/v1/jobs/{job.id}"})


def _answered(handler: Handler) -> Handler:
    """The handler, with an answer to whatever is refused."""

    @functools.wraps(handler)
    async def answer(**arguments: str) -> Response:
        try:
            return await handler(**arguments)
        except (JobRefused, FieldError) as refused:
            return refusal(refused.error)
        except Denied as denied:
            return guard.answer(denied)

    return answer


def refusal(error: Error) -> Response:
    """What a client is told that can't have what it asked for."""
    told = {"code": error.code, "message": error.message} | ({"field": error.field} if error.field else {})
    response = _json({"error": told}, STATUS.get(error.code, 400))
    if error.code in RETRY_LATER:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _query() -> list[tuple[str, str]]:
    return list(request.args.items(multi=True))


def _flag(name: str) -> bool | None:
    """A header that is a structured field of type Boolean (RFC 9651); None where there is none."""
    text = request.headers.get(name)
    if text is None:
        return None
    if text not in ("?0", "?1"):
        raise JobRefused("invalid_header", f"{name} must be ?0 or ?1.", name)
    return text == "?1"


def _number(name: str) -> int | None:
    text = request.headers.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise JobRefused("invalid_header", f"{name} must be a whole number.", name)
    return int(text)


def _upload_headers(seen: Seen, jobs: Jobs) -> dict[str, str]:
    receiving = seen.progress is not None and seen.progress.state == "receiving"
    received_bytes = seen.progress.received_bytes if seen.progress else seen.record.received_bytes
    length = {} if seen.record.total_bytes is None else {"Upload-Length": str(seen.record.total_bytes)}
    return {
        "Upload-Offset": str(received_bytes),
        "Upload-Complete": "?0" if receiving else "?1",
        "Upload-Limit": f"max-size={jobs.max_bytes}",
        **length,
    }


def _json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    body = json.dumps(value, ensure_ascii=False)
    return Response(body, status, content_type="application/json", headers=dict(headers or {}))
