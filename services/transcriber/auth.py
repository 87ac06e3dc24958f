"""Who may come in, and within which limits: keys, tokens and quotas, asked before anything is accepted."""

import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from transcriber.api_keys import ApiKey, KeyLimits, KeysError
from transcriber.events import Error, Options
from transcriber.key_ring import KeyRing
from transcriber.perimeter import Asking, Perimeter
from transcriber.quotas import AUDIO_EXCEEDED, Quotas
from transcriber.storage.store import Conflict, Store, StoreError
from transcriber.tokens import TOKEN_PREFIX, Ticket, TokenInvalid, sign, verify
from transcriber.wire.protocol import Credential

ANONYMOUS = ""
"""Whose everything is where there are no keys."""
USED_TOKENS = "tokens/"
"""Where the store remembers used tokens: a key for each, which begins with when it may be forgotten."""
MAX_TOKEN_SECONDS = 600
_CLOCK_SKEW_SECONDS = 60
"""By so much tasks may disagree on the time; used tokens are remembered longer by it."""


class Denied(Exception):
    """Somebody may not come in; carries the answer: an HTTP status and an error."""

    def __init__(self, status: int, error: Error, retry_after_seconds: int | None = None) -> None:
        super().__init__(error.code)
        self.status = status
        self.error = error
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who may come in."""

    owner: str
    """Whose sessions, recordings and usage these are: the key's name."""
    limits: KeyLimits = field(default_factory=KeyLimits)
    key_id: str = ""
    ticket: Ticket | None = None
    """The token that they came with, which is used up by the session that it begins."""


