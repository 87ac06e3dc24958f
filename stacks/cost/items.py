"""What an inventory costs: by the month whoever comes, and for each hour of a session."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stacks.cost import kinds, prices, usage
from stacks.cost.inventory import Entry, Inventory

MIB = 1024
FREE_DISK_GIB = 20
NOTHING = 5e-6
"""Dollars that no table would show."""
DASHBOARDS = "dashboard"


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the bill. `exact` is False where price or quantity is an estimate."""

    name: str
    quantity: str
    dollars: float
    exact: bool = True


def of(inventory: Inventory, kind: str) -> list[Entry]:
    return [entry for entry in inventory if entry.kind == kind]


def only(inventory: Inventory, kind: str) -> Entry:
    """Raises ValueError unless there is exactly one."""
    found = of(inventory, kind)
    if len(found) != 1:
        raise ValueError(f"{len(found)} of {kind}: this is no whole environment")
    return found[0]


def task_hour(inventory: Inventory) -> float:
    """Dollars for an hour of a task on Fargate, which are not Spot's."""
    facts = only(inventory, kinds.TASK).facts
    processor = facts["cpu"] / 1024 * prices.FARGATE_VCPU[facts["architecture"]].dollars
    memory = facts["memory_mib"] / MIB * prices.FARGATE_GB[facts["architecture"]].dollars
    return processor + memory + (facts["disk_gib"] - FREE_DISK_GIB) * prices.FARGATE_DISK.dollars


def fixed(inventory: Inventory, *, task_hours: float = usage.HOURS_A_MONTH) -> list[Item]:
    """A month without sessions; `task_hours` of it have tasks. Dearest first."""
    items = [
        *_ways_out(inventory),
        *_balancer(inventory),
        *_tasks(inventory, task_hours),
        *_watching(inventory),
        *_kept(inventory),
    ]
    return sorted((item for item in items if item.dollars), key=lambda item: -item.dollars)


def _hourly(name: str, count: int, price: prices.Price) -> Item:
    return Item(name, str(count), count * price.dollars * usage.HOURS_A_MONTH)


def _ways_out(inventory: Inventory) -> Iterator[Item]:
    yield _hourly("NAT gateway", len(of(inventory, kinds.NAT)), prices.NAT_GATEWAY)
    zones = sum(entry.facts["zones"] for entry in of(inventory, kinds.ENDPOINT))
    yield _hourly("interface endpoints, each in each zone", zones, prices.ENDPOINT)


def _balancer(inventory: Inventory) -> Iterator[Item]:
    balancer = only(inventory, kinds.BALANCER)
    yield _hourly("load balancer", 1, prices.BALANCER)
    addresses = balancer.facts["addresses"] + len(of(inventory, kinds.ADDRESS))
    yield _hourly("public IPv4 addresses", addresses, prices.ADDRESS)


def _tasks(inventory: Inventory, hours: float) -> Iterator[Item]:
    facts, least = only(inventory, kinds.TASK).facts, only(inventory, kinds.TARGET).facts["least"]
    size = f"{facts['cpu'] / 1024:g} vCPU, {facts['memory_mib'] / MIB:g} GB, {facts['architecture'].lower()}"
    yield Item(f"Fargate tasks, {size}", str(least), least * task_hour(inventory) * hours)


def _watching(inventory: Inventory) -> Iterator[Item]:
    insights = only(inventory, kinds.CLUSTER).facts["insights"]
    if insights in prices.INSIGHTS_METRIC:
        count = usage.INSIGHTS_METRICS[insights]
        dollars = count * prices.INSIGHTS_METRIC[insights].dollars
        yield Item(f"Container Insights, {insights}: metrics", f"about {count}", dollars, exact=False)
    count = usage.SERVICE_METRICS
    yield Item("the service's own metrics", str(count), count * prices.METRIC.dollars)
    boards = len(of(inventory, kinds.DASHBOARD))
    yield Item(DASHBOARDS, str(boards), boards * prices.DASHBOARD.dollars)
    alarms = len(of(inventory, kinds.ALARM)) + usage.ALARMS_OF_A_POLICY * len(of(inventory, kinds.POLICY))
    yield Item("alarms, with those of scaling", str(alarms), alarms * prices.ALARM.dollars)


