"""What load balancers are told."""

from pathlib import Path

import pytest
from quart import Quart

import transcriber
from tests.gates import HERE, gate_of, ring_of
from tests.stage import House
from transcriber.api_keys import KeyLimits
from transcriber.auth import Gate
from transcriber.endpoints.status import status
from transcriber.metrics import Metrics


@pytest.mark.parametrize(
    ("path", "draining", "code", "state"),
    [
        ("/health", False, 200, "ok"),
        ("/health", True, 503, "draining"),
        ("/live", False, 200, "ok"),
        ("/live", True, 200, "ok"),
    ],
)
async def test_a_service_that_drains_is_alive_and_takes_nothing_on(
    path: str, draining: bool, code: int, state: str
) -> None:
    app = Quart(__name__)
    app.register_blueprint(status(lambda: draining, Metrics, _no_gate))
    answer = await app.test_client().get(path)
    assert answer.status_code == code
    assert answer.content_type == "application/json"
    assert await answer.get_json() == {"status": state, "version": transcriber.__version__}


@pytest.mark.parametrize("accept", ["text/plain; version=0.0.4", "application/openmetrics-text; version=1.0.0"])
async def test_metrics_come_as_prometheus_asks_for_them(accept: str, tmp_path: Path) -> None:
    metrics = Metrics()
    metrics.refusals.labels("draining").inc()
    app = Quart(__name__)
    async with House(tmp_path) as house:
        gate = gate_of(house)
        app.register_blueprint(status(lambda: False, lambda: metrics, lambda: gate))
        answer = await app.test_client().get("/metrics", headers={"Accept": accept}, scope_base=HERE)
    assert answer.status_code == 200
    assert answer.content_type.startswith(accept)
    assert 'transcriber_refusals_total{reason="draining"} 1.0' in await answer.get_data(as_text=True)


def _no_gate() -> Gate:
    raise AssertionError("nobody asks who it is")


@pytest.mark.parametrize(
    ("who", "peer", "status_code"),
    [
        (None, "127.0.0.1", 200),
        (None, "10.0.0.1", 401),
        ("speaker", "10.0.0.1", 403),
        ("watcher", "10.0.0.1", 200),
        (None, None, 403),
    ],
)
async def test_metrics_are_for_this_machine_or_a_key_that_is_for_them(
    who: str | None, peer: str | None, status_code: int, tmp_path: Path
) -> None:
    """Without a peer: from afar, where there are no keys."""
    app = Quart(__name__)
    ring, keys = ring_of(speaker=KeyLimits(), watcher=KeyLimits(metrics=True))
    headers = {"X-API-Key": keys[who]} if who else {}
    async with House(tmp_path) as house:
        gate = gate_of(house, ring) if peer else gate_of(house)
        app.register_blueprint(status(lambda: False, Metrics, lambda: gate))
        scope = {"client": (peer or "8.8.8.8", 1)}
        answer = await app.test_client().get("/metrics", headers=headers, scope_base=scope)
        assert answer.status_code == status_code
