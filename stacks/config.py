"""The settings of an environment, from Pulumi.<environment>.yaml: one typed reader for all stacks, which reports all
mistakes at once, by key."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property
from typing import Any, get_type_hints

from stacks import sizes
from stacks.contradictions import contradictions
from stacks.patterns import ENVIRONMENT, PATTERNS
from stacks.timing import LONGEST_SESSION_SECONDS, Timing

NAMESPACE = "transcriber"


class ConfigError(Exception):
    """Settings that can't be used; `problems` has a line for each, beginning with its key."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _key(about: str, default: Any = MISSING, *, one_of: tuple[Any, ...] = (), like: str = "", **limits: int) -> Any:
    return field(default=default, metadata={"help": about, "one_of": one_of, "like": like, "limits": limits})


@dataclass(frozen=True, kw_only=True)
class Config:
    """Field names are the keys. What has no default must be there."""

    environment: str
    """The name of the Pulumi stack; no key."""

    protected: bool = _key("Whether data and load balancer are kept from deletion; no domain, no start.")

    vpc_cidr: str = _key("Addresses of the VPC, /16 to /20.", "10.0.0.0/16")
    availability_zones: int = _key("Zones that have subnets.", 2, minimum=2, maximum=6)
    zones_used: int = _key(
        "Zones that load balancer and tasks are in, the first so many; 0 is all.", 0, minimum=0, maximum=6
    )
    nat_gateways: str = _key(
        "Ways out for tasks; none leaves AWS's services alone, by endpoints.", one_of=("single", "per_az", "none")
    )
    flow_logs: bool = _key("Whether the VPC's connections are logged.")

    domain: str = _key("Name that clients use; without one the service is on plain HTTP.", "", like="domain")
    hosted_zone: str = _key("Zone in Route 53 that the domain lies in; the domain itself if empty.", "", like="domain")
    access_logs: bool = _key("Whether the load balancer logs requests, to a bucket.")

    container_insights: str = _key("Metrics of the cluster's tasks.", "enabled", one_of=("enabled", "enhanced"))
    ecs_exec: bool = _key("Whether a shell can be opened in a task.")

    keep_images: int = _key("Images kept in the registry, and as many promoted ones.", 30, minimum=5, maximum=500)
    image_readers: str = _key(
        "Other accounts whose environments run images of this registry, separated by commas.", "", like="accounts"
    )
    image_environment: str = _key(
        "Environment whose registry the image comes from; another one's needs image_digest.", "", like="environment"
    )
    image_account: str = _key(
        "Account whose registry that is; empty is the one that is deployed to.", "", like="account"
    )
    image_digest: str = _key("Image to run, instead of building one: a rollback or a promotion.", "", like="digest")
    base_image: str = _key("Image that it is built on; the Dockerfile's own if empty.", "", like="image")
    redeploy: str = _key("Any new value replaces all tasks.", "", like="token")

    architecture: str = _key("Of the tasks' processors, and of the image.", one_of=("arm64", "x86_64"))
    engine: str = _key("Speech-to-text engine.", one_of=("openai", "local"))
    openai_model: str = _key("Model asked of OpenAI's API; empty is the service's default.", "", like="token")
    openai_base_url: str = _key(
        "Server with OpenAI's API, up to and with /v1, over HTTPS; empty is OpenAI's own.", "", like="url"
    )
    task_cpu: int = _key("CPU units of a task; 1024 are a vCPU.", one_of=tuple(sizes.MEMORY_MIB))
    task_memory_mib: int = _key("Memory of a task.", minimum=512, maximum=122880)
    spool_gib: int = _key("Disk of a task for what is not stored yet.", 12, minimum=1, maximum=192)
    min_tasks: int = _key("Tasks at least.", minimum=1, maximum=100)
    max_tasks: int = _key("Tasks at most.", minimum=1, maximum=1000)
    spot: str = _key("Tasks beyond min_tasks on Fargate Spot, or none.", "never", one_of=("never", "overflow"))

    max_sessions: int = _key("Sessions that a task takes at most.", 50, minimum=1, maximum=100_000)
    sessions_per_task: int = _key("Sessions of a task that scaling aims at.", 30, minimum=1, maximum=100_000)
    max_session_seconds: int = _key(
        "Longest session; a deployment waits as long for those that go on.", minimum=60, maximum=LONGEST_SESSION_SECONDS
    )

    api_keys_parameter: str = _key(
        "SSM SecureString with the clients' API keys; /transcriber/<environment>/api-keys if empty.",
        "",
        like="parameter",
    )
    token_secret_parameter: str = _key(
        "SSM SecureString that tokens are signed with; /transcriber/<environment>/token-secret if empty.",
        "",
        like="parameter",
    )
    openai_key_parameter: str = _key(
        "SSM SecureString with OpenAI's key; /transcriber/<environment>/openai-api-key if empty.", "", like="parameter"
    )
    allowed_origins: str = _key(
        "Origins of web pages that may use the service, separated by commas.", "", like="origins"
    )
    secrets_key_arn: str = _key("KMS key of these parameters; empty is the account's own for SSM.", "", like="key")

    permissions_boundary: str = _key(
        "Policy that bounds every role made here; empty is none, which the deploying roles of bootstrap/ refuse.",
        "",
        like="policy",
    )

    log_days: int = _key("How long logs are kept.", 30, one_of=sizes.LOG_DAYS)
    recordings_days: int = _key("How long recordings are kept; 0 is for ever.", 0, minimum=0, maximum=36500)
    alarm_email: str = _key("Who is told of alarms.", "", like="email")
    smoke_test: bool = _key("Whether an `up` at the root ends with the demo, sent through the public URL.", True)

    @cached_property
    def timing(self) -> Timing:
        return Timing(self.max_session_seconds)

    @property
    def zones(self) -> int:
        """What zones_used=0 comes to."""
        return self.zones_used or self.availability_zones

    @property
    def zone(self) -> str:
        """What an empty hosted_zone comes to."""
        return self.hosted_zone or self.domain

    @property
    def images(self) -> str:
        """The environment whose registry is used."""
        return self.image_environment or self.environment

    @property
    def readers(self) -> list[str]:
        """The accounts of image_readers."""
        return self.image_readers.split(",") if self.image_readers else []

    @property
    def api_keys(self) -> str:
        """The name of the parameter."""
        return self.api_keys_parameter or f"/transcriber/{self.environment}/api-keys"

    @property
    def token_secret(self) -> str:
        """The name of the parameter."""
        return self.token_secret_parameter or f"/transcriber/{self.environment}/token-secret"

    @property
    def openai_key(self) -> str:
        """The name of the parameter."""
        return self.openai_key_parameter or f"/transcriber/{self.environment}/openai-api-key"

    def named(self, part: str = "") -> str:
        """The name of a thing of this environment in the account."""
        return f"transcriber-{self.environment}" + (f"-{part}" if part else "")


