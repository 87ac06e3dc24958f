"""Gates for tests: with no key, or with keys made for them."""

from tests.stage import House
from transcriber.api_keys import KeyLimits, dump, new_key
from transcriber.auth import Gate
from transcriber.key_ring import KeyRing
from transcriber.perimeter import Perimeter
from transcriber.quotas import Quotas
from transcriber.tallies import Tallies

HERE = {"client": ("127.0.0.1", 1)}
"""The scope of a request from this machine, for Quart's test client."""
SECRET = b"the secret that tests sign tokens with"


def gate_of(house: House, keys: KeyRing | None = None, perimeter: Perimeter | None = None) -> Gate:
    """Of a house; without keys everybody on this machine may come in."""
    quotas = Quotas(house.sessions.audio_seconds, house.sessions.running, Tallies(house.store))
    house.sessions.on_over = lambda live: quotas.used(live.status.owner, live.audio_seconds())
    return Gate(perimeter or Perimeter(anonymous=keys is None), keys, SECRET, quotas, house.store)


def ring_of(**limits: KeyLimits) -> tuple[KeyRing, dict[str, str]]:
    """A key ring with a key for each name, and the keys."""
    made = {name: new_key(name, allowed) for name, allowed in limits.items()}
    return KeyRing(dump(key for _, key in made.values())), {name: text for name, (text, _) in made.items()}
