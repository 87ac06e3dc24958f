"""What the infrastructure and the service agree on, though neither imports the other."""

import re
from dataclasses import fields

import pytest

from stacks.bucket import ABORT_DAYS
from stacks.service import container, metrics
from stacks.service.metrics import Metric
from stacks.timing import IDLE_SECONDS, Timing
from tests.stacks.recording import ROOT, config_of
from transcriber.emf import LATENCY, SERIES
from transcriber.settings import Settings

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def _environment(environment: str, **changes: str) -> dict[str, str]:
    config = config_of(environment, **changes)
    secrets = dict.fromkeys(container.secret_parameters(config), "x" * 32)
    given = container.environment(
        config, bucket="a-bucket", host="a.example.com", proxies="10.0.0.0/16", region="us-east-1"
    )
    return {**given, **secrets}


@pytest.mark.parametrize("environment", ["dev", "prod"])
@pytest.mark.parametrize("engine", ["openai", "local"])
def test_service_takes_the_environment_that_it_is_given(environment: str, engine: str) -> None:
    given = _environment(
        environment,
        engine=engine,
        openai_base_url="https://engine.example.com/v1",
        openai_model="gpt-transcribe",
        allowed_origins="https://a.example.com",
    )
    settings = Settings.from_environment(given)
    foreign = {"AWS_REGION"}
    assert set(given) - {field.name.upper() for field in fields(Settings)} == foreign
    assert settings.engine == engine
    assert settings.openai_base_url == "https://engine.example.com/v1"
    assert (settings.port, settings.s3_bucket) == (container.PORT, "a-bucket")


def test_times_fit_into_each_other() -> None:
    config = config_of("prod")
    settings = Settings.from_environment(_environment("prod"))
    timing: Timing = config.timing
    assert settings.max_session_seconds <= timing.deregistration_seconds <= 3600 < timing.update_seconds
    assert settings.drain_seconds + 30 <= timing.stop_seconds <= 120


def test_silence_is_judged_by_the_service_and_not_by_the_load_balancer() -> None:
    settings = Settings.from_environment(_environment("prod"))
    transport = (ROOT / "services/transcriber/hypercorn_config.py").read_text()
    (kept_alive,) = re.findall(r"keep_alive_seconds: float = (\d+)", transport)
    assert 2 * settings.ping_seconds < IDLE_SECONDS < int(kept_alive)


@pytest.mark.parametrize("metric", [value for value in vars(metrics).values() if isinstance(value, Metric)])
def test_metrics_of_the_service_are_emitted(metric: Metric) -> None:
    emitted = {series.name for series in (*SERIES, LATENCY)}
    assert metric.source != "service" or metric.name in emitted


def test_paths_are_the_service_s() -> None:
    routes = (ROOT / "services/transcriber/endpoints/status.py").read_text()
    for path in (container.HEALTH_PATH, container.LIVE_PATH, container.METRICS_PATH):
        assert f'"{path}"' in routes
    assert (
        f'"{container.WEBSOCKET_PATH}"'
        in (ROOT / "services/transcriber/wire/native.py").read_text()
        + (ROOT / "services/transcriber/app.py").read_text()
    )


def test_image_is_made_for_this_task() -> None:
    assert set(re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE)) == {container.USER}
    assert set(re.findall(r"^VOLUME (.*)$", DOCKERFILE, re.MULTILINE)) == {container.DATA_DIR}
    assert set(re.findall(r"^EXPOSE (.*)$", DOCKERFILE, re.MULTILINE)) == {str(container.PORT)}
    probe = ", ".join(f'"{part}"' for part in container.HEALTH_COMMAND[1:])
    assert f"CMD [{probe}]" in DOCKERFILE
    targets = set(re.findall(r"^FROM \S+ AS (\w+)$", DOCKERFILE, re.MULTILINE))
    assert set(container.TARGETS.values()) <= targets


def test_the_service_ends_uploads_before_the_bucket_throws_their_parts_away() -> None:
    retention = (ROOT / "services/transcriber/retention.py").read_text()
    (abandoned_days,) = re.findall(r"^ABANDONED_DAYS = (\d+)$", retention, re.MULTILINE)
    # Days that are not whole, and a day without any task.
    assert int(abandoned_days) + 3 <= ABORT_DAYS
