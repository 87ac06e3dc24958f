"""What every request meets first."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from quart import Quart, Response

from tests.gates import gate_of, ring_of
from tests.stage import House
from transcriber.api_keys import KeyLimits
from transcriber.auth import Denied
from transcriber.endpoints import guard
from transcriber.events import Error

FAR = {"client": ("203.0.113.9", 1)}


class Site:
    """An app with a page that says who asks."""

    def __init__(self, house: House) -> None:
        ring, self.keys = ring_of(alice=KeyLimits())
        gate = gate_of(house, ring)
        self.app = Quart(__name__)
        self.refused: list[str] = []
        guard.install(self.app, lambda: gate, refused=self.refused.append, open_paths=frozenset({"/open"}))
        for path, view in {
            "/who": lambda: guard.caller().owner,
            "/open": lambda: "open",
            "/health": lambda: "ok",
        }.items():
            self.app.add_url_rule(path, path, view)

    async def get(self, path: str, **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.app.test_client().get(path, headers=named, scope_base=FAR)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with House(tmp_path) as house:
        yield Site(house)


async def code(answer: Response) -> tuple[int, str]:
    return answer.status_code, (await answer.get_json())["error"]["code"]


async def test_a_key_is_needed_everywhere_but_where_it_is_not(site: Site) -> None:
    assert await code(await site.get("/who")) == (401, "no_credential")
    assert await code(await site.get("/nowhere")) == (401, "no_credential")
    answer = await site.get("/who", Authorization=f"Bearer {site.keys['alice']}")
    assert await answer.get_data(as_text=True) == "alice"
    assert (await site.get("/open")).status_code == 200
    assert site.refused == ["no_credential", "no_credential"]


async def test_probes_are_answered_whoever_asks(site: Site) -> None:
    assert (await site.get("/health", Host="a b", Origin="http://evil.example")).status_code == 200
    assert await code(await site.get("/open", Origin="http://evil.example")) == (403, "foreign_origin")
    assert await code(await site.get("/open", Host="a b")) == (403, "unknown_host")


async def test_a_refusal_says_what_to_show_and_when_to_ask_again(site: Site) -> None:
    async with site.app.app_context():
        refused = guard.answer(Denied(401, Error("no_credential", "Show a key.", "key")))
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert await refused.get_json() == {
            "error": {"code": "no_credential", "message": "Show a key.", "field": "key"}
        }
        assert guard.answer(Denied(429, Error("busy", "Wait."), 7)).headers["Retry-After"] == "7"


async def test_headers_are_joined_and_the_peer_is_what_the_server_saw(site: Site) -> None:
    seen: list[object] = []

    async def look() -> str:
        seen.extend((guard.headers(), guard.asking().peer))
        return ""

    site.app.add_url_rule("/look", view_func=look)
    headers = [("X-API-Key", site.keys["alice"]), ("X-Twice", "a"), ("x-twice", "b"), ("Remote-Addr", "127.0.0.1")]
    await site.app.test_client().get("/look", headers=headers, scope_base=FAR)
    assert isinstance(seen[0], dict)
    assert seen[0]["x-twice"] == "a, b"
    assert seen[1] == "203.0.113.9"
