"""What an environment costs: quantities, prices, what settings save; that documents show what the command prints."""

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from policies import decisions
from stacks import sizes
from stacks.config import own
from stacks.cost import growth, items, kinds, options, prices, recorded, usage
from stacks.cost.__main__ import differences, main
from stacks.cost.inventory import Entry, Inventory, Unpriced, inventory, resources_in
from stacks.cost.table import table
from stacks.cost.table import whole as whole_dollars
from stacks.environment.files import settings_of
from stacks.network.endpoints import SERVICES
from tests.stacks.recording import ROOT
from tests.stacks.standin.catalogue import KINDS
from transcriber.emf import LATENCY, SERIES, EmfReporter
from transcriber.metrics import Metrics
from transcriber.prices import DOLLARS_PER_MINUTE
from transcriber.settings import Settings

ENVIRONMENTS = ("dev", "prod")


def known(environment: str) -> Inventory:
    return recorded.read(recorded.file_of(environment))[1]


def bill(found: list[items.Item]) -> dict[str, float]:
    return {item.name: round(item.dollars, 4) for item in found}


def resource(kind: str, name: str = "it", **properties: Any) -> dict[str, Any]:
    return {"type": kind, "urn": f"urn:pulumi:dev::transcriber-x::{kind}::{name}", "inputs": properties, "outputs": {}}


# Types


def test_every_type_is_decided_about_once() -> None:
    assert kinds.FACTS.keys() & kinds.FREE.keys() == set()


def test_types_that_programs_make_have_a_price() -> None:
    """What the policies know is what programs make; the stand-in knows more."""
    made = {kind for kind in decisions.WITHOUT_RULE if not kind.startswith("awsx:")}
    made |= {kind for rule in decisions.RULES for kind in rule.kinds}
    assert made - kinds.FACTS.keys() - kinds.FREE.keys() == set()
    assert made - KINDS.keys() - kinds.FREE.keys() == set()


def test_type_without_a_price_is_an_error() -> None:
    with pytest.raises(Unpriced) as raised:
        inventory([resource(kinds.NAT), resource("aws:rds/instance:Instance"), resource("aws:kms/key:Key")])
    assert raised.value.kinds == ["aws:kms/key:Key", "aws:rds/instance:Instance"]


def test_components_and_what_is_pulumis_cost_nothing() -> None:
    component = {**resource("transcriber:network:Vpc"), "custom": False}
    assert inventory([component, resource("pulumi:providers:aws"), resource(kinds.NAT, "one")]) == (
        Entry(kinds.NAT, "one"),
    )


