"""The bill in Markdown: what README and docs show, and what the command prints."""

import math
from collections.abc import Sequence

from stacks.cost import items, options, prices
from stacks.cost.inventory import Inventory
from stacks.cost.items import Item
from stacks.cost.options import Saving

TINY = 1e-9


def table(environment: str, inventory: Inventory) -> str:
    """Three tables: a month, a session-hour, and what each setting would save."""
    fixed, by_session = items.fixed(inventory), items.session_hour(inventory)
    title = f"`{environment}`: dollars, by the list prices of {prices.LOOKED_UP} in {prices.REGION}; ~ is an estimate."
    parts = [title, *_month(fixed), *_session(by_session), *_savings(options.savings(inventory))]
    return "\n".join(parts) + "\n"


def _month(fixed: Sequence[Item]) -> list[str]:
    rows = [f"| {item.name} | {item.quantity} | {_estimate(item)}{_dollars(item.dollars)} |" for item in fixed]
    total = whole(items.total(fixed))
    return ["", "| fixed | how many | a month |", "| --- | --- | ---: |", *rows, f"| **all** | | **{total}** |"]


def _session(by_session: Sequence[Item]) -> list[str]:
    rows = [f"| {item.name} | {item.quantity} | {_estimate(item)}{item.dollars:.5f} |" for item in by_session]
    return [
        "",
        "| for each session-hour | how much | dollars |",
        "| --- | --- | ---: |",
        *rows,
        f"| **all** | | **{items.total(by_session):.4f}** |",
    ]


def _savings(savings: Sequence[Saving]) -> list[str]:
    rows = [f"| {each.option} | {_saved(each)} | {_small(each.a_session_hour)} |" for each in savings]
    return ["", "| setting | saves a month | saves a session-hour |", "| --- | ---: | ---: |", *rows]


def _estimate(item: Item) -> str:
    return "" if item.exact else "~"


def whole(dollars: float) -> int:
    """Half a dollar counts as one, saved or spent, also where binary fractions fall short of it."""
    return int(math.copysign(math.floor(abs(dollars) + 0.5 + TINY), dollars))


def _dollars(dollars: float) -> str:
    return f"{whole(dollars)}" if whole(dollars) else "<1"


def _saved(saving: Saving) -> str:
    """Less than half a dollar is no difference."""
    return ("" if saving.exact else "~") + f"{whole(saving.a_month)}".replace("-", "−")


def _small(dollars: float | None) -> str:
    if dollars is None:
        return "other engine"
    text = f"{dollars:.5f}".replace("-", "−")
    return "0" if not text.strip("−0.") else text
