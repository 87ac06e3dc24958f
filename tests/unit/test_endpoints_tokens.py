"""`POST /v1/tokens`."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from tests.gates import HERE, SECRET, gate_of, ring_of
from tests.stage import House
from transcriber.api_keys import KeyLimits
from transcriber.endpoints import guard
from transcriber.endpoints.tokens import DEFAULT_SECONDS, tokens
from transcriber.tokens import verify

Ask = Any


@pytest.fixture
async def ask(tmp_path: Path) -> AsyncIterator[Ask]:
    """Asks for a token with a body; the status and what the answer says."""
    app = Quart(__name__)
    ring, keys = ring_of(alice=KeyLimits(languages=("en", "de"), sessions=3))
    async with House(tmp_path) as house:
        gate = gate_of(house, ring)
        guard.install(app, lambda: gate)
        app.register_blueprint(tokens(lambda: gate))

        async def asked(body: str | bytes) -> tuple[int, dict[str, Any]]:
            headers = {"X-API-Key": keys["alice"]}
            answer = await app.test_client().post("/v1/tokens", data=body, headers=headers, scope_base=HERE)
            assert answer.status_code != 201 or answer.headers["Cache-Control"] == "no-store"
            return answer.status_code, await answer.get_json()

        yield asked


@pytest.mark.parametrize(
    ("body", "seconds", "limits"),
    [
        ("", DEFAULT_SECONDS, {"languages": ["en", "de"]}),
        ('{"expires_in_seconds": 600}', 600, {"languages": ["en", "de"]}),
        (
            '{"session_seconds": 30, "languages": ["de"], "record": "none"}',
            DEFAULT_SECONDS,
            {"session_seconds": 30, "languages": ["de"], "record": "none"},
        ),
    ],
)
async def test_a_token_and_what_it_allows(ask: Ask, body: str, seconds: int, limits: dict[str, Any]) -> None:
    before = datetime.now(UTC).timestamp()
    status, made = await ask(body)
    assert status == 201
    assert made["limits"] == limits
    ticket = verify(made["token"], SECRET)
    assert datetime.fromisoformat(made["expires_at"]).timestamp() == ticket.expires_at
    assert -1 <= ticket.expires_at - before - seconds <= 5


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"\xff", "invalid_json"),
        ("{", "invalid_json"),
        ("[]", "invalid_message"),
        ('{"expires_in_seconds": 0}', "invalid_field"),
        ('{"expires_in_seconds": 601}', "invalid_field"),
        ('{"expires_in_seconds": "60"}', "invalid_field"),
        ('{"expires_in_seconds": true}', "invalid_field"),
        ('{"languages": ["fr"]}', "invalid_field"),
        ('{"sessions": 100}', "invalid_field"),
        ('{"metrics": true}', "invalid_field"),
        ('{"record": "video"}', "invalid_field"),
        ('{"record": "none", "record": "text"}', "invalid_field"),
    ],
)
async def test_what_is_wrong_is_told(ask: Ask, body: str | bytes, code: str) -> None:
    status, told = await ask(body)
    assert (status, told["error"]["code"]) == (400, code)