@pytest.mark.parametrize(
    ("kind", "properties", "facts"),
    [
        (kinds.ENDPOINT, {"vpcEndpointType": "Interface", "subnetIds": ["a", "b", "c"]}, {"zones": 3}),
        (kinds.ENDPOINT, {"vpcEndpointType": "Gateway", "subnetIds": []}, {"zones": 0}),
        (kinds.ENDPOINT, {}, {"zones": 0}),
        (kinds.SUBNET, {"mapPublicIpOnLaunch": True}, {"public": True}),
        (kinds.BALANCER, {"subnets": ["a", "b"]}, {"addresses": 2, "access_logs": False}),
        (kinds.BALANCER, {"subnets": ["a"], "accessLogs": {"enabled": True}}, {"addresses": 1, "access_logs": True}),
        (kinds.CLUSTER, {"settings": []}, {"insights": "disabled"}),
        (kinds.SERVICE, {"capacityProviderStrategies": [{"capacityProvider": "FARGATE_SPOT"}]}, {"spot": True}),
        (kinds.TARGET, {"minCapacity": 2, "maxCapacity": 9.0}, {"least": 2, "most": 9}),
    ],
)
def test_what_is_taken_of_properties(kind: str, properties: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    assert [entry.facts for entry in inventory([resource(kind, **properties)])] == [facts]


def test_of_several_revisions_the_last_counts() -> None:
    old, new = (
        resource(kinds.TARGET, minCapacity=1, maxCapacity=2),
        resource(kinds.TARGET, minCapacity=3, maxCapacity=4),
    )
    assert [entry.facts["least"] for entry in inventory([old, new])] == [3]


def test_what_aws_computed_counts() -> None:
    balancer = {**resource(kinds.BALANCER, subnets=["a"]), "outputs": {"subnets": ["a", "b", "c"]}}
    assert inventory([balancer])[0].facts["addresses"] == 3


def task(**environment: str) -> Mapping[str, Any]:
    container = {"environment": [{"name": name, "value": value} for name, value in environment.items()]}
    properties = {"cpu": "256", "memory": "512", "runtimePlatform": {"cpuArchitecture": "ARM64"}}
    return inventory([resource(kinds.TASK, containerDefinitions=json.dumps([container]), **properties)])[0].facts


def test_an_engine_of_ones_own_is_not_paid_for_by_the_minute() -> None:
    own_engine = task(ENGINE="openai", OPENAI_BASE_URL="https://engine.example.com/v1")
    assert own_engine["engine"] == "own"
    assert task(ENGINE="openai", OPENAI_MODEL="whisper-1")["model"] == "whisper-1"
    names = bill(items.session_hour(options.changed(SMALL, kinds.TASK, **own_engine)))
    assert not [name for name in names if "engine" in name]


# Prices


def every_price() -> list[prices.Price]:
    found: list[prices.Price] = []
    for value in vars(prices).values():
        several = value.values() if isinstance(value, dict) else [value]
        found += [each for each in several if isinstance(each, prices.Price)]
    return found


def test_prices_say_where_they_are_from() -> None:
    assert len(every_price()) > 25
    assert all(price.dollars > 0 and price.unit and price.source.startswith("https://") for price in every_price())
    assert all(price.about for price in every_price() if not price.exact)


def test_engine_has_the_prices_that_the_service_has() -> None:
    assert {model: price.dollars for model, price in prices.ENGINE_MINUTE.items()} == DOLLARS_PER_MINUTE
    defaults = {setting.name: setting.default for setting in fields(Settings)}
    assert defaults["openai_model"] == prices.DEFAULT_MODEL


def test_metrics_are_as_many_as_the_service_has() -> None:
    assert len({series.name for series in (*SERIES, LATENCY)}) == usage.SERVICE_METRICS


def test_a_line_of_metrics_is_about_as_long_as_is_counted() -> None:
    length = len(EmfReporter(Metrics(), "Transcriber/dev").line()) / 1e9
    assert 0.7 * usage.EMF_LINE_GB < length < 1.5 * usage.EMF_LINE_GB


# The bill

SMALL: Inventory = (
    Entry(kinds.NAT, "a"),
    Entry(kinds.ADDRESS, "a"),
    Entry(kinds.SUBNET, "n-private-1", {"public": False}),
    Entry(kinds.SUBNET, "n-private-2", {"public": False}),
    Entry(kinds.SUBNET, "n-public-1", {"public": True}),
    Entry(kinds.BALANCER, "a", {"addresses": 2, "access_logs": False}),
    Entry(kinds.IMAGES, "a", {"images": 20}),
    Entry(kinds.CLUSTER, "a", {"insights": "disabled"}),
    Entry(kinds.SERVICE, "a", {"spot": False}),
    Entry(
        kinds.TASK,
        "a",
        {"architecture": "X86_64", "cpu": 1024, "disk_gib": 30, "engine": "openai", "memory_mib": 2048, "model": ""},
    ),
    Entry(kinds.TARGET, "a", {"least": 3, "most": 5}),
    Entry(kinds.POLICY, "a", {"sessions": 10}),
    Entry(kinds.POLICY, "b", {"sessions": None}),
    Entry(kinds.ALARM, "a"),
    Entry(kinds.DASHBOARD, "a"),
)


def test_month() -> None:
    """Each figure worked out by hand: 730 hours, list prices."""
    assert bill(items.fixed(SMALL)) == {
        "Fargate tasks, 1 vCPU, 2 GB, x86_64": round(3 * 730 * (0.04048 + 2 * 0.004445 + 10 * 0.000111), 4),
        "NAT gateway": 32.85,
        "load balancer": 16.425,
        "public IPv4 addresses": 10.95,
        "the service's own metrics": 3.3,
        "dashboard": 3.0,
        "alarms, with those of scaling": 0.5,
        "images in the registry, at most": 0.2,
        "log lines with metrics": 0.0657,
    }


def test_dearest_comes_first() -> None:
    assert items.fixed(SMALL)[0].name.startswith("Fargate")


def test_session_hour() -> None:
    gigabytes = 0.1152
    assert bill(items.session_hour(SMALL)) == {
        "engine: gpt-transcribe": 0.27,
        "Fargate, beyond the fixed tasks": round((0.04048 + 2 * 0.004445 + 10 * 0.000111) / 10, 4),
        "load balancer: capacity units": round(gigabytes * 0.008, 4),
        "NAT gateway, to the engine": round(gigabytes * 0.045, 4),
        "out to the internet, to the engine": round(gigabytes * 0.09, 4),
        "to a NAT gateway in another zone": round(gigabytes / 2 * 0.02, 4),
        "S3: requests": 0.0001,
        "S3: a month's keeping": round(gigabytes * 0.023, 4),
    }


def test_local_engine_sends_nothing_out() -> None:
    names = bill(items.session_hour(options.changed(SMALL, kinds.TASK, engine="local")))
    assert not [name for name in names if "engine" in name or "internet" in name or "NAT" in name]


def test_a_model_without_a_price_has_no_bill() -> None:
    with pytest.raises(ValueError, match="no price is known for the model my-own"):
        items.session_hour(options.changed(SMALL, kinds.TASK, model="my-own"))


def test_half_an_environment_has_no_bill() -> None:
    with pytest.raises(ValueError, match="0 of aws:lb/loadBalancer:LoadBalancer"):
        items.fixed(SMALL[:2])


# Many sessions


@pytest.mark.parametrize(("sessions", "tasks", "vcpus"), [(1, 3, 3.0), (30, 3, 3.0), (31, 4, 4.0), (1_000, 100, 100.0)])
def test_tasks_follow_sessions_from_the_least_on(sessions: int, tasks: int, vcpus: float) -> None:
    found = growth.need(SMALL, sessions)
    assert (found.tasks, found.vcpus) == (tasks, vcpus)


def test_what_a_thousand_sessions_take() -> None:
    found = growth.need(SMALL, 1_000)
    assert found.capacity_units == pytest.approx(115.2)
    assert found.connections_a_unit == pytest.approx(1 / 3)
    assert found.nat_gigabits_a_second == pytest.approx(0.256)
    assert found.store_writes_a_second == pytest.approx(26_000 / 3600)
    assert found.engine_requests_a_minute == 11_000
    assert found.engine_dollars_an_hour == pytest.approx(270)
    assert found.dollars_an_hour == pytest.approx(1_000 * items.total(items.session_hour(SMALL)) - 270)


def test_growth_is_documented_as_it_is_printed() -> None:
    printed = growth.table(known("prod"))
    assert printed in (ROOT / "docs/growth.md").read_text(), printed


def test_command_prints_growth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dev", export(tmp_path / "all.json", *whole()), "--growth"]) == 0
    assert "| tasks | 2 | 200 | 20,000 |" in capsys.readouterr().out


# What settings save


def saved(found: Inventory) -> dict[str, tuple[float, float | None]]:
    return {each.option: (each.a_month, each.a_session_hour) for each in options.savings(found)}


def test_endpoints_cost_more_than_one_nat_gateway() -> None:
    month, hour = saved(SMALL)["`nat_gateways: none`, which takes `engine: local`"]
    assert month == pytest.approx(32.85 + 3.65 - 5 * 2 * 7.30)
    assert hour is None


def test_a_nat_gateway_in_each_zone_spares_the_way_between() -> None:
    month, hour = saved(SMALL)["`nat_gateways: per_az`"]
    assert (month, hour) == (pytest.approx(-36.5), pytest.approx(0.1152 / 2 * 0.02))


def test_what_is_set_already_is_no_option() -> None:
    names = " ".join(saved(SMALL))
    assert "nat_gateways: single" not in names
    assert "architecture: x86_64" not in names


def test_arm_is_a_fifth_cheaper() -> None:
    month, _ = saved(SMALL)["`architecture: arm64`"]
    assert month == pytest.approx(3 * 730 * (0.04048 - 0.03238 + 2 * (0.004445 - 0.00356)))


def test_spot_saves_on_tasks_beyond_the_fixed_alone() -> None:
    month, hour = saved(SMALL)["`spot: overflow`"]
    assert month == 0
    assert hour == pytest.approx(0.6 * items.task_hour(SMALL) / 10)


def test_nights_without_tasks_save_tasks_and_taken_down_nearly_all() -> None:
    found, away = saved(SMALL), 1 - 260 / 730
    assert found["nights and weekends without tasks"][0] == pytest.approx(3 * 730 * items.task_hour(SMALL) * away)
    whole = items.total(items.fixed(SMALL)) - 3.0
    assert found["nights and weekends taken down (`make down`)"][0] == pytest.approx(whole * away)


@pytest.mark.parametrize("cpu", list(sizes.MEMORY_MIB))
def test_neighbouring_sizes_are_ones_that_fargate_has(cpu: int) -> None:
    for memory in (sizes.MEMORY_MIB[cpu][0], sizes.MEMORY_MIB[cpu][-1]):
        found = list(options.neighbours({"cpu": cpu, "memory_mib": memory}))
        assert found
        assert [sizes.memory_problem(*size) for size in found] == [None] * len(found)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("setting", ["single", "per_az", "none"])
def test_going_there_and_back_changes_nothing(environment: str, setting: str) -> None:
    found = options.changed(known(environment), kinds.TASK, engine="openai")
    back = "per_az" if environment == "prod" else "single"
    there = options.nat_gateways(setting)(found)
    again = options.changed(options.nat_gateways(back)(there), kinds.TASK, engine="openai")
    assert again == found


# What is recorded, printed and documented


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_is_recorded_has_the_settings_that_are_committed(environment: str) -> None:
    settings, _ = recorded.read(recorded.file_of(environment))
    assert settings == own(settings_of(ROOT, environment)["config"])
    assert differences(environment, settings) == []
    assert differences(environment, {**settings, "task_cpu": "1"}) == ["task_cpu"]


def test_what_is_neither_deployed_nor_recorded_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["west"]) == 1
    assert capsys.readouterr().err == "cost: there is no Pulumi.west.yaml; environments are dev, prod\n"
    with pytest.raises(FileNotFoundError, match="west is not deployed, as far as this machine knows, and nothing"):
        recorded.read(recorded.file_of("west"))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_documents_show_what_is_printed(environment: str) -> None:
    printed = table(environment, known(environment))
    assert printed in (ROOT / "docs/cost.md").read_text(), printed


