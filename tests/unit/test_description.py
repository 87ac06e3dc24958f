"""The OpenAPI document: valid, and true of the routes."""

import re
from pathlib import Path

from openapi_spec_validator import OpenAPIV31SpecValidator
from quart import Quart

import transcriber
from tests.served import as_it_was
from transcriber.app import create_app
from transcriber.endpoints.description import description, document
from transcriber.endpoints.guard import PROBES
from transcriber.endpoints.sessions import TRANSCRIPTS
from transcriber.endpoints.tokens import DEFAULT_SECONDS
from transcriber.settings import Settings

PAGES = Path(__file__).parents[2] / "docs"


def described() -> set[tuple[str, str]]:
    return {(method.upper(), path) for path, methods in document()["paths"].items() for method in methods}


def test_it_is_valid() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(document()).iter_errors()] == []
    assert document()["info"]["version"] == transcriber.__version__


def test_it_has_every_route_and_no_other() -> None:
    with as_it_was():
        app = create_app(Settings())
    routes: set[tuple[str, str]] = set()
    for rule in app.url_map.iter_rules():
        if rule.websocket or rule.endpoint == "static":
            continue
        path = re.sub(r"<(\w+)>", r"{\1}", rule.rule)
        methods = (rule.methods or set()) - {"OPTIONS"}
        routes |= {(method, path) for method in methods - ({"HEAD"} if "GET" in methods else set())}
    assert routes == described()


def test_every_operation_says_what_it_may_answer() -> None:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            guarded = operation.get("security", document()["security"]) != []
            assert guarded == ("401" in operation["responses"]), (method, path)
            assert (path not in PROBES) == ("403" in operation["responses"]), (method, path)
            assert ("404" in operation["responses"]) == ("_id}" in path), (method, path)
    ids = [operation["operationId"] for methods in document()["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))


def test_values_are_those_of_the_code() -> None:
    paths, schemas = document()["paths"], document()["components"]["schemas"]
    forms = paths["/v1/sessions/{session_id}/transcript.{form}"]["get"]["parameters"][1]["schema"]["enum"]
    assert forms == list(TRANSCRIPTS)
    assert schemas["token_request"]["properties"]["expires_in_seconds"]["default"] == DEFAULT_SECONDS


def test_every_route_of_sessions_is_on_its_page() -> None:
    text = (PAGES / "sessions.md").read_text()
    for method, path in described():
        if path.startswith(("/v1/sessions", "/v1/usage")):
            assert f"| [`{method} {path}`]" in text


async def test_it_is_served() -> None:
    app = Quart(__name__)
    app.register_blueprint(description())
    answer = await app.test_client().get("/openapi.json")
    assert answer.content_type == "application/json"
    assert await answer.get_json() == document()
