"""What so many sessions at once take of everything that is shared or paid for."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from stacks.cost import items, kinds, prices, usage
from stacks.cost.inventory import Inventory

SESSIONS = (10, 1_000, 100_000)
BITS = 8


@dataclass(frozen=True, slots=True)
class Need:
    """For one number of sessions, all of which talk all the time. Rates are in the unit of their names."""

    sessions: int
    tasks: int
    vcpus: float
    capacity_units: float
    connections_a_unit: float
    """Of the load balancer's capacity units, those that connections alone would take."""
    nat_gigabits_a_second: float
    nat_gigabytes_an_hour: float
    store_writes_a_second: float
    stored_gigabytes_an_hour: float
    engine_requests_a_minute: float
    dollars_an_hour: float
    engine_dollars_an_hour: float


def need(inventory: Inventory, sessions: int) -> Need:
    """By the sizes of an inventory."""
    task, least = items.only(inventory, kinds.TASK).facts, items.only(inventory, kinds.TARGET).facts["least"]
    tasks = max(least, math.ceil(sessions / items.sessions_per_task(inventory)))
    by_session = items.session_hour(inventory)
    engine = sum(item.dollars for item in by_session if item.name.startswith("engine:"))
    carried = sessions * usage.SESSION_GB
    return Need(
        sessions=sessions,
        tasks=tasks,
        vcpus=tasks * task["cpu"] / 1024,
        capacity_units=carried / prices.GB_A_UNIT,
        connections_a_unit=sessions / prices.CONNECTIONS_A_UNIT,
        nat_gigabits_a_second=carried * BITS / 3600,
        nat_gigabytes_an_hour=carried,
        store_writes_a_second=sessions * usage.STORE_WRITES / 3600,
        stored_gigabytes_an_hour=carried,
        engine_requests_a_minute=sessions * usage.FINALS_A_MINUTE,
        dollars_an_hour=sessions * (items.total(by_session) - engine),
        engine_dollars_an_hour=sessions * engine,
    )


_ROWS: tuple[tuple[str, Callable[[Need], str]], ...] = (
    ("tasks", lambda each: f"{each.tasks:,}"),
    ("vCPU", lambda each: f"{each.vcpus:,.0f}"),
    ("load balancer: capacity units, by bytes", lambda each: f"{each.capacity_units:,.0f}"),
    ("the same, by connections", lambda each: f"{each.connections_a_unit:,.2f}"),
    ("NAT gateway, GB an hour", lambda each: f"{each.nat_gigabytes_an_hour:,.0f}"),
    ("the same, Gbit/s", lambda each: f"{each.nat_gigabits_a_second:,.2f}"),
    ("S3, writes a second", lambda each: f"{each.store_writes_a_second:,.2f}"),
    ("S3, more GB each hour", lambda each: f"{each.stored_gigabytes_an_hour:,.0f}"),
    ("engine, requests a minute", lambda each: f"{each.engine_requests_a_minute:,.0f}"),
    ("dollars an hour, without the engine", lambda each: f"{each.dollars_an_hour:,.2f}"),
    ("dollars an hour, the engine", lambda each: f"{each.engine_dollars_an_hour:,.0f}"),
)


def table(inventory: Inventory) -> str:
    """In Markdown, a column for each number of sessions."""
    needs = [need(inventory, sessions) for sessions in SESSIONS]
    head = ["| sessions that talk at once | " + " | ".join(f"{sessions:,}" for sessions in SESSIONS) + " |"]
    head.append("| --- |" + " ---: |" * len(SESSIONS))
    rows = [f"| {name} | " + " | ".join(map(show, needs)) + " |" for name, show in _ROWS]
    return "\n".join([*head, *rows]) + "\n"
