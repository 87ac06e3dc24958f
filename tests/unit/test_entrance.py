"""From settings to the service's door."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.stage import House
from transcriber.api_keys import KeyLimits, KeysError, dump, new_key
from transcriber.auth import Denied
from transcriber.entrance import make_certificate, make_gate, make_keys, make_outbox
from transcriber.events import Options
from transcriber.live import Admission
from transcriber.metrics import Metrics
from transcriber.perimeter import Asking
from transcriber.settings import Settings
from transcriber.tallies import Tallies
from transcriber.tokens import sign
from transcriber.wire.protocol import Credential

TEXT, KEPT = new_key("alice", KeyLimits())


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as made:
        yield made


def test_keys_of_the_settings() -> None:
    assert make_keys(Settings()) is None
    ring = make_keys(Settings(api_keys=dump([KEPT])))
    assert ring is not None
    assert ring.find(TEXT) == KEPT
    with pytest.raises(KeysError):
        make_keys(Settings(api_keys="["))


async def test_a_gate_of_the_settings(house: House) -> None:
    settings = Settings(allowed_origins="https://app.example", allowed_hosts="api.example", token_secret="s" * 32)
    ring = make_keys(Settings(api_keys=dump([KEPT])))
    gate = make_gate(settings, ring, house.sessions, house.store, Tallies(house.store))
    caller = gate.identify(Credential(TEXT))
    text, ticket = gate.token(caller, KeyLimits(), 60)
    assert text == sign(ticket, b"s" * 32)
    gate.enter(Asking("10.0.0.1", "ws", {"host": "api.example", "origin": "https://app.example"}))
    with pytest.raises(Denied):
        gate.enter(Asking("10.0.0.1", "ws", {"host": "other.example"}))


async def test_what_sessions_use_counts(house: House) -> None:
    gate = make_gate(Settings(), None, house.sessions, house.store, Tallies(house.store))
    house.sessions.on_over(house.sessions.begin(Options(), Admission("alice")))
    assert gate.quotas.seconds_left("alice", KeyLimits(audio_seconds_per_day=5)) == 5


def test_secrets_of_processes_differ_unless_they_are_set(tmp_path: Path) -> None:
    assert make_certificate(Settings()) is None
    cert, key = Authority().write(tmp_path)
    assert make_certificate(Settings(tls_cert_file=cert, tls_key_file=key)) is not None


def test_an_outbox_where_there_is_a_receiver(tmp_path: Path) -> None:
    assert make_outbox(Settings(), Metrics()) is None
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    settings = Settings(webhook_url="https://receiver.example", webhook_secret=secret, spool_dir=tmp_path)
    assert make_outbox(settings, Metrics()) is not None
    assert (tmp_path / ".webhooks").is_dir()
