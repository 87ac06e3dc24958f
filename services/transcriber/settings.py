"""Every setting, from the environment: read once, all mistakes reported at once, by name."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from transcriber.environment import read as environment_of
from transcriber.perimeter import is_loopback, read_hosts, read_networks, read_origins
from transcriber.signing import read_secret

# CloudWatch drops metrics of any other without a word.
_EMF_NAMESPACE = re.compile(r"(?!:|AWS/)[A-Za-z0-9._/#: -]{1,255}")
_EMF_NAMESPACE_FORM = "up to 255 of A-Z a-z 0-9 . - _ / # : and space, not beginning with AWS/ or a colon"


class SettingsError(Exception):
    """Settings that can't be used; `problems` has a line for each, beginning with its name."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _setting(default: Any, about: str, *, one_of: tuple[str, ...] = (), secret: bool = False, **limits: float) -> Any:
    metadata = {"help": about, "one_of": one_of, "limits": limits}
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Field names in capitals are the environment's names."""

    host: str = _setting("127.0.0.1", "Address to listen on.")
    port: int = _setting(8080, "Port to listen on; 0 takes a free one.", minimum=0, maximum=65535)
    tls_cert_file: Path | None = _setting(
        None, "Certificate chain in PEM; with it and its key the service speaks TLS. A changed file is read again."
    )
    tls_key_file: Path | None = _setting(None, "Private key of the certificate, in PEM and without a password.")
    api_keys_file: Path | None = _setting(
        None, "File of API keys, as `transcriber keys` writes it. A changed file is read again."
    )
    api_keys: str = _setting("", "API keys in place of, or beside, the file: its content, in JSON.", secret=True)
    allow_anonymous: str = _setting(
        "false", "Whether a service without API keys may listen beyond its own machine.", one_of=("false", "true")
    )
    token_secret: str = _setting(
        "",
        "What tokens are signed with: 32 characters or more, the same for all tasks; empty makes one for this process.",
        secret=True,
    )
    webhook_url: str = _setting(
        "", "Where the end of each session is told: https, or http on this machine. Empty tells nobody."
    )
    webhook_secret: str = _setting("", "What webhooks are signed with: whsec_ and random bytes in base64.", secret=True)
    webhook_finals: str = _setting(
        "false", "Whether each final text is told to WEBHOOK_URL, too.", one_of=("false", "true")
    )
    allowed_hosts: str = _setting(
        "", "Host names that the service is asked for by, separated by commas; empty: see security.md."
    )
    allowed_origins: str = _setting(
        "", "Origins of pages beside its own that may use the service, separated by commas; * is any."
    )
    trusted_proxies: str = _setting(
        "", "Addresses or networks of proxies that are believed what they forward, separated by commas."
    )
    event_loop: str = _setting(
        "auto", "Event loop: auto is uvloop where it is installed.", one_of=("auto", "uvloop", "asyncio")
    )
    log_format: str = _setting(
        "auto", "Log lines: auto is text on a terminal, else json.", one_of=("auto", "text", "json")
    )
    log_level: str = _setting("INFO", "Least severe line to log.", one_of=("DEBUG", "INFO", "WARNING", "ERROR"))
    emf_namespace: str = _setting("", "CloudWatch namespace; with one, metrics also go to standard output, as EMF.")
    emf_seconds: float = _setting(60.0, "Time between EMF lines.", minimum=0.1, maximum=3600)
    otel_exporter_otlp_endpoint: str = _setting(
        "", "Base URL of an OpenTelemetry collector (OTLP over HTTP); with one, traces go there."
    )
    otel_service_name: str = _setting("transcriber", "Name of the service in traces.")

    engine: str = _setting(
        "auto",
        "Speech-to-text engine; auto takes openai when OPENAI_API_KEY or OPENAI_BASE_URL is set, else local.",
        one_of=("auto", "openai", "local"),
    )
    default_language: str = _setting(
        "", "Language where a client names none (ISO 639-1); empty detects where the model can."
    )
    openai_api_key: str = _setting("", "Key of OpenAI's API.", secret=True)
    openai_base_url: str = _setting("", "URL of a compatible server (vLLM, speaches, LocalAI), up to and with /v1.")
    openai_model: str = _setting("gpt-transcribe", "Model asked of the API.")
    openai_timeout_seconds: float = _setting(20.0, "Longest wait for one answer of the API.", minimum=1, maximum=600)
    openai_max_requests: int = _setting(16, "Requests to the API in flight at once.", minimum=1, maximum=1000)
    local_model: str = _setting(
        "", "Whisper model for the local engine: empty is the packaged tiny.en; else a hub name or a folder."
    )
    local_device: str = _setting("auto", "Where the local engine computes.", one_of=("auto", "cpu", "cuda"))
    local_workers: int = _setting(
        0, "Recognitions of the local engine at once; 0 takes the number of cores.", minimum=0, maximum=64
    )
    local_beam_size: int = _setting(5, "Beam width for finals of the local engine.", minimum=1, maximum=10)

    data_dir: Path = _setting(
        Path("data"), "Folder of the disk store: recordings and transcripts, unless S3_BUCKET is set."
    )
    s3_bucket: str = _setting("", "Bucket of the S3 store, which then takes recordings and transcripts.")
    s3_prefix: str = _setting("", "What all keys in the bucket begin with, as a folder.")
    s3_sse: str = _setting(
        "none", "Encryption asked of S3; none leaves it to the bucket.", one_of=("none", "AES256", "aws:kms")
    )
    s3_kms_key_id: str = _setting("", "Key for S3_SSE=aws:kms: id, ARN or alias; empty is the account's own for S3.")
    record: str = _setting(
        "audio+text",
        "The most that is kept of a session; clients may ask for less.",
        one_of=("audio+text", "text", "none"),
    )
    retention_days: int = _setting(
        0, "After so many days the service deletes what it has stored; 0 keeps it.", minimum=0, maximum=36_500
    )
    spool_dir: Path | None = _setting(None, "Folder for sessions that are going on; empty is `spool` in DATA_DIR.")
    endpointing_ms: int = _setting(
        600, "Pause that ends an utterance, where a client says nothing else.", minimum=100, maximum=5000
    )

    max_sessions: int = _setting(200, "Sessions at once.", minimum=1, maximum=100_000)
    max_session_seconds: float = _setting(
        14_400.0, "Longest session, in audio and on the clock.", minimum=10, maximum=86_400
    )
    idle_seconds: float = _setting(
        120.0, "How long a client may say nothing, not even `keep_alive`.", minimum=1, maximum=86_400
    )
    max_lag_seconds: float = _setting(
        10.0, "Beyond this lag of the engine, new sessions are refused.", minimum=0.5, maximum=600
    )
    max_session_bytes: int = _setting(4 << 30, "Bytes that one session may spool.", minimum=1 << 20, maximum=1 << 40)
    max_spool_bytes: int = _setting(
        64 << 30, "Bytes that all sessions together may spool.", minimum=1 << 20, maximum=1 << 50
    )
    min_free_bytes: int = _setting(
        512 << 20, "With less free on the disk of the spool, new sessions are refused.", minimum=0, maximum=1 << 50
    )
    max_messages_per_second: int = _setting(
        2000, "Messages taken from one connection; more are read later.", minimum=10, maximum=1_000_000
    )
    max_message_bytes: int = _setting(1 << 20, "Largest WebSocket message.", minimum=1 << 12, maximum=64 << 20)
    max_jobs: int = _setting(500, "Jobs that have not ended.", minimum=1, maximum=100_000)
    max_running_jobs: int = _setting(4, "Jobs that are worked on at once; others wait.", minimum=1, maximum=1000)
    upload_resume_seconds: float = _setting(
        86_400.0, "How long an upload that broke off waits for its client.", minimum=1, maximum=2_592_000
    )
    utterance_deadline_seconds: float = _setting(60.0, "Longest wait for an utterance's text.", minimum=1, maximum=3600)
    resume_seconds: float = _setting(
        60.0, "How long a session waits for its client to resume.", minimum=1, maximum=3600
    )
    max_connections: int = _setting(
        0, "TCP connections at once; 0 takes twice MAX_SESSIONS and 100.", minimum=0, maximum=1_000_000
    )
    ping_seconds: float = _setting(20.0, "Time between WebSocket pings.", minimum=1, maximum=600)
    pong_seconds: float = _setting(
        20.0, "After a ping, how long nothing at all may come before the client counts as gone.", minimum=1, maximum=600
    )
    send_seconds: float = _setting(
        20.0, "How long a client may leave unread what is sent to it.", minimum=1, maximum=600
    )
    drain_seconds: float = _setting(90.0, "How long sessions may go on after SIGTERM.", minimum=0, maximum=3600)

    ecs_container_metadata_uri_v4: str = _setting("", "Set by ECS: where the task's desired status is read.")
    ecs_agent_uri: str = _setting("", "Set by ECS: where the task is protected while sessions run.")
    ecs_poll_seconds: float = _setting(10.0, "Time between questions to ECS.", minimum=0.1, maximum=300)

    @property
    def keyed(self) -> bool:
        """Whether there are API keys, be it none yet in their file; else everybody may come in."""
        return bool(self.api_keys or self.api_keys_file)

    @property
    def connections(self) -> int:
        """What MAX_CONNECTIONS=0 comes to."""
        return self.max_connections or 2 * self.max_sessions + 100

    @property
    def spool_root(self) -> Path:
        return self.spool_dir or self.data_dir / "spool"

    @property
    def engine_name(self) -> str:
        """What ENGINE=auto comes to."""
        if self.engine != "auto":
            return self.engine
        return "openai" if self.openai_api_key or self.openai_base_url else "local"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Settings from the given variables, or from the process's and a `.env` file behind them.

        Raises:
            SettingsError: with every mistake there is.
        """
        problems: list[str] = []
        if environment is None:
            environment, problems = environment_of(Path())
        types = get_type_hints(cls)
        values: dict[str, Any] = {}
        for known in fields(cls):
            name = known.name.upper()
            text = environment.get(name, "").strip()
            if not text:
                continue
            try:
                values[known.name] = _parse(text, types[known.name], known.metadata)
            except ValueError as problem:
                problems.append(f"{name}: {problem}")
        settings = cls(**values)
        problems += settings._contradictions()
        if problems:
            raise SettingsError(problems)
        return settings

    def _contradictions(self) -> Iterator[str]:
        """What can't be together."""
        if self.engine == "openai" and not (self.openai_api_key or self.openai_base_url):
            yield "OPENAI_API_KEY: ENGINE=openai needs it, or OPENAI_BASE_URL"
        for name in ("openai_base_url", "otel_exporter_otlp_endpoint"):
            if (url := getattr(self, name)) and not _is_http(url):
                yield f"{name.upper()}: must be a URL that begins with http:// or https://"
        if self.emf_namespace and not _EMF_NAMESPACE.fullmatch(self.emf_namespace):
            yield f"EMF_NAMESPACE: must be {_EMF_NAMESPACE_FORM}"
        if self.s3_kms_key_id and self.s3_sse != "aws:kms":
            yield "S3_KMS_KEY_ID: is for S3_SSE=aws:kms"
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            yield "TLS_KEY_FILE: is there together with TLS_CERT_FILE, or neither is"
        if self.token_secret and len(self.token_secret) < _SECRET_LENGTH:
            yield f"TOKEN_SECRET: must have {_SECRET_LENGTH} characters or more"
        if not self.keyed and self.allow_anonymous == "false" and not is_loopback(self.host):
            yield (
                "HOST: other machines could reach it and there are no API keys: set API_KEYS_FILE"
                " (`transcriber keys new` makes keys), or ALLOW_ANONYMOUS=true to let in everybody"
            )
        yield from self._wrong_webhooks()
        for name, read in _LISTS.items():
            try:
                read(self.listed(name))
            except ValueError as problem:
                yield f"{name.upper()}: {problem}"

    def _wrong_webhooks(self) -> Iterator[str]:
        if not self.webhook_url:
            return
        if not _is_http(self.webhook_url) or not (_is_https(self.webhook_url) or _is_local(self.webhook_url)):
            yield "WEBHOOK_URL: must be a URL that begins with https://, or with http:// for this machine"
        try:
            read_secret(self.webhook_secret)
        except ValueError as problem:
            yield f"WEBHOOK_SECRET: {problem}"

    def listed(self, name: str) -> list[str]:
        """The items of a setting that is a list."""
        return [item.strip() for item in getattr(self, name).split(",") if item.strip()]


