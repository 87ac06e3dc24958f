"""API keys: who may come in and within which limits, as `API_KEYS_FILE` and `API_KEYS` hold it. Of a key there is only
its hash; a key itself is said once, when it is made."""

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from transcriber.bounds import RECORDS, Bounds, least
from transcriber.events import Record

KEY_PREFIX = "trk_"
"""What a key begins with, for people and for scanners that look for secrets in the wrong places."""
_KEY_BYTES = 32
_ID_LENGTH = 12
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAX_NUMBER = 1_000_000_000
_MAX_NAMES = 200
_N = TypeVar("_N", int, float)


class KeysError(ValueError):
    """API keys that can't be used; says what is wrong and repeats nothing of them."""


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What a key allows. None and empty leave it to the service's own limits."""

    sessions: int | None = None
    """At once."""
    sessions_per_minute: int | None = None
    audio_seconds_per_day: float | None = None
    """A day of UTC, all sessions together."""
    session_seconds: float | None = None
    """Of one session."""
    models: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    record: Record = "audio+text"
    """The most that may be kept."""
    metrics: bool = False
    """Whether `/metrics` may be read."""

    @property
    def shared(self) -> bool:
        """Whether something is limited that sessions use together."""
        return any(limit is not None for limit in (self.sessions, self.sessions_per_minute, self.audio_seconds_per_day))

    @property
    def bounds(self) -> Bounds:
        return Bounds(self.models, self.languages, self.record)

    def within(self, other: "KeyLimits") -> "KeyLimits":
        """What both allow.

        Raises:
            KeysError: they have no model or no language in common.
        """
        return KeyLimits(
            sessions=_lower(self.sessions, other.sessions),
            sessions_per_minute=_lower(self.sessions_per_minute, other.sessions_per_minute),
            audio_seconds_per_day=_lower(self.audio_seconds_per_day, other.audio_seconds_per_day),
            session_seconds=_lower(self.session_seconds, other.session_seconds),
            models=_shared("models", self.models, other.models),
            languages=_shared("languages", self.languages, other.languages),
            record=least(self.record, other.record),
            metrics=self.metrics and other.metrics,
        )


def _lower(one: _N | None, other: _N | None) -> _N | None:
    return other if one is None else one if other is None else min(one, other)