class Gate:
    """Asked by every endpoint. Raises `Denied`, and nothing else."""

    def __init__(
        self,
        perimeter: Perimeter,
        keys: KeyRing | None,
        secret: bytes,
        quotas: Quotas,
        store: Store,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Without `keys`, everybody within the perimeter may come in; `secret` signs tokens."""
        self.perimeter = perimeter
        self.quotas = quotas
        self._keys = keys
        self._secret = secret
        self._store = store
        self._now = now

    def enter(self, asking: Asking) -> None:
        """Whether somebody may ask at all."""
        if error := self.perimeter.refusal(asking):
            raise Denied(403, error)

    def identify(self, credential: Credential | None, *, tokens: bool = False) -> Caller:
        """Who shows this; `tokens` are taken where a session can begin."""
        if self._keys is None:
            return Caller(ANONYMOUS)
        if credential is None:
            raise Denied(401, Error("no_credential", "Show an API key, as `Authorization: Bearer` or `X-API-Key`."))
        if credential.text.startswith(TOKEN_PREFIX):
            if not tokens:
                raise Denied(
                    401, Error("token_not_allowed", "A token begins a session and nothing else: show an API key.")
                )
            return self._holder(credential.text)
        if credential.in_url:
            raise Denied(
                401,
                Error(
                    "key_in_url", "URLs are written down on their way: show an API key in a header, or a token here."
                ),
            )
        if (key := self._keys.find(credential.text)) is None:
            raise _unknown()
        return Caller(key.name, key.limits, key.id)

    def _holder(self, text: str) -> Caller:
        """Who comes with a token."""
        try:
            ticket = verify(text, self._secret)
        except TokenInvalid:
            raise _unknown() from None
        if ticket.expires_at <= self._now():
            raise Denied(401, Error("token_expired", "The token is too old; get another one."))
        key = self._key_of(ticket)
        try:
            limits = ticket.limits.within(key.limits)
        except KeysError:  # the key allows less than when the token was made
            raise _unknown() from None
        return Caller(key.name, limits, key.id, ticket)

    def _key_of(self, ticket: Ticket) -> ApiKey:
        key = self._keys.with_id(ticket.key_id) if self._keys else None
        if key is None:
            raise _unknown()
        return key

    def token(self, caller: Caller, limits: KeyLimits, seconds: int) -> tuple[str, Ticket]:
        """A token for one session of theirs, and what it says.

        Raises:
            KeysError: the key does not allow what the token should.
        """
        ticket = Ticket(caller.key_id, int(self._now()) + seconds, limits.within(caller.limits))
        return sign(ticket, self._secret), ticket

    def check_quota(self, caller: Caller) -> None:
        """Whether they may begin a session now, by what is known of other processes."""
        if refusal := self.quotas.refusal(caller.owner, caller.limits):
            error, seconds = refusal
            raise Denied(429, error, seconds)

    async def begin_job(self, caller: Caller) -> None:
        """Whether they may bring files now. Jobs wait for each other, so that how many sessions there are at once does
        not count."""
        await self.quotas.look_around(caller.limits)
        if refusal := self.quotas.refusal(caller.owner, caller.limits, waits=True):
            error, seconds = refusal
            raise Denied(429, error, seconds)
        self.quotas.began(caller.owner)

    def permitted(self, caller: Caller, options: Options, default_model: str) -> Options:
        """The options of a file within what its owner may choose."""
        found = caller.limits.bounds.applied(options, default_model)
        if isinstance(found, Error):
            raise Denied(403, found)
        if found.record == "none":
            raise Denied(
                403, Error("record_not_allowed", "A job yields what is kept of it, and the key allows nothing.")
            )
        return found

    def session_seconds(self, caller: Caller) -> float | None:
        """The longest session that they may begin; None leaves it to the service."""
        return self._seconds(caller.owner, caller.limits)

    def file_seconds(self, owner: str | None) -> float | Error | None:
        """How much of their next file may be transcribed, or why nothing of it; None leaves it to the service. Of
        several keys with the owner's name, the one counts that allows most."""
        if self._keys is None or owner is None:
            return None
        allowed = [self._seconds(owner, key.limits) for key in self._keys.keys if key.name == owner]
        if not allowed:
            return Error("key_revoked", "The key that brought this file was revoked.")
        most = max(math.inf if seconds is None else seconds for seconds in allowed)
        if most <= 0:
            return AUDIO_EXCEEDED
        return None if most == math.inf else most

    def _seconds(self, owner: str, limits: KeyLimits) -> float | None:
        given = (limits.session_seconds, self.quotas.seconds_left(owner, limits))
        return min((seconds for seconds in given if seconds is not None), default=None)

    def objections(self) -> Callable[[str, str], Error | None]:
        """What says, for as long as keys stay as they are, why sessions of an owner may not go on that began with the
        key of this id, by what is used now. Those that a process before this one left have none."""
        keys = None if self._keys is None else {key.id: key for key in self._keys.keys}
        seconds_left = functools.cache(self.quotas.seconds_left)

        def objection(owner: str, key_id: str) -> Error | None:
            if keys is None or not key_id:
                return None
            if (key := keys.get(key_id)) is None:
                return Error("key_revoked", "The key of this session was revoked.", close_code=1008)
            left = seconds_left(owner, key.limits)
            if left is not None and left <= 0:
                return replace(AUDIO_EXCEEDED, close_code=1008)
            return None

        return objection

    async def redeem(self, caller: Caller) -> None:
        """Use up their token, if they came with one: of all tasks that share the store, one may."""
        if caller.ticket is None:
            return
        key = f"{USED_TOKENS}{caller.ticket.expires_at + _CLOCK_SKEW_SECONDS}-{caller.ticket.id}"
        try:
            await self._store.put(key, b"", if_none_match=True)
        except Conflict:
            raise Denied(401, Error("token_used", "The token has begun its session; get another one.")) from None
        except StoreError:
            error = Error("storage_unavailable", "The service can't tell whether the token was used; try again later.")
            raise Denied(503, error, 5) from None

    async def forget_tokens(self) -> int:
        """Remove the marks of used tokens that have expired; how many there were."""
        now = int(self._now())
        keys = [item.key async for item in self._store.list(USED_TOKENS) if _expired(item.key, now)]
        await self._store.delete(keys)
        return len(keys)

    def read_metrics(self, asking: Asking, credential: Credential | None) -> None:
        """Whether they may see what the service counts: from this machine, or with a key that is for it."""
        if self.perimeter.is_direct(asking):
            return
        if self._keys is None:
            raise Denied(403, Error("metrics_not_allowed", "Metrics are for this machine and private networks."))
        if not self.identify(credential).limits.metrics:
            raise Denied(403, Error("metrics_not_allowed", "This key may not read metrics."))


def _expired(key: str, now: int) -> bool:
    moment = key.removeprefix(USED_TOKENS).partition("-")[0]
    return moment.isdecimal() and int(moment) < now


def _unknown() -> Denied:
    return Denied(401, Error("invalid_credential", "The service does not know this credential, or not any more."))
