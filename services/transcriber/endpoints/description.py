"""`GET /openapi.json`: the HTTP routes, described for programs (OpenAPI 3.1)."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from quart import Blueprint, Response

import transcriber

PATH = "/openapi.json"


@cache
def document() -> dict[str, Any]:
    """The description, of this version of the service."""
    described: dict[str, Any] = json.loads(files(__package__ or "").joinpath("openapi.json").read_text("utf-8"))
    described["info"]["version"] = transcriber.__version__
    return described


def description() -> Blueprint:
    """The route."""
    blueprint = Blueprint("description", __name__)

    async def show() -> Response:
        return Response(json.dumps(document()), content_type="application/json")

    blueprint.add_url_rule(PATH, view_func=show)
    return blueprint
