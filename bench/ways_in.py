"""Every way in that must be refused, tried on running services: what is answered."""

import contextlib
import tempfile
from pathlib import Path

from bench import _command
from tests.stubbed_engine import stubbed_settings
from tests.ways_in import WAYS, open_door


def _rows() -> list[_command.Row]:
    rows: list[_command.Row] = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        door = stack.enter_context(open_door(folder, stack.enter_context(stubbed_settings())))
        for way in WAYS:
            answer = way.tried(door)
            expected = (answer.status, answer.code) == (way.status, way.code)
            rows.append(
                {
                    "way in": way.name,
                    "status": str(answer.status),
                    "code": answer.code or "–",
                    "as tested": "yes" if expected else f"no: {way.status} {way.code}",
                }
            )
    return rows


def main() -> None:
    arguments = _command.options(__doc__).parse_args()
    notes = ["The rows are tests/ways_in.py, tried by tests/service/test_ways_in.py."]
    _command.report(_rows(), notes, as_json=arguments.json)


if __name__ == "__main__":
    main()