def _kept(inventory: Inventory) -> Iterator[Item]:
    images = only(inventory, kinds.IMAGES).facts["images"]
    dollars = images * usage.IMAGE_GB * prices.IMAGES_MONTH.dollars
    yield Item("images in the registry, at most", str(images), dollars, exact=False)
    if logs := len(of(inventory, kinds.FLOW_LOG)):
        yield Item("flow log", str(logs), usage.FLOW_LOG_GB * prices.LOG_DATA.dollars, exact=False)
    if only(inventory, kinds.BALANCER).facts["access_logs"]:
        files = only(inventory, kinds.BALANCER).facts["addresses"] * 12 * usage.HOURS_A_MONTH
        yield Item("access log: files", f"{files:,}", files * prices.STORE_WRITE.dollars, exact=False)
    lines = only(inventory, kinds.TARGET).facts["least"] * 60 * usage.HOURS_A_MONTH
    yield Item("log lines with metrics", f"{lines:,}", lines * usage.EMF_LINE_GB * prices.LOG_DATA.dollars, exact=False)


def session_hour(inventory: Inventory) -> list[Item]:
    """An hour of one session in which somebody talks all the time: 16-bit samples, kept for a month, no partials."""
    items = (*_work(inventory), *_carried(inventory), *_stored(inventory))
    return [item for item in items if item.dollars > NOTHING]


def _work(inventory: Inventory) -> Iterator[Item]:
    facts = only(inventory, kinds.TASK).facts
    if facts["engine"] == "openai":
        model = facts["model"] or prices.DEFAULT_MODEL
        if (price := prices.ENGINE_MINUTE.get(model)) is None:
            raise ValueError(f"no price is known for the model {model}: stacks/cost/prices.py has those of OpenAI")
        yield Item(f"engine: {model}", "60 minutes of speech", 60 * price.dollars)
    sessions = sessions_per_task(inventory)
    spot = only(inventory, kinds.SERVICE).facts["spot"]
    share = prices.SPOT_SHARE.dollars if spot else 1.0
    where = "of a task on Spot" if spot else "of a task"
    dollars = task_hour(inventory) * share / sessions
    yield Item("Fargate, beyond the fixed tasks", f"1/{sessions} {where}", dollars, exact=not spot)


def sessions_per_task(inventory: Inventory) -> int:
    """What scaling aims at."""
    (sessions,) = [entry.facts["sessions"] for entry in of(inventory, kinds.POLICY) if entry.facts["sessions"]]
    return int(sessions)


def _carried(inventory: Inventory) -> Iterator[Item]:
    audio = usage.SESSION_GB
    yield Item(
        "load balancer: capacity units", f"{audio:.3f} GB", audio / prices.GB_A_UNIT * prices.BALANCER_UNIT.dollars
    )
    gateways = len(of(inventory, kinds.NAT))
    if only(inventory, kinds.TASK).facts["engine"] == "openai" and gateways:
        yield Item("NAT gateway, to the engine", f"{audio:.3f} GB", audio * prices.NAT_DATA.dollars)
        yield Item("out to the internet, to the engine", f"{audio:.3f} GB", audio * prices.TO_INTERNET.dollars)
        zones = len([each for each in of(inventory, kinds.SUBNET) if not each.facts["public"]])
        if across := 1 - gateways / zones:
            quantity = f"{audio * across:.3f} GB"
            yield Item("to a NAT gateway in another zone", quantity, audio * across * prices.BETWEEN_ZONES.dollars)
    if of(inventory, kinds.FLOW_LOG):
        logged = usage.FLOW_LOG_SESSION_GB
        yield Item("flow log", f"{logged * 1e6:.0f} kB", logged * prices.LOG_DATA.dollars, exact=False)


def _stored(_: Inventory) -> Iterator[Item]:
    yield Item("S3: requests", f"{usage.STORE_WRITES} writes", usage.STORE_WRITES * prices.STORE_WRITE.dollars)
    yield Item("S3: a month's keeping", f"{usage.SESSION_GB:.3f} GB", usage.SESSION_GB * prices.STORE_MONTH.dollars)
    yield Item("log lines", f"{usage.LOG_GB * 1e6:.0f} kB", usage.LOG_GB * prices.LOG_DATA.dollars, exact=False)


def total(items: Sequence[Item]) -> float:
    return sum(item.dollars for item in items)
