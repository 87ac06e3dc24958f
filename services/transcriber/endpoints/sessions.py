"""`/v1/sessions` and `/v1/usage`: what was said and used, for whom it was. docs/http.md describes it for clients."""

import functools
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from quart import Blueprint, Response, request

from transcriber.auth import Denied
from transcriber.byte_range import Unsatisfiable, read_range
from transcriber.catalogue import Catalogue, Entry, Kept, Usage
from transcriber.endpoints import guard
from transcriber.events import Error
from transcriber.prices import PRICED_ON
from transcriber.session_ids import made_at
from transcriber.sessions import Sessions
from transcriber.storage.media_types import media_type
from transcriber.storage.store import Item, NotFound, Store, StoreError

MAX_LISTED = 1000
_COUNT = re.compile(r"[0-9]{1,9}")
_MAX_DAYS = 92
_PIECE_BYTES = 1 << 20
_RETRY_AFTER_SECONDS = 5

TRANSCRIPTS = ("json", "txt", "srt", "vtt")
"""Their forms."""

Handler = Callable[..., Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Archive:
    """Where the routes look, and who asks."""

    store: Callable[[], Store]
    sessions: Callable[[], Sessions]
    """Those that are not over yet."""
    owner: Callable[[], str] = lambda: guard.caller().owner


def sessions(archive: Archive) -> Blueprint:
    """The routes."""
    blueprint = Blueprint("sessions", __name__)
    routes = _Routes(archive)
    for rule, method, handler in (
        ("/v1/sessions", "GET", routes.list),
        ("/v1/sessions/<session_id>", "GET", routes.show),
        ("/v1/sessions/<session_id>", "DELETE", routes.delete),
        ("/v1/sessions/<session_id>/transcript.<form>", "GET", routes.transcript),
        ("/v1/sessions/<session_id>/audio", "GET", routes.audio),
        ("/v1/usage", "GET", routes.usage),
    ):
        blueprint.add_url_rule(rule, f"{method} {rule}".replace(".", " "), _answered(handler), methods=[method])
    return blueprint


class _Routes:
    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    @property
    def _catalogue(self) -> Catalogue:
        return Catalogue(self._archive.store())

    async def list(self) -> Response:
        """Those that began on a day, in order."""
        asked = _query("day", "after", "limit")
        day, after = _day("day", asked.get("day")), asked.get("after", "")
        if "after" in asked and not made_at(after):
            raise _invalid("after", "the id of a session")
        limit = _count(asked.get("limit", "100"))
        found, more = await self._catalogue.day(self._archive.owner(), day, after=after, limit=limit)
        return _json({"sessions": [_entry(entry) for entry in found], "next": more})

    async def show(self, session_id: str) -> Response:
        """One, with what is kept of it."""
        entry, kept = await self._find(session_id)
        files = await kept.files()
        stored = [{"name": name, "bytes": item.size} for name, item in files.items()]
        return _json({**_entry(entry), "files": stored})

    async def transcript(self, session_id: str, form: str) -> Response:
        if form not in TRANSCRIPTS:
            raise Denied(404, Error("unknown_format", f"There are: {', '.join(TRANSCRIPTS)}."))
        _, kept = await self._find(session_id)
        try:
            text = await kept.read(f"transcript.{form}")
        except NotFound:
            raise _not_kept() from None
        return Response(text, content_type=media_type(f".{form}"), headers={"Cache-Control": "private, no-store"})

    async def audio(self, session_id: str) -> Response:
        """The recording, or a range of it."""
        _, kept = await self._find(session_id)
        audio = [(name, item) for name, item in (await kept.files()).items() if name.startswith("audio.")]
        if not audio:
            raise _not_kept()
        return self._part_of(kept, *audio[0])

    def _part_of(self, kept: Kept, name: str, item: Item) -> Response:
        etag = f'"{item.etag.strip(chr(34))}"'
        headers = {"Accept-Ranges": "bytes", "ETag": etag, "Cache-Control": "private, no-store"}
        wanted = request.headers.get("Range")
        if request.headers.get("If-Range", etag) != etag:  # what the client has is of another recording
            wanted = None
        try:
            chosen = read_range(wanted, item.size)
        except Unsatisfiable:
            error = Error("range_not_satisfiable", f"The recording has {item.size} bytes.")
            response = guard.problem(416, error)
            response.headers["Content-Range"] = f"bytes */{item.size}"
            return response
        start, length = chosen or (0, item.size)
        if chosen:
            headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{item.size}"
        body = b"" if request.method == "HEAD" else _pieces(kept, name, start, length)
        response = Response(body, 206 if chosen else 200, headers, content_type=media_type(name))
        response.content_length = length
        response.timeout = None
        return response

    async def delete(self, session_id: str) -> Response:
        """All that is kept of it, for good."""
        if self._archive.sessions().has(session_id, self._archive.owner()):
            raise Denied(409, Error("session_not_over", "The session goes on, or is being stored; end it first."))
        _, kept = await self._find(session_id)
        await kept.erase()
        await self._catalogue.forget(self._archive.owner(), session_id)
        return Response(status=204)

    async def usage(self) -> Response:
        """By day, and together."""
        asked = _query("from", "to")
        until = _day("to", asked.get("to"))
        since = _day("from", asked["from"]) if "from" in asked else until
        if not timedelta() <= until - since < timedelta(days=_MAX_DAYS):
            raise _invalid("from", f"a day before `to`, by less than {_MAX_DAYS} days")
        catalogue, owner, days = self._catalogue, self._archive.owner(), dict[str, Usage]()
        for number in range((until - since).days + 1):
            day = since + timedelta(days=number)
            days[day.isoformat()] = await catalogue.usage(owner, day)
        listed = [{"day": day, **asdict(usage)} for day, usage in days.items()]
        return _json({"days": listed, "total": asdict(Usage.total(days.values())), "priced_on": PRICED_ON})

    async def _find(self, session_id: str) -> tuple[Entry, Kept]:
        entry = await self._catalogue.find(self._archive.owner(), session_id)
        if entry is None:
            raise Denied(404, Error("unknown_session", "There is no such session."))
        return entry, Kept(self._archive.store(), session_id)


async def _pieces(kept: Kept, name: str, start: int, length: int) -> AsyncIterator[bytes]:
    end = start + length
    while start < end:
        piece = await kept.read(name, start, min(_PIECE_BYTES, end - start))
        if not piece:
            return
        yield piece
        start += len(piece)


def _answered(handler: Handler) -> Handler:
    """The handler, with an answer to whatever can't be done."""

    @functools.wraps(handler)
    async def answer(**arguments: str) -> Response:
        try:
            return await handler(**arguments)
        except Denied as denied:
            return guard.answer(denied)
        except StoreError:
            error = Error("store_unavailable", "The store can't be reached now; try again later.")
            return guard.answer(Denied(503, error, _RETRY_AFTER_SECONDS))

    return answer


def _query(*known: str) -> dict[str, str]:
    """The query's parameters. Raises Denied."""
    asked = dict(request.args.items(multi=True))
    if unknown := sorted(asked.keys() - set(known)):
        raise Denied(400, Error("unknown_field", f"The query takes: {', '.join(known)}.", unknown[0][:40]))
    return asked


def _day(name: str, text: str | None) -> date:
    """A day; today where none is named. Raises Denied."""
    if text is None:
        return datetime.now(UTC).date()
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise _invalid(name, "a day (YYYY-MM-DD)") from None


def _count(text: str) -> int:
    """How many to list. Raises Denied."""
    if _COUNT.fullmatch(text) is None or not 1 <= int(text) <= MAX_LISTED:
        raise _invalid("limit", f"a number from 1 to {MAX_LISTED}")
    return int(text)


def _invalid(name: str, allowed: str) -> Denied:
    return Denied(400, Error("invalid_field", f"`{name}` must be {allowed}.", name))


def _not_kept() -> Denied:
    return Denied(404, Error("not_kept", "Nothing of this kind is kept of the session."))


def _entry(entry: Entry) -> dict[str, Any]:
    return asdict(entry)


def _json(value: Any, status: int = 200) -> Response:
    body = json.dumps(value, ensure_ascii=False)
    return Response(body, status, content_type="application/json", headers={"Cache-Control": "private, no-store"})
