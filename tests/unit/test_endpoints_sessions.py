"""`/v1/sessions` and `/v1/usage`."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from quart import Quart, Response

from tests.gates import HERE, gate_of, ring_of
from tests.stage import House
from tests.unit.test_catalogue import DAY, entry, session_id
from transcriber.api_keys import KeyLimits
from transcriber.catalogue import Catalogue
from transcriber.endpoints import guard
from transcriber.endpoints.sessions import TRANSCRIPTS, Archive, sessions
from transcriber.events import Options
from transcriber.live import Admission
from transcriber.prices import PRICED_ON
from transcriber.recorder import prefix
from transcriber.storage.store import Item, StoreError

ID = session_id(DAY)
AUDIO = bytes(range(256)) * 10_000


class Site:
    """An app with a session of alice's."""

    def __init__(self, house: House) -> None:
        self.house = house
        ring, self._keys = ring_of(alice=KeyLimits(), bob=KeyLimits())
        gate = gate_of(house, ring)
        self.app = Quart(__name__)
        guard.install(self.app, lambda: gate)
        self.app.register_blueprint(sessions(Archive(lambda: house.store, lambda: house.sessions)))

    async def fill(self) -> None:
        await Catalogue(self.house.store).add("alice", entry())
        place = prefix(ID, entry().started_at)
        await self.house.store.put(place + "audio.wav", AUDIO)
        for form in TRANSCRIPTS:
            await self.house.store.put(f"{place}transcript.{form}", f"in {form}".encode())

    async def ask(self, path: str, owner: str = "alice", method: str = "GET", **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.app.test_client().open(
            path, method=method, headers={"X-API-Key": self._keys[owner], **named}, scope_base=HERE
        )

    async def json(self, path: str, owner: str = "alice") -> Any:
        return await (await self.ask(path, owner)).get_json()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with House(tmp_path) as house:
        made = Site(house)
        await made.fill()
        yield made


async def code(answer: Response) -> tuple[int, str]:
    return answer.status_code, (await answer.get_json())["error"]["code"]


async def test_sessions_of_a_day(site: Site) -> None:
    assert await site.json(f"/v1/sessions?day={DAY}") == {"sessions": [asdict(entry())], "next": None}
    assert await site.json("/v1/sessions") == {"sessions": [], "next": None}
    assert await site.json(f"/v1/sessions?day={DAY}", "bob") == {"sessions": [], "next": None}
    await Catalogue(site.house.store).add("alice", entry(number=1))
    first = await site.json(f"/v1/sessions?day={DAY}&limit=1")
    assert first == {"sessions": [asdict(entry())], "next": ID}
    second = await site.json(f"/v1/sessions?day={DAY}&limit=1&after={ID}")
    assert second == {"sessions": [asdict(entry(number=1))], "next": None}


async def test_a_session_and_what_is_kept_of_it(site: Site) -> None:
    shown = await site.json(f"/v1/sessions/{ID}")
    assert shown["duration_seconds"] == 10
    assert {"name": "audio.wav", "bytes": len(AUDIO)} in shown["files"]
    assert len(shown["files"]) == 5


CONTENT_TYPES = {
    "json": "application/json",
    "txt": "text/plain; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
}


@pytest.mark.parametrize("form", TRANSCRIPTS)
async def test_its_transcript_in_every_form(site: Site, form: str) -> None:
    answer = await site.ask(f"/v1/sessions/{ID}/transcript.{form}")
    assert (answer.status_code, answer.content_type) == (200, CONTENT_TYPES[form])
    assert await answer.get_data(as_text=True) == f"in {form}"
    assert answer.headers["Cache-Control"] == "private, no-store"


async def test_its_audio_whole(site: Site) -> None:
    answer = await site.ask(f"/v1/sessions/{ID}/audio")
    assert (answer.status_code, answer.content_type, answer.content_length) == (200, "audio/wav", len(AUDIO))
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert await answer.get_data(as_text=False) == AUDIO
    head = await site.ask(f"/v1/sessions/{ID}/audio", method="HEAD")
    assert (head.status_code, await head.get_data(as_text=False)) == (200, b"")


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [("bytes=0-9", 0, 10), ("bytes=-7", len(AUDIO) - 7, len(AUDIO)), ("bytes=5-1500000", 5, 1_500_001)],
)
async def test_a_range_of_its_audio(site: Site, wanted: str, start: int, end: int) -> None:
    answer = await site.ask(f"/v1/sessions/{ID}/audio", Range=wanted)
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(AUDIO)}"
    assert answer.content_length == end - start
    assert await answer.get_data(as_text=False) == AUDIO[start:end]


async def test_a_range_that_is_not_there_or_of_another_recording(site: Site) -> None:
    answer = await site.ask(f"/v1/sessions/{ID}/audio", Range=f"bytes={len(AUDIO)}-")
    assert await code(answer) == (416, "range_not_satisfiable")
    assert answer.headers["Content-Range"] == f"bytes */{len(AUDIO)}"
    etag = (await site.ask(f"/v1/sessions/{ID}/audio")).headers["ETag"]
    for shown, status in ((etag, 206), ('"another"', 200)):
        answer = await site.ask(f"/v1/sessions/{ID}/audio", Range="bytes=0-1", If_Range=shown)
        assert answer.status_code == status


