"""The gate: who is let in by what they show."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gates import SECRET, gate_of, ring_of
from tests.stage import House
from transcriber.api_keys import KeyLimits, KeysError, dump, new_key
from transcriber.auth import ANONYMOUS, USED_TOKENS, Denied, Gate
from transcriber.events import Error, Options
from transcriber.key_ring import KeyRing
from transcriber.live import Admission
from transcriber.perimeter import Asking, Perimeter
from transcriber.quotas import Tally
from transcriber.storage.store import Item, StoreError
from transcriber.tallies import Tallies
from transcriber.tokens import Ticket, sign, verify
from transcriber.wire.protocol import Credential

LIMITS = KeyLimits(session_seconds=100, languages=("en", "de"), audio_seconds_per_day=500, sessions=1)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as made:
        yield made


@pytest.fixture
def keys() -> tuple[KeyRing, dict[str, str]]:
    return ring_of(alice=KeyLimits(), bob=LIMITS)


@pytest.fixture
def gate(house: House, keys: tuple[KeyRing, dict[str, str]]) -> Gate:
    return gate_of(house, keys[0])


@pytest.fixture
def alice(keys: tuple[KeyRing, dict[str, str]]) -> Credential:
    return Credential(keys[1]["alice"])


@pytest.fixture
def bob(keys: tuple[KeyRing, dict[str, str]]) -> Credential:
    return Credential(keys[1]["bob"])


def denied(gate: Gate, credential: Credential | None, *, tokens: bool = True) -> tuple[int, str]:
    with pytest.raises(Denied) as caught:
        gate.identify(credential, tokens=tokens)
    return caught.value.status, caught.value.error.code


def test_a_key_says_whose_it_is_and_what_it_allows(gate: Gate, bob: Credential) -> None:
    caller = gate.identify(bob)
    assert (caller.owner, caller.limits, caller.ticket) == ("bob", LIMITS, None)


def test_what_is_no_key(gate: Gate, alice: Credential) -> None:
    assert denied(gate, None) == (401, "no_credential")
    assert denied(gate, Credential("")) == (401, "invalid_credential")
    assert denied(gate, Credential("trt_x.y")) == (401, "invalid_credential")
    assert denied(gate, Credential(alice.text, in_url=True)) == (401, "key_in_url")
    assert denied(gate, Credential("guessed", in_url=True)) == (401, "key_in_url")


def test_without_keys_nobody_is_asked(house: House) -> None:
    gate = gate_of(house)
    for shown in (None, Credential("anything"), Credential("anything", in_url=True)):
        assert gate.identify(shown).owner == ANONYMOUS


def test_who_may_not_ask_at_all(gate: Gate, house: House) -> None:
    with pytest.raises(Denied) as caught:
        gate.enter(Asking("127.0.0.1", "ws", {"host": "localhost", "origin": "http://evil.example"}))
    assert (caught.value.status, caught.value.error.code) == (403, "foreign_origin")
    gate.enter(Asking("203.0.113.9", "ws", {"host": "localhost"}))
    gate = gate_of(house, perimeter=Perimeter(anonymous=True))
    with pytest.raises(Denied):
        gate.enter(Asking("203.0.113.9", "ws", {"host": "localhost"}))


def test_a_token_stands_for_its_key_with_less(gate: Gate, bob: Credential) -> None:
    asked = KeyLimits(session_seconds=1000, languages=("de",), record="none")
    text, ticket = gate.token(gate.identify(bob), asked, 60)
    assert (ticket.limits.session_seconds, ticket.limits.languages) == (100, ("de",))
    for credential in (Credential(text), Credential(text, in_url=True)):
        caller = gate.identify(credential, tokens=True)
        assert (caller.owner, caller.key_id) == ("bob", gate.identify(bob).key_id)
        assert (caller.limits.record, caller.limits.sessions) == ("none", 1)
    assert denied(gate, Credential(text), tokens=False) == (401, "token_not_allowed")
    with pytest.raises(KeysError, match="languages"):
        gate.token(gate.identify(bob), KeyLimits(languages=("fr",)), 60)


def test_a_token_holds_as_long_as_its_key_and_its_time(gate: Gate, house: House, bob: Credential) -> None:
    text, ticket = gate.token(gate.identify(bob), KeyLimits(languages=("de",)), 60)
    assert denied(gate_of(house, ring_of(bob=LIMITS)[0]), Credential(text)) == (401, "invalid_credential")
    late = Gate(gate.perimeter, None, SECRET, gate.quotas, house.store, now=lambda: ticket.expires_at)
    late._keys = gate._keys
    assert denied(late, Credential(text)) == (401, "token_expired")
    nobodys = sign(Ticket("", ticket.expires_at), SECRET)
    assert denied(gate, Credential(nobodys)) == (401, "invalid_credential")


def test_a_key_that_allows_less_than_its_token(gate: Gate, house: House, bob: Credential) -> None:
    text, _ = gate.token(gate.identify(bob), KeyLimits(languages=("de",)), 60)
    keys = gate._keys.keys if gate._keys else ()
    narrowed = dump(keys).replace('["en", "de"]', '["en"]')
    assert denied(gate_of(house, KeyRing(narrowed)), Credential(text)) == (401, "invalid_credential")


async def test_of_all_tasks_one_takes_a_token(gate: Gate, house: House, alice: Credential, keys: object) -> None:
    text, ticket = gate.token(gate.identify(alice), KeyLimits(), 60)
    caller = gate.identify(Credential(text), tokens=True)
    other = gate_of(house, gate._keys)
    await gate.redeem(caller)
    for task in (gate, other):
        with pytest.raises(Denied) as caught:
            await task.redeem(caller)
        assert (caught.value.status, caught.value.error.code) == (401, "token_used")
    stored = [item.key async for item in house.store.list("")]
    assert stored == [f"{USED_TOKENS}{ticket.expires_at + 60}-{ticket.id}"]
    assert text not in stored[0]


async def test_who_comes_with_a_key_uses_nothing_up(gate: Gate, house: House, alice: Credential) -> None:
    await gate.redeem(gate.identify(alice))
    assert [item async for item in house.store.list("")] == []


class NoStore:
    async def put(self, key: str, data: bytes, **conditions: object) -> Item:
        raise StoreError("down")


async def test_a_token_of_which_nobody_knows_whether_it_was_used(gate: Gate, house: House, alice: Credential) -> None:
    text, _ = gate.token(gate.identify(alice), KeyLimits(), 60)
    caller = gate.identify(Credential(text), tokens=True)
    without = Gate(gate.perimeter, None, SECRET, gate.quotas, NoStore())  # type: ignore[arg-type]
    with pytest.raises(Denied) as caught:
        await without.redeem(caller)
    assert (caught.value.status, caught.value.error.code) == (503, "storage_unavailable")
    assert caught.value.retry_after_seconds


async def test_used_tokens_are_forgotten_once_they_have_expired(gate: Gate, house: House, alice: Credential) -> None:
    for name in ("1-old", "2-older", "99999999999-new", "odd"):
        await house.store.put(USED_TOKENS + name, b"")
    assert await gate.forget_tokens() == 2
    assert [item.key async for item in house.store.list(USED_TOKENS)] == ["tokens/99999999999-new", "tokens/odd"]


async def test_quotas_are_asked_and_bound_a_session(gate: Gate, house: House, bob: Credential) -> None:
    caller = gate.identify(bob)
    gate.check_quota(caller)
    assert gate.session_seconds(caller) == 100
    gate.quotas.used("bob", 450)
    assert gate.session_seconds(caller) == 50
    house.sessions.begin(Options(), Admission("bob", caller.key_id))
    with pytest.raises(Denied) as caught:
        gate.check_quota(caller)
    assert (caught.value.status, caught.value.error.code) == (429, "key_sessions_exceeded")


async def test_what_speaks_against_going_on(gate: Gate, house: House, alice: Credential, bob: Credential) -> None:
    objection = gate.objections()
    key_id = gate.identify(bob).key_id
    assert objection("bob", key_id) is None
    assert objection("bob", "") is None
    gone = objection("bob", "0123456789ab")
    assert gone is not None
    assert (gone.code, gone.close_code) == ("key_revoked", 1008)
    gate.quotas.used("bob", 500)
    used_up = gate.objections()("bob", key_id)
    assert used_up is not None
    assert (used_up.code, used_up.close_code) == ("key_audio_exceeded", 1008)
    assert objection("alice", gate.identify(alice).key_id) is None
    assert gate_of(house).objections()("", "0123456789ab") is None


def test_a_token_says_nothing_of_its_key(gate: Gate, alice: Credential) -> None:
    text, _ = gate.token(gate.identify(alice), KeyLimits(), 60)
    assert alice.text not in text
    assert verify(text, SECRET).key_id == gate.identify(alice).key_id
    assert alice.text not in repr(alice)
    assert alice.text not in repr(gate.identify(alice))


async def test_limits_hold_for_all_tasks_together(gate: Gate, house: House, bob: Credential) -> None:
    caller, told = gate.identify(bob), Tallies(house.store)
    await told.tell({"bob": Tally(490, {"elsewhere": 5}, frozenset({"elsewhere"}))})
    gate.check_quota(caller)
    await gate.quotas.look_around(caller.limits)
    with pytest.raises(Denied) as caught:
        gate.check_quota(caller)
    assert caught.value.error.code == "key_sessions_exceeded"
    assert gate.session_seconds(caller) == 5
    await gate.begin_job(caller)
    await told.tell({"bob": Tally(500)})
    other = gate_of(house, gate._keys)
    with pytest.raises(Denied) as caught:
        await other.begin_job(caller)
    assert (caught.value.status, caught.value.error.code) == (429, "key_audio_exceeded")


def test_what_may_be_heard_of_files(house: House) -> None:
    keys, _ = ring_of(alice=KeyLimits(), bob=LIMITS, carol=KeyLimits(audio_seconds_per_day=10))
    gate = gate_of(house, keys)
    assert [gate.file_seconds(owner) for owner in (None, "alice", "bob", "carol")] == [None, None, 100, 10]
    gate.quotas.used("bob", 450)
    gate.quotas.used("carol", 10)
    assert gate.file_seconds("bob") == 50
    for owner, code in (("carol", "key_audio_exceeded"), ("dave", "key_revoked")):
        refused = gate.file_seconds(owner)
        assert isinstance(refused, Error)
        assert refused.code == code
    assert gate_of(house).file_seconds("dave") is None


def test_of_several_keys_of_an_owner_the_one_counts_that_allows_most(house: House) -> None:
    few, more = (new_key("bob", KeyLimits(session_seconds=seconds))[1] for seconds in (10, 20))
    assert gate_of(house, KeyRing(dump([few, more]))).file_seconds("bob") == 20
    free = new_key("bob", KeyLimits())[1]
    assert gate_of(house, KeyRing(dump([few, free]))).file_seconds("bob") is None
