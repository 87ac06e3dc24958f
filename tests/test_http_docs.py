"""The document of the HTTP API is true of the code."""

import re
from pathlib import Path

from quart import Quart

from transcriber.endpoints.jobs import RETRY_LATER, STATUS, Owners, jobs
from transcriber.jobs import Jobs

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "http.md").read_text()
SOURCE = ROOT / "services" / "transcriber"


def _rows() -> dict[str, tuple[int, bool]]:
    """Status, and whether it may be gone later, by code."""
    found: dict[str, tuple[int, bool]] = {}
    for status, codes in re.findall(r"^\| (\d{3}) \| ([^|]+) \|", TEXT, re.MULTILINE):
        for code, later in re.findall(r"`([a-z_]+)`( \(`Retry-After`\))?", codes):
            found[code] = int(status), bool(later)
    return found


def test_every_code_is_documented_with_its_status() -> None:
    sources = [*SOURCE.glob("job*.py"), *(SOURCE / "endpoints").glob("*s.py")]
    raised = {code for path in sources for code in re.findall(r'JobRefused\(\s*"([a-z_]+)"', path.read_text())}
    assert len(raised) > 10
    documented = _rows()
    assert (raised | set(STATUS)) - documented.keys() == set()
    assert {code: status for code, (status, _) in documented.items() if code in STATUS} == dict(STATUS)
    assert {status for code, (status, _) in documented.items() if code not in STATUS} == {400}
    assert {code for code, (_, later) in documented.items() if later} == set(RETRY_LATER)


def test_every_route_is_documented() -> None:
    app = Quart(__name__)

    def nobody() -> Jobs:
        raise AssertionError

    app.register_blueprint(jobs(nobody, Owners(), 1))
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("jobs."):
            path = rule.rule.replace("<job_id>", "{id}")
            (method,) = (rule.methods or set()) - {"OPTIONS"} - ({"HEAD"} if "GET" in (rule.methods or ()) else set())
            assert re.search(rf"^\| \[.*`{method}.*{re.escape(path)}`\]", TEXT, re.MULTILINE), (method, path)
