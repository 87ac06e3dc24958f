"""What holds of sessions that are going on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gates import gate_of, ring_of
from tests.stage import House, until
from transcriber.api_keys import KeyLimits
from transcriber.auth import USED_TOKENS
from transcriber.enforcement import enforce, sweep
from transcriber.events import Failed, Options
from transcriber.live import Admission, Live
from transcriber.tallies import Tallies


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as made:
        yield made


def failures(live: Live) -> list[str]:
    cursor, codes = live.spool.events(), list[str]()
    while (numbered := cursor.next()) is not None:
        if isinstance(numbered[1], Failed):
            codes.append(numbered[1].error.code)
    return codes


async def test_sessions_of_revoked_and_used_up_keys_end_and_others_go_on(house: House) -> None:
    ring, _ = ring_of(alice=KeyLimits(), bob=KeyLimits(audio_seconds_per_day=10))
    gate = gate_of(house, ring)
    ids = {key.name: key.id for key in ring.keys}
    alice, bob, gone, left = (
        house.sessions.begin(Options(), Admission(owner, key_id))
        for owner, key_id in (("alice", ids["alice"]), ("bob", ids["bob"]), ("carol", "0123456789ab"), ("dave", ""))
    )
    ends: dict[str, list[str]] = {}
    house.sessions.on_over = lambda live: ends.setdefault(live.status.owner, failures(live))
    enforcing = asyncio.create_task(enforce(gate, house.sessions, seconds=0.01))
    await until(lambda: gone.ended)
    assert not bob.ended
    gate.quotas.used("bob", 10)
    await until(lambda: bob.ended)
    assert not alice.ended
    assert not left.ended
    await until(lambda: len(ends) == 2)
    enforcing.cancel()
    assert ends == {"carol": ["key_revoked"], "bob": ["key_audio_exceeded"]}


async def test_used_tokens_are_swept(house: House) -> None:
    gate = gate_of(house)
    sweeping = asyncio.create_task(sweep(gate, Tallies(house.store), seconds=0.01))
    await house.store.put(f"{USED_TOKENS}1-old", b"")

    async def swept() -> None:
        while [item async for item in house.store.list(USED_TOKENS)]:  # noqa: ASYNC110 - it rings no bell
            await asyncio.sleep(0.01)

    async with asyncio.timeout(5):
        await swept()
    sweeping.cancel()