def test_ways_out_are_documented_with_what_they_cost() -> None:
    text = (ROOT / "docs/cost.md").read_text()
    gateway = (prices.NAT_GATEWAY.dollars + prices.ADDRESS.dollars) * usage.HOURS_A_MONTH
    endpoints = len(SERVICES) * 2 * prices.ENDPOINT.dollars * usage.HOURS_A_MONTH
    assert f"| `nat_gateways: single` | {whole_dollars(gateway)} |" in text
    assert f"| `nat_gateways: per_az`, two zones | {whole_dollars(2 * gateway)} |" in text
    assert f"| `nat_gateways: none` | {whole_dollars(endpoints)} |" in text


def test_readme_shows_what_is_printed() -> None:
    printed = table("dev", known("dev")).split("\n\n| setting ")[0]
    assert printed in (ROOT / "README.md").read_text(), printed


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_totals_in_other_documents_are_those_of_the_bill(environment: str) -> None:
    found = known(environment)
    month, hour = whole_dollars(items.total(items.fixed(found))), items.total(items.session_hour(found))
    deploy, growth_page = ((ROOT / f"docs/{name}.md").read_text() for name in ("deploy", "growth"))
    assert f"{month} dollars a month" in deploy
    if environment == "dev":
        assert f"| **all** | | **{month}** |" in deploy
        assert f"| **all** | | **{hour:.4f}** |" in deploy
        assert f"{100 * hour:.0f} cents for an hour of speech" in deploy
    else:
        assert f"costs when nobody is there: {month} dollars a month" in growth_page


