"""What the service's container is given: what its image and its settings agree with. Nothing here knows Pulumi."""

from collections.abc import Mapping, Sequence
from typing import Any

from stacks.config import Config

NAME = "transcriber"
PORT = 8080
USER = "10001:10001"
SPOOL_VOLUME = "spool"
DATA_DIR = "/data"
"""Exactly where the image has its VOLUME, whose owner Fargate then keeps: any other folder belongs to root."""
SPOOL_DIR = f"{DATA_DIR}/spool"
TARGETS = {"openai": "api", "local": "local"}
"""By engine, the target of the Dockerfile."""
HEALTH_PATH = "/health"
LIVE_PATH = "/live"
METRICS_PATH = "/metrics"
WEBSOCKET_PATH = "/ws"
HEALTH_COMMAND = ("CMD", "/venv/bin/python", "-S", "-P", "/app/transcriber/probe.py")
"""The image's own, of which ECS takes no notice: it asks for LIVE_PATH on PORT."""
HEALTH_CHECK = {"command": list(HEALTH_COMMAND), "interval": 30, "timeout": 5, "retries": 3, "startPeriod": 60}
EXEC_VOLUMES = {
    "managed-agents": "/managed-agents",
    "ssm": "/var/lib/amazon/ssm",
    "ssm-log": "/var/log/amazon/ssm",
}
"""Where ECS Exec writes: it works beside a read-only root once these are volumes (aws/containers-roadmap#1359)."""
EMF_SECONDS = 60


def metrics_namespace(config: Config) -> str:
    return f"Transcriber/{config.environment}"


def environment(config: Config, *, bucket: str, host: str, proxies: str, region: str) -> dict[str, str]:
    """Settings of the service, by the names it has for them; the others keep its defaults. `host` is what clients ask
    for it by, `proxies` the network that the load balancer is in."""
    settings = {
        "ALLOWED_HOSTS": host,
        "AWS_REGION": region,
        "DRAIN_SECONDS": str(config.timing.drain_seconds),
        "EMF_NAMESPACE": metrics_namespace(config),
        "EMF_SECONDS": str(EMF_SECONDS),
        "ENGINE": config.engine,
        "HOST": "0.0.0.0",  # noqa: S104 - of a task that only the load balancer reaches
        "LOG_FORMAT": "json",
        "MAX_SESSIONS": str(config.max_sessions),
        "MAX_SESSION_SECONDS": str(config.max_session_seconds),
        "MAX_SPOOL_BYTES": str(config.spool_gib << 30),
        "PORT": str(PORT),
        "S3_BUCKET": bucket,
        "SPOOL_DIR": SPOOL_DIR,
        "TRUSTED_PROXIES": proxies,
    }
    if config.allowed_origins:
        settings["ALLOWED_ORIGINS"] = config.allowed_origins
    if config.openai_base_url:
        settings["OPENAI_BASE_URL"] = config.openai_base_url
    if config.openai_model:
        settings["OPENAI_MODEL"] = config.openai_model
    return dict(sorted(settings.items()))


def secret_parameters(config: Config) -> dict[str, str]:
    """By the name of the setting, the SSM parameter that holds it."""
    secrets = {"API_KEYS": config.api_keys, "TOKEN_SECRET": config.token_secret}
    if config.engine == "openai":
        secrets["OPENAI_API_KEY"] = config.openai_key
    return secrets


def definition(
    config: Config,
    *,
    image: str,
    log_group: str,
    region: str,
    environment: Mapping[str, str],
    secrets: Mapping[str, str],
) -> dict[str, Any]:
    """The container, as ECS's API has it. `secrets` are ARNs by the name of the setting."""
    mounts = {SPOOL_VOLUME: DATA_DIR, **(EXEC_VOLUMES if config.ecs_exec else {})}
    return {
        "name": NAME,
        "image": image,
        "essential": True,
        "user": USER,
        "readonlyRootFilesystem": True,
        "linuxParameters": {"capabilities": {"drop": ["ALL"]}, "initProcessEnabled": True},
        "portMappings": [{"containerPort": PORT, "hostPort": PORT, "protocol": "tcp"}],
        "environment": _pairs(environment, "value"),
        "secrets": _pairs(secrets, "valueFrom"),
        "mountPoints": [
            {"sourceVolume": volume, "containerPath": path, "readOnly": False} for volume, path in mounts.items()
        ],
        "volumesFrom": [],
        "stopTimeout": config.timing.stop_seconds,
        "healthCheck": HEALTH_CHECK,
        "logConfiguration": _logs(log_group, region),
    }


def _logs(group: str, region: str) -> dict[str, Any]:
    """Rather a line lost than a session held up by CloudWatch."""
    options = {"awslogs-group": group, "awslogs-region": region, "awslogs-stream-prefix": NAME}
    return {"logDriver": "awslogs", "options": {**options, "mode": "non-blocking", "max-buffer-size": "25m"}}


def volumes(config: Config) -> Sequence[str]:
    return (SPOOL_VOLUME, *(EXEC_VOLUMES if config.ecs_exec else ()))


def _pairs(values: Mapping[str, str], value: str) -> list[dict[str, str]]:
    return [{"name": name, value: values[name]} for name in sorted(values)]
