"""Clients that break rules, are too slow, too many, or gone: what each finds is a row of docs/operations.md's table.

Each is tried behind the stock stack too, so that it shows when upstream closes a hole, and here on both event loops.
"""

import contextlib
import re
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest

from tests.transport.row import Row
from tests.transport.server import VARIANTS, Server
from tests.transport.table import SECTIONS, markdown, outcomes

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.fixture(scope="module")
def servers() -> Generator[list[Server]]:
    """The stock stack, ours on asyncio, and ours on uvloop."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Server(*variant)) for variant in VARIANTS]


@pytest.mark.parametrize("row", [row for rows in SECTIONS.values() for row in rows], ids=str)
async def test_row(row: Row, servers: Sequence[Server]) -> None:
    assert await outcomes(row, servers) == row.expected


async def test_nothing_that_a_client_does_is_a_traceback(servers: Sequence[Server]) -> None:
    """Of all that the rows have done."""
    for server in servers[1:]:
        assert (await (await server.up()).state())["errors"] == []


def test_the_table_in_the_documentation_is_this_one() -> None:
    text = DOCUMENT.read_text()
    table = re.search(r"^\| a client, or what it sends .*(?:\n\|.*)*", text, re.MULTILINE)
    assert table is not None
    assert table[0].split("\n") == markdown(), "should be:\n" + "\n".join(markdown())
