"""Every row, and how the table looks in documents."""

import asyncio
from collections.abc import Sequence

from tests.transport import connections, frames, heads
from tests.transport.row import Row
from tests.transport.server import Server

SECTIONS = {
    "Frames, messages and closing": frames.rows.all,
    "Requests": heads.rows.all,
    "Connections": connections.rows.all,
}


async def outcomes(row: Row, servers: Sequence[Server]) -> list[str]:
    """What a row's probe finds behind each of the servers, all at the same time."""

    async def outcome(server: Server) -> str:
        return await row.probe(await server.up())

    return await asyncio.gather(*(outcome(server) for server in servers))


def markdown() -> list[str]:
    """The table's lines."""
    lines = ["| a client, or what it sends | Quart and Hypercorn alone | here |", "| --- | --- | --- |"]
    for section, rows in SECTIONS.items():
        lines.append(f"| **{section}** | | |")
        lines += [f"| {' | '.join(row.cells)} |" for row in rows]
    return lines
