"""What clients find that break rules, are too slow, too many, or gone: behind Quart and Hypercorn alone, and here."""

import asyncio
import contextlib

from bench import _command
from tests.transport.server import VARIANTS, Server
from tests.transport.table import SECTIONS, outcomes


async def _rows() -> list[_command.Row]:
    rows: list[_command.Row] = []
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(Server(*variant)) for variant in VARIANTS]
        for row in (row for rows in SECTIONS.values() for row in rows):
            _command.announce(row.name)
            stock, ours, ours_uvloop = await outcomes(row, servers)
            as_expected = "yes" if [stock, ours, ours_uvloop] == row.expected else f"no: {row.expected}"
            here = ours if ours == ours_uvloop else f"{ours}; on uvloop: {ours_uvloop}"
            rows.append({"what a client does": row.name, "alone": stock, "here": here, "as tested": as_expected})
    return rows


def main() -> None:
    arguments = _command.options(__doc__).parse_args()
    notes = ["The rows are tests/transport, tried by tests/service/test_transport.py; about a minute and a half."]
    _command.report(asyncio.run(_rows()), notes, as_json=arguments.json)


if __name__ == "__main__":
    main()