def own(values: Mapping[str, Any]) -> dict[str, str]:
    """Of all that a Pulumi program is given, or its file has, the values of this namespace by key."""
    prefix = f"{NAMESPACE}:"
    return {key.removeprefix(prefix): _text(value) for key, value in values.items() if key.startswith(prefix)}


def _text(value: object) -> str:
    """As Pulumi gives a program what YAML takes for something else."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def parse(environment: str, values: Mapping[str, str]) -> Config:
    """The settings that `values` mean, by key without namespace.

    Raises:
        ConfigError: with every mistake there is.
    """
    known = {item.name: item for item in fields(Config) if item.name != "environment"}
    types = get_type_hints(Config)
    problems = [f"{key}: is no setting" for key in sorted(values.keys() - known.keys())]
    parsed: dict[str, Any] = {}
    if not ENVIRONMENT.fullmatch(environment):
        problems.append(f"stack: {environment!r} is no environment's name: a letter, then up to 11 letters and digits")
    for key, item in known.items():
        text = values.get(key, "").strip()
        if not text:
            if item.default is MISSING:
                problems.append(f"{key}: is missing")
            continue
        try:
            parsed[key] = _value(text, types[key], item.metadata)
        except ValueError as problem:
            problems.append(f"{key}: {problem}")
    problems += contradictions({**_defaults(), **parsed, "environment": environment})
    if problems:
        raise ConfigError(problems)
    return Config(environment=environment, **parsed)


def _defaults() -> dict[str, Any]:
    return {item.name: item.default for item in fields(Config) if item.default is not MISSING}


def _value(text: str, kind: type, metadata: Mapping[str, Any]) -> Any:
    """Raises ValueError with what is allowed."""
    value: Any = text
    if kind is bool:
        if text not in ("true", "false"):
            raise ValueError("is true or false")
        return text == "true"
    if kind is int:
        try:
            value = int(text)
        except ValueError:
            raise ValueError("is a whole number") from None
    if (one_of := metadata["one_of"]) and value not in one_of:
        raise ValueError(f"is one of {', '.join(map(str, one_of))}")
    if (limits := metadata["limits"]) and not limits["minimum"] <= value <= limits["maximum"]:
        raise ValueError(f"is between {limits['minimum']} and {limits['maximum']}")
    if like := metadata["like"]:
        pattern, problem = PATTERNS[like]
        if not pattern.fullmatch(text):
            raise ValueError(problem)
    return value