def test_recorded_is_read_as_it_was_written(tmp_path: Path) -> None:
    recorded.write(tmp_path / "x.json", {"engine": "openai"}, SMALL)
    assert recorded.read(tmp_path / "x.json") == ({"engine": "openai"}, SMALL)


def export(path: Path, *resources: Mapping[str, Any]) -> str:
    path.write_text(json.dumps({"version": 3, "deployment": {"resources": list(resources)}}))
    return str(path)


def whole() -> list[dict[str, Any]]:
    container = {"environment": [{"name": "ENGINE", "value": "openai"}]}
    rules = {"rules": [{"selection": {"tagStatus": "tagged", "countNumber": 5}}]}
    tracking = {"targetValue": 5, "customizedMetricSpecification": {"metricName": "ActiveSessions"}}
    return [
        resource(kinds.BALANCER, subnets=["a", "b"]),
        resource(kinds.IMAGES, policy=json.dumps(rules)),
        resource(kinds.CLUSTER, settings=[{"name": "containerInsights", "value": "enhanced"}]),
        resource(kinds.SERVICE),
        resource(kinds.SUBNET, "n-private-1"),
        resource(kinds.POLICY, targetTrackingScalingPolicyConfiguration=tracking),
        resource(kinds.TARGET, minCapacity=1, maxCapacity=2),
        resource(
            kinds.TASK,
            containerDefinitions=json.dumps([container]),
            cpu="256",
            memory="512",
            runtimePlatform={"cpuArchitecture": "ARM64"},
        ),
    ]


