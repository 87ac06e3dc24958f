"""The jobs of a service, over HTTP: `transcriber transcribe --url` uses them."""

import asyncio
import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from transcriber.client.errors import ConnectionFailed, ConnectionLost, Refused, TranscriberError
from transcriber.client.session import refused

TIMEOUT_SECONDS = 60
ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 0.5
_BUSY = frozenset((429, 503))
"""HTTP statuses that may be gone a little later."""


@dataclass(frozen=True, slots=True)
class Job:
    """As the service sees it."""

    id: str
    state: str
    received_bytes: int
    fraction: float = 0.0
    """Of its audio, while it runs."""
    gaps: int = 0
    """Utterances without text."""
    error: tuple[str, str] | None = None
    """Code and message."""

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Job":
        """From what the API shows. Raises TypeError or KeyError where it is something else."""
        progress, error = document.get("progress"), document.get("error")
        return cls(
            id=str(document["id"]),
            state=str(document["state"]),
            received_bytes=int(document["received_bytes"]),
            fraction=float(progress["fraction"]) if progress else 0.0,
            gaps=int(document.get("gaps") or 0),
            error=(str(error["code"]), str(error["message"])) if error else None,
        )

    @property
    def ended(self) -> bool:
        return self.state in ("done", "failed", "cancelled")


class Service(Protocol):
    """Where jobs are done. Every call raises TranscriberError where it can't be."""

    async def begin(self, name: str, size: int, options: Mapping[str, str]) -> Job:
        """A job whose audio is still to come."""
        ...

    async def append(self, job_id: str, data: bytes, offset: int, *, complete: bool) -> None:
        """More of its audio, from byte `offset` on; `complete` with the last of it."""
        ...

    async def job(self, job_id: str) -> Job: ...

    async def result(self, job_id: str, kind: str) -> bytes:
        """The transcript as json, txt, srt or vtt."""
        ...

    async def forget(self, job_id: str) -> None:
        """Its result is taken, and kept elsewhere."""
        ...


class HttpService:
    """One that is asked over HTTP. What may be only a moment's trouble is tried again."""

    def __init__(self, url: str, api_key: str | None = None) -> None:
        """`url` is that of the service, or of its WebSocket. Raises ConnectionFailed where it is no URL."""
        self._base = base_url(url)
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._opener = urllib.request.build_opener()

    async def begin(self, name: str, size: int, options: Mapping[str, str]) -> Job:
        headers = {"Content-Type": "application/octet-stream", "Upload-Complete": "?0", "Upload-Length": str(size)}
        # RFC 6266 with the encoding of RFC 8187.
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{urllib.parse.quote(name)}"
        query = f"?{urllib.parse.urlencode(options)}" if options else ""
        return self._job(await self._ask("POST", f"/v1/jobs{query}", headers, b""))

    async def append(self, job_id: str, data: bytes, offset: int, *, complete: bool) -> None:
        headers = {"Content-Type": "application/partial-upload", "Upload-Offset": str(offset)}
        headers["Upload-Complete"] = f"?{complete:d}"
        # Not tried again as it is: how much of it has come is asked first.
        await asyncio.to_thread(self._once, "PATCH", f"{_path(job_id)}/audio", headers, data)

    async def job(self, job_id: str) -> Job:
        return self._job(await self._ask("GET", _path(job_id)))

    async def result(self, job_id: str, kind: str) -> bytes:
        return await self._ask("GET", f"{_path(job_id)}/result?format={kind}")

    async def forget(self, job_id: str) -> None:
        """The service keeps what it has."""

    async def _ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> bytes:
        pause_seconds = FIRST_PAUSE_SECONDS
        for _ in range(ATTEMPTS - 1):
            try:
                return await asyncio.to_thread(self._once, method, path, headers or {}, body)
            except TranscriberError as failure:
                if not is_passing(failure):
                    raise
            await asyncio.sleep(pause_seconds)
            pause_seconds *= 2
        return await asyncio.to_thread(self._once, method, path, headers or {}, body)

    def _once(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
        request = urllib.request.Request(  # noqa: S310 - `base_url` lets http and https through
            self._base + path, data=body, headers={**self._headers, **headers}, method=method
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                return answer.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise refused(refusal.code, str(refusal.reason), refusal.read()) from None
        except urllib.error.URLError as failure:
            raise ConnectionFailed("connection_failed", f"cannot reach {self._base}: {failure.reason}") from None
        except (OSError, http.client.HTTPException) as failure:
            raise ConnectionLost("connection_lost", f"{self._base} does not answer: {failure}") from None

    def _job(self, body: bytes) -> Job:
        try:
            return Job.of(cast("Mapping[str, Any]", json.loads(body)))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise ConnectionFailed("no_service", f"what answers at {self._base} is no transcriber") from None


def base_url(url: str) -> str:
    """Of the service, without the path of its WebSocket. Raises ConnectionFailed."""
    schemes = {"ws": "http", "wss": "https", "http": "http", "https": "https"}
    try:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme in schemes and parts.hostname:
            return f"{schemes[parts.scheme]}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/ws')}"
    except ValueError:
        pass
    raise ConnectionFailed("invalid_url", f"{url} is no address of a service (http:// or https://)")


def is_passing(failure: TranscriberError) -> bool:
    """Whether the same may succeed a little later."""
    if isinstance(failure, Refused):
        return failure.status in _BUSY
    return isinstance(failure, ConnectionFailed | ConnectionLost) and failure.code.startswith("connection_")


def texts_of(options: Mapping[str, str | Sequence[str] | int | None]) -> Mapping[str, str]:
    """Options as a query has them; None leaves a choice to the service."""
    given = {name: value for name, value in options.items() if value not in (None, [], ())}
    return {name: value if isinstance(value, str) else _text(value) for name, value in given.items()}


def _text(value: Sequence[str] | int | None) -> str:
    return str(value).lower() if isinstance(value, int) else ",".join(value or ())


def _path(job_id: str) -> str:
    return f"/v1/jobs/{urllib.parse.quote(job_id, safe='')}"
