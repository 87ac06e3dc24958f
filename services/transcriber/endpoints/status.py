"""`GET /health`, `GET /live`, `GET /metrics`: whether to send sessions here, whether it works, and how it is doing."""

from collections.abc import Callable

from quart import Blueprint, Response, request

import transcriber
from transcriber.auth import Denied, Gate
from transcriber.endpoints import guard
from transcriber.metrics import Metrics
from transcriber.wire.credentials import in_headers


def status(draining: Callable[[], bool], metrics: Callable[[], Metrics], gate: Callable[[], Gate]) -> Blueprint:
    """The routes of a service that tells when it is draining, and, to those who may know, what it counts."""
    blueprint = Blueprint("status", __name__)

    async def health() -> tuple[dict[str, str], int]:
        if draining():
            return {"status": "draining", "version": transcriber.__version__}, 503
        return {"status": "ok", "version": transcriber.__version__}, 200

    async def live() -> dict[str, str]:
        return {"status": "ok", "version": transcriber.__version__}

    async def counted() -> Response:
        try:
            gate().read_metrics(guard.asking(), in_headers(guard.headers()))
        except Denied as denied:
            return guard.answer(denied)
        text, content_type = metrics().exposition(request.headers.get("Accept", ""))
        return Response(text, content_type=content_type)

    blueprint.add_url_rule("/health", view_func=health)
    blueprint.add_url_rule("/live", view_func=live)
    blueprint.add_url_rule("/metrics", view_func=counted)
    return blueprint
