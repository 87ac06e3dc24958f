"""`GET /health` and `GET /live`: whether to send new sessions here, and whether the process works at all."""

from collections.abc import Callable

from quart import Blueprint

import transcriber


def status(draining: Callable[[], bool]) -> Blueprint:
    """The routes of a service that tells when it is draining."""
    blueprint = Blueprint("status", __name__)

    async def health() -> tuple[dict[str, str], int]:
        if draining():
            return {"status": "draining", "version": transcriber.__version__}, 503
        return {"status": "ok", "version": transcriber.__version__}, 200

    async def live() -> dict[str, str]:
        return {"status": "ok", "version": transcriber.__version__}

    blueprint.add_url_rule("/health", view_func=health)
    blueprint.add_url_rule("/live", view_func=live)
    return blueprint