@pytest.mark.parametrize(
    "path", ["", "/audio", "/transcript.json", "/transcript.txt"], ids=["session", "audio", "json", "txt"]
)
async def test_others_find_nothing(site: Site, path: str) -> None:
    assert await code(await site.ask(f"/v1/sessions/{ID}{path}", "bob")) == (404, "unknown_session")
    assert await code(await site.ask(f"/v1/sessions/{session_id(DAY, 9)}{path}")) == (404, "unknown_session")
    for name in ("..", "%2e%2e", "..%2f..%2fetc", "%00", "*", "0"):
        assert (await site.ask(f"/v1/sessions/{name}{path}")).status_code in (404, 308)


async def test_what_is_not_kept(site: Site) -> None:
    await site.house.store.erase(prefix(ID, entry().started_at))
    for path in ("audio", "transcript.json"):
        assert await code(await site.ask(f"/v1/sessions/{ID}/{path}")) == (404, "not_kept")
    assert await code(await site.ask(f"/v1/sessions/{ID}/transcript.docx")) == (404, "unknown_format")
    assert (await site.json(f"/v1/sessions/{ID}"))["files"] == []


async def test_a_session_is_deleted_by_its_owner_for_good(site: Site) -> None:
    assert await code(await site.ask(f"/v1/sessions/{ID}", "bob", "DELETE")) == (404, "unknown_session")
    assert (await site.ask(f"/v1/sessions/{ID}", method="DELETE")).status_code == 204
    assert await code(await site.ask(f"/v1/sessions/{ID}")) == (404, "unknown_session")
    assert await code(await site.ask(f"/v1/sessions/{ID}", method="DELETE")) == (404, "unknown_session")
    left = [item.key async for item in site.house.store.list("")]
    assert left == [f"usage/alice/{DAY}/{ID}.json"]
    assert (await site.json(f"/v1/usage?from={DAY}&to={DAY}"))["total"]["sessions"] == 1


async def test_a_session_that_goes_on_is_not_deleted(site: Site) -> None:
    live = site.house.sessions.begin(Options(), Admission(owner="alice"))
    answer = await site.ask(f"/v1/sessions/{live.session_id}", method="DELETE")
    assert await code(answer) == (409, "session_not_over")
    answer = await site.ask(f"/v1/sessions/{live.session_id}", "bob", "DELETE")
    assert await code(answer) == (404, "unknown_session")


async def test_usage_by_day_and_together(site: Site) -> None:
    used = await site.json(f"/v1/usage?from=2026-11-19&to={DAY}")
    total = {
        "sessions": 1,
        "audio_seconds": 10.0,
        "upstream_seconds": 6.0,
        "dollars": 0.00045,
        "unpriced_seconds": 0.0,
    }
    assert used["total"] == total
    assert [day["day"] for day in used["days"]] == ["2026-11-19", "2026-11-20"]
    assert used["days"][1] == {"day": "2026-11-20", **total}
    assert used["priced_on"] == PRICED_ON
    today = datetime.now(UTC).date().isoformat()
    assert [day["day"] for day in (await site.json("/v1/usage", "bob"))["days"]] == [today]


@pytest.mark.parametrize(
    ("query", "error", "field"),
    [
        ("sessions?day=yesterday", "invalid_field", "day"),
        ("sessions?day=2026-13-01", "invalid_field", "day"),
        ("sessions?limit=0", "invalid_field", "limit"),
        ("sessions?limit=1001", "invalid_field", "limit"),
        ("sessions?limit=%D9%A3", "invalid_field", "limit"),
        ("sessions?limit=0000001009999999", "invalid_field", "limit"),
        (f"sessions?limit={'1' * 5000}", "invalid_field", "limit"),
        (f"sessions?limit={'0' * 5000}1", "invalid_field", "limit"),
        ("sessions?after=x", "invalid_field", "after"),
        ("sessions?owner=bob", "unknown_field", "owner"),
        ("usage?from=2026-11-20&to=2026-11-19", "invalid_field", "from"),
        ("usage?from=2020-01-01&to=2026-11-19", "invalid_field", "from"),
        ("usage?day=2026-11-20", "unknown_field", "day"),
    ],
)
async def test_a_query_that_makes_no_sense(site: Site, query: str, error: str, field: str) -> None:
    answer = await site.ask(f"/v1/{query}")
    assert await code(answer) == (400, error)
    assert (await answer.get_json())["error"]["field"] == field


class NoStore:
    async def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        raise StoreError("down")

    async def list(self, prefix: str = "") -> AsyncIterator[Item]:
        raise StoreError("down")
        yield


@pytest.mark.parametrize("path", ["/v1/sessions", f"/v1/sessions/{ID}", "/v1/usage"])
async def test_a_store_that_can_not_be_reached(site: Site, path: str) -> None:
    store, site.house.store = site.house.store, NoStore()  # type: ignore[assignment]
    answer = await site.ask(path)
    site.house.store = store
    assert await code(answer) == (503, "store_unavailable")
    assert answer.headers["Retry-After"]
