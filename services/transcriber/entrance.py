"""From settings to what stands at the service's door: keys and gate, the certificate, the messages that leave."""

import secrets
from datetime import UTC, datetime

from transcriber.auth import Gate
from transcriber.key_ring import KeyRing
from transcriber.live import Live
from transcriber.metrics import Metrics
from transcriber.perimeter import Perimeter, read_hosts, read_networks, read_origins
from transcriber.quotas import Quotas
from transcriber.session_ids import made_at
from transcriber.sessions import Sessions
from transcriber.settings import Settings
from transcriber.signing import read_secret
from transcriber.storage.store import Store
from transcriber.tallies import Tallies
from transcriber.tls import Certificate
from transcriber.webhooks import WEBHOOKS, Outbox, Target


def make_keys(settings: Settings) -> KeyRing | None:
    """The API keys; None where everybody may come in.

    Raises:
        KeysError: they can't be used.
    """
    return KeyRing(settings.api_keys, settings.api_keys_file) if settings.keyed else None


def make_gate(settings: Settings, keys: KeyRing | None, sessions: Sessions, store: Store, tallies: Tallies) -> Gate:
    """What lets in clients."""
    perimeter = Perimeter(
        anonymous=keys is None,
        open_to_all=settings.allow_anonymous == "true",
        hosts=read_hosts(settings.listed("allowed_hosts")),
        origins=read_origins(settings.listed("allowed_origins")),
        proxies=read_networks(settings.listed("trusted_proxies")),
    )
    quotas = Quotas(sessions.audio_seconds, sessions.running, tallies)
    since = datetime.now(UTC).isoformat(timespec="milliseconds")

    def over(live: Live) -> None:
        adopted = (made_at(live.session_id) or "") < since
        quotas.used(live.status.owner, live.audio_seconds(), adopted=live.session_id if adopted else None)

    sessions.on_over = over
    secret = settings.token_secret.encode() or secrets.token_bytes(32)
    return Gate(perimeter, keys, secret, quotas, store)


def make_certificate(settings: Settings) -> Certificate | None:
    """What the service shows of itself; None where it speaks no TLS.

    Raises:
        CertificateError: it can't be used.
    """
    if settings.tls_cert_file and settings.tls_key_file:
        return Certificate(settings.tls_cert_file, settings.tls_key_file)
    return None


def make_outbox(settings: Settings, metrics: Metrics) -> Outbox | None:
    """Where webhooks wait for being delivered; None where they go nowhere."""
    if not settings.webhook_url:
        return None
    target = Target(settings.webhook_url, read_secret(settings.webhook_secret))
    return Outbox(settings.spool_root / WEBHOOKS, target, metrics)