_SECRET_LENGTH = 32
_LISTS: Mapping[str, Callable[[Iterable[str]], object]] = {
    "allowed_hosts": read_hosts,
    "allowed_origins": read_origins,
    "trusted_proxies": read_networks,
}


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _is_https(url: str) -> bool:
    return urlsplit(url).scheme == "https"


def _is_local(url: str) -> bool:
    return is_loopback(urlsplit(url).hostname or "")


def _parse(text: str, kind: Any, metadata: Mapping[str, Any]) -> Any:
    """The value that `text` means. Raises ValueError with what is allowed; never repeats the text, it may be secret."""
    if one_of := metadata["one_of"]:
        for allowed in one_of:
            if text.lower() == allowed.lower():
                return allowed
        raise ValueError(f"must be one of {', '.join(one_of)}")
    if kind not in (int, float):
        return text if kind is str else Path(text)
    return _number(text, kind, metadata["limits"])


def _number(text: str, kind: Callable[[str], float], limits: Mapping[str, float]) -> float:
    try:
        value = kind(text)
    except ValueError:
        raise ValueError(f"must be {'a whole number' if kind is int else 'a number'}") from None
    if not limits["minimum"] <= value <= limits["maximum"]:
        raise ValueError(f"must be between {limits['minimum']:g} and {limits['maximum']:g}")
    return value