def test_command_reads_exports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = whole()
    files = [export(tmp_path / "one.json", *made[:3]), export(tmp_path / "two.json", *made[3:])]
    assert main(["dev", *files]) == 0
    said = capsys.readouterr()
    assert "| Fargate tasks, 0.25 vCPU, 0.5 GB, arm64 | 1 | 7 |" in said.out
    assert said.err == f"cost: read {files[0]}, {files[1]}\n"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"deployment": {"resources": [{"type": "aws:kms/key:Key", "urn": "a::b"}]}}', "aws:kms/key:Key"),
        ('{"deployment": {"resources": []}}', "no whole environment"),
        ("[]", "is no export of a stack"),
        ("{}", "is no export of a stack"),
        ("not json", "Expecting value"),
    ],
)
def test_command_says_what_it_can_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, problem: str
) -> None:
    (tmp_path / "x.json").write_text(content)
    assert main(["dev", str(tmp_path / "x.json")]) == 1
    said = capsys.readouterr()
    assert problem in said.err
    assert said.out == ""


def test_files_that_are_not_there_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dev", "/nonexistent.json"]) == 1
    assert "/nonexistent.json" in capsys.readouterr().err


def test_account_of_the_stand_in_is_read_as_well(tmp_path: Path) -> None:
    (tmp_path / "account.json").write_text(json.dumps({"number": "1", "resources": whole()}))
    assert len(inventory(resources_in(tmp_path / "account.json"))) == len(whole())


@pytest.mark.parametrize(
    ("dollars", "shown"), [(0.0, 0), (0.49, 0), (0.5, 1), (36.5, 37), (-36.5, -37), (36.5 - 1e-12, 37), (-0.2, 0)]
)
def test_halves_count_as_a_dollar_both_ways(dollars: float, shown: int) -> None:
    assert whole_dollars(dollars) == shown


def test_estimates_are_marked() -> None:
    text = table("dev", options.changed(SMALL, kinds.CLUSTER, insights="enabled"))
    assert "| Container Insights, enabled: metrics | about 30 | ~9 |" in text
    assert "| images in the registry, at most | 20 | ~<1 |" in text
    assert "| `flow_logs: true` | ~0 | 0 |" in text
    assert "−" in text.split("per_az` | ")[1][:3], "a minus sign, not a hyphen"


def test_sizes_of_entries_do_not_matter_to_others() -> None:
    """An option changes what it is about alone."""
    other = options.setting(kinds.TASK, cpu=2048, memory_mib=4096)(SMALL)
    assert [a for a, b in zip(SMALL, other, strict=True) if a != b] == [items.only(SMALL, kinds.TASK)]
    assert replace(items.only(other, kinds.TASK), facts={}) == Entry(kinds.TASK, "a", {})
