"""What each setting would make of an inventory, and so what it saves."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from stacks import sizes
from stacks.cost import items, kinds, usage
from stacks.cost.inventory import Entry, Inventory
from stacks.network.endpoints import SERVICES


@dataclass(frozen=True, slots=True)
class Option:
    """`change` gives the inventory as it would be; `task_hours` is for how many hours of a month there are tasks."""

    name: str
    change: Callable[[Inventory], Inventory] = lambda inventory: inventory
    task_hours: float = usage.HOURS_A_MONTH
    everything: bool = False
    """Whether all else is away at those hours, too."""
    other_engine: bool = False
    """Then a session-hour can't be compared: the local one is paid for in processors."""
    exact: bool = True
    """False where the difference is made of estimates."""


def changed(inventory: Inventory, kind: str, **facts: Any) -> Inventory:
    """All of a kind with other facts."""
    return tuple(replace(entry, facts={**entry.facts, **facts}) if entry.kind == kind else entry for entry in inventory)


def zones(inventory: Inventory) -> int:
    """Zones that have subnets."""
    return len([entry for entry in items.of(inventory, kinds.SUBNET) if not entry.facts["public"]])


def nat_gateways(setting: str) -> Callable[[Inventory], Inventory]:
    """single, per_az or none."""

    def change(inventory: Inventory) -> Inventory:
        count = {"single": 1, "per_az": zones(inventory), "none": 0}[setting]
        left = tuple(entry for entry in inventory if entry.kind not in (kinds.NAT, kinds.ADDRESS))
        left = tuple(entry for entry in left if not (entry.kind == kinds.ENDPOINT and entry.facts["zones"]))
        prefix = _network_name(inventory)
        ways = [Entry(kind, f"{prefix}-{at}") for kind in (kinds.NAT, kinds.ADDRESS) for at in range(1, count + 1)]
        used = items.only(inventory, kinds.BALANCER).facts["addresses"]
        ends = [Entry(kinds.ENDPOINT, service, {"zones": used}) for service in SERVICES] if setting == "none" else []
        made = (*left, *ways, *ends)
        made = changed(made, kinds.TASK, engine="local", model="") if setting == "none" else made
        return tuple(sorted(made, key=lambda entry: (entry.kind, entry.name)))

    return change


def _network_name(inventory: Inventory) -> str:
    return min(entry.name for entry in items.of(inventory, kinds.SUBNET)).split("-private-")[0].split("-public-")[0]


def flow_logs(setting: bool) -> Callable[[Inventory], Inventory]:
    def change(inventory: Inventory) -> Inventory:
        left = [entry for entry in inventory if entry.kind != kinds.FLOW_LOG]
        made = [*left, Entry(kinds.FLOW_LOG, "flow-logs")] if setting else left
        return tuple(sorted(made, key=lambda entry: (entry.kind, entry.name)))

    return change


def setting(kind: str, **facts: Any) -> Callable[[Inventory], Inventory]:
    return lambda inventory: changed(inventory, kind, **facts)


_AND_ENGINE = {"none": ", which takes `engine: local`", "single": "", "per_az": ""}


def options(inventory: Inventory) -> Iterator[Option]:
    """Those that it does not have."""
    gateways = len(items.of(inventory, kinds.NAT))
    counts = {"none": 0, "single": 1, "per_az": zones(inventory)}
    for name, count in counts.items():
        if count != gateways:
            yield Option(f"`nat_gateways: {name}`{_AND_ENGINE[name]}", nat_gateways(name), other_engine=name == "none")
    yield from _of_tasks(inventory)
    logged = bool(items.of(inventory, kinds.FLOW_LOG))
    yield Option(f"`flow_logs: {str(not logged).lower()}`", flow_logs(not logged), exact=False)
    access = items.only(inventory, kinds.BALANCER).facts["access_logs"]
    yield Option(
        f"`access_logs: {str(not access).lower()}`", setting(kinds.BALANCER, access_logs=not access), exact=False
    )
    other = {"enabled": "enhanced", "enhanced": "enabled"}
    if insights := other.get(items.only(inventory, kinds.CLUSTER).facts["insights"]):
        yield Option(f"`container_insights: {insights}`", setting(kinds.CLUSTER, insights=insights), exact=False)
    yield Option("nights and weekends without tasks", task_hours=usage.OFFICE_HOURS)
    yield Option("nights and weekends taken down (`make down`)", task_hours=usage.OFFICE_HOURS, everything=True)


def _of_tasks(inventory: Inventory) -> Iterator[Option]:
    task = items.only(inventory, kinds.TASK).facts
    names = {"ARM64": "arm64", "X86_64": "x86_64"}
    for architecture in names.keys() - {task["architecture"]}:
        yield Option(f"`architecture: {names[architecture]}`", setting(kinds.TASK, architecture=architecture))
    for cpu, memory in neighbours(task):
        yield Option(f"`task_cpu: {cpu}`, `task_memory_mib: {memory}`", setting(kinds.TASK, cpu=cpu, memory_mib=memory))
    least = items.only(inventory, kinds.TARGET).facts["least"]
    for tasks in (1, 2):
        if tasks != least:
            yield Option(f"`min_tasks: {tasks}`", setting(kinds.TARGET, least=tasks))
    spot = items.only(inventory, kinds.SERVICE).facts["spot"]
    yield Option(f"`spot: {'never' if spot else 'overflow'}`", setting(kinds.SERVICE, spot=not spot), exact=False)


def neighbours(task: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """Half and twice the processor, with memory in proportion, as near as Fargate has it."""
    for cpu in (task["cpu"] // 2, task["cpu"] * 2):
        if allowed := sizes.MEMORY_MIB.get(cpu):
            wanted = task["memory_mib"] * cpu // task["cpu"]
            yield cpu, min(allowed, key=lambda memory: abs(memory - wanted))


@dataclass(frozen=True, slots=True)
class Saving:
    """Dollars less, a month and a session-hour; more where they are negative, None where that says nothing."""

    option: str
    a_month: float
    a_session_hour: float | None
    exact: bool


def savings(inventory: Inventory) -> list[Saving]:
    month, hour = items.total(items.fixed(inventory)), items.total(items.session_hour(inventory))
    found: list[Saving] = []
    for option in options(inventory):
        other = option.change(inventory)
        cost = items.total(items.fixed(other, task_hours=option.task_hours))
        if option.everything:
            cost = _taken_down(items.fixed(other))
        by_session = None if option.other_engine else hour - items.total(items.session_hour(other))
        found.append(Saving(option.name, month - cost, by_session, option.exact))
    return found


def _taken_down(fixed: list[items.Item]) -> float:
    """All is paid by the hour that it is there, but dashboards, by the month."""
    share = usage.OFFICE_HOURS / usage.HOURS_A_MONTH
    return sum(item.dollars * (1 if item.name == items.DASHBOARDS else share) for item in fixed)
