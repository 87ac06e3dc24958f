"""A row of the table: what a client does, and what comes of it."""

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.transport.server import Server

Probe = Callable[[Server], Awaitable[str]]


@dataclass(frozen=True)
class Row:
    """`stock` and `ours` are what the probe finds behind each stack, in the words of the table; `stock_newer` where
    Python 3.12 and newer differ."""

    name: str
    probe: Probe
    stock: str
    ours: str
    stock_newer: str | None = None

    @property
    def expected(self) -> list[str]:
        """What is found here, of the servers in the order of `VARIANTS`."""
        newer = self.stock_newer is not None and sys.version_info >= (3, 12)
        return [self.stock_newer if newer and self.stock_newer else self.stock, self.ours, self.ours]

    @property
    def cells(self) -> list[str]:
        """What stands in the table; where nothing differs there is no hole, and the test sees that it stays so."""
        stock = f"{self.stock}; from Python 3.12 on {self.stock_newer}" if self.stock_newer else self.stock
        return [self.name, stock, "the same" if self.ours == self.stock else self.ours]

    def __str__(self) -> str:
        return self.name


class Rows:
    """A table that probes enter themselves."""

    def __init__(self) -> None:
        self.all: list[Row] = []

    def row(self, name: str, *, stock: str, ours: str, stock_newer: str | None = None) -> Callable[[Probe], Probe]:
        def enter(probe: Probe) -> Probe:
            self.all.append(Row(name, probe, stock, ours, stock_newer))
            return probe

        return enter

    def same(self, name: str, outcome: str) -> Callable[[Probe], Probe]:
        """No hole: behind both it is so, and stays so."""
        return self.row(name, stock=outcome, ours=outcome)