def _shared(what: str, one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    if not one or not other:
        return one or other
    if both := tuple(name for name in one if name in other):
        return both
    raise KeysError(f"none of these `{what}` is allowed by the key, which allows: {', '.join(other)}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key of somebody, who may have several: while one replaces the other."""

    name: str
    """Whose it is. What they store and use is theirs under this name, whichever key they came with."""
    sha256: str = field(repr=False)
    created: str = ""
    limits: KeyLimits = field(default_factory=KeyLimits)

    @property
    def id(self) -> str:
        """What one may call it by; says nothing about the key."""
        return self.sha256[:_ID_LENGTH]

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "sha256": self.sha256,
            "created": self.created,
            "limits": limits_to_json(self.limits),
        }


def limits_to_json(limits: KeyLimits) -> dict[str, Any]:
    """Those that are set."""
    unset = asdict(KeyLimits())
    return {name: value for name, value in asdict(limits).items() if value != unset[name]}


def new_key(name: str, limits: KeyLimits) -> tuple[str, ApiKey]:
    """A key, and what is kept of it.

    Raises:
        KeysError: there can be no such name.
    """
    text = KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return text, ApiKey(_read_name(name), digest(text), created, limits)


def digest(text: str) -> str:
    """What is kept of a key. Keys are long and random: a slow hash would protect nothing more."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def find(keys: Iterable[ApiKey], text: str) -> ApiKey | None:
    """The key that `text` is. Takes the same time whatever it is, since every key is looked at."""
    wanted, found = digest(text), None
    for key in keys:
        if secrets.compare_digest(key.sha256, wanted):
            found = key
    return found


def parse(text: str) -> tuple[ApiKey, ...]:
    """Keys from a JSON list of objects as `ApiKey.to_json` makes them; nothing is no key.

    Raises:
        KeysError: with the number of the entry that is wrong.
    """
    if not text.strip():
        return ()
    try:
        entries: object = json.loads(text)
    except (ValueError, RecursionError):
        raise KeysError("not valid JSON") from None
    if not isinstance(entries, list):
        raise KeysError("must be a JSON list of keys")
    keys: list[ApiKey] = []
    for number, entry in enumerate(cast("list[object]", entries), 1):
        try:
            keys.append(_read_key(entry))
        except KeysError as wrong:
            raise KeysError(f"key {number}: {wrong}") from None
    if len({key.sha256 for key in keys}) < len(keys):
        raise KeysError("the same key is there twice")
    return tuple(keys)


def dump(keys: Iterable[ApiKey]) -> str:
    """What `parse` reads, a key a line."""
    lines = ",\n".join(f"  {json.dumps(key.to_json())}" for key in keys)
    return f"[\n{lines}\n]\n" if lines else "[]\n"


def _read_key(entry: object) -> ApiKey:
    values = _object(entry, {"name", "sha256", "created", "limits"})
    sha256, created = values.get("sha256"), values.get("created", "")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise KeysError("`sha256` must be 64 hexadecimal digits in lower case")
    if not isinstance(created, str):
        raise KeysError("`created` must be text")
    return ApiKey(_read_name(values.get("name")), sha256, created, read_limits(values.get("limits", {})))


def _read_name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise KeysError("`name` must be up to 63 of a-z, 0-9, '.', '_' and '-', and begin with a letter or digit")
    return value


def read_limits(value: object, *, only: Iterable[str] | None = None) -> KeyLimits:
    """Limits from JSON; `only` these may be there.

    Raises:
        KeysError: one that is not there, or has no such value.
    """
    values = _object(value, set(_READERS if only is None else only))
    return replace(KeyLimits(), **{name: _read_limit(name, given) for name, given in values.items()})


def _read_limit(name: str, value: object) -> object:
    allowed, read = _READERS[name]
    try:
        return read(value)
    except (TypeError, ValueError):
        raise KeysError(f"`{name}` must be {allowed}") from None


def _object(value: object, known: set[str]) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise KeysError("must be a JSON object")
    values = cast("dict[str, object]", value)
    if set(values) - known:  # which may be a key in the wrong place, so it is not repeated
        raise KeysError(f"there is a field that there is not; there are: {', '.join(sorted(known))}")
    return values


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MAX_NUMBER:
        raise ValueError
    return float(value)


def _whole(value: object) -> int:
    if (number := _number(value)) != int(number):
        raise ValueError
    return int(number)


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(names := cast("list[object]", value)) > _MAX_NAMES:
        raise ValueError
    if not all(isinstance(name, str) and 0 < len(name) <= _MAX_NAMES for name in names):
        raise ValueError
    return tuple(cast("list[str]", names))


def _record(value: object) -> Record:
    return RECORDS[RECORDS.index(cast("Record", value))]


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


_COUNT, _SECONDS = f"a whole number from 0 to {_MAX_NUMBER}", f"a number from 0 to {_MAX_NUMBER}"

_READERS: Mapping[str, tuple[str, Callable[[object], object]]] = {
    "sessions": (_COUNT, _whole),
    "sessions_per_minute": (_COUNT, _whole),
    "audio_seconds_per_day": (_SECONDS, _number),
    "session_seconds": (_SECONDS, _number),
    "models": ("a list of names", _names),
    "languages": ("a list of ISO 639-1 codes", _names),
    "record": (f"one of {', '.join(RECORDS)}", _record),
    "metrics": ("true or false", _flag),
}

LIMITS = tuple(known.name for known in fields(KeyLimits))
"""The names of all limits."""
