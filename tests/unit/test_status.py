"""What load balancers are told."""

import pytest
from quart import Quart

import transcriber
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
    app.register_blueprint(status(lambda: draining, Metrics))
    answer = await app.test_client().get(path)
    assert answer.status_code == code
    assert answer.content_type == "application/json"
    assert await answer.get_json() == {"status": state, "version": transcriber.__version__}


@pytest.mark.parametrize("accept", ["text/plain; version=0.0.4", "application/openmetrics-text; version=1.0.0"])
async def test_metrics_come_as_prometheus_asks_for_them(accept: str) -> None:
    metrics = Metrics()
    metrics.refusals.labels("draining").inc()
    app = Quart(__name__)
    app.register_blueprint(status(lambda: False, lambda: metrics))
    answer = await app.test_client().get("/metrics", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.content_type.startswith(accept)
    assert 'transcriber_refusals_total{reason="draining"} 1.0' in await answer.get_data(as_text=True)
