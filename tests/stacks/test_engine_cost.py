"""What is priced is what a real `up` makes: the recorded inventories, and what each setting turns them into."""

import pytest

from stacks.cost import kinds, options, recorded
from stacks.cost.inventory import Inventory, inventory, resources_in

from .conftest import BroughtUp
from .deployed import SMALL_IMAGE, Deployed

pytestmark = pytest.mark.timeout(900)


def priced(deployed: Deployed) -> Inventory:
    """Of the stand-in's record."""
    return inventory(resources_in(deployed.engine.folder / "account/account.json"))


def known(environment: str) -> Inventory:
    """With the processors that the tests build for."""
    _, found = recorded.read(recorded.file_of(environment))
    return options.changed(found, kinds.TASK, architecture="X86_64")


def test_a_first_up_of_dev_makes_what_is_recorded(brought_up: BroughtUp) -> None:
    assert priced(brought_up.deployed) == known("dev")


def test_exports_say_what_the_account_says(brought_up: BroughtUp) -> None:
    stated = [each for name in brought_up.runs for each in brought_up.deployed.resources(name)]
    assert inventory(stated) == priced(brought_up.deployed)


def test_a_first_up_of_prod_makes_what_is_recorded(untouched: Deployed) -> None:
    untouched.initialise("prod")
    untouched.up("prod")
    assert priced(untouched) == known("prod")


def test_a_gateway_in_each_zone(deployed: Deployed) -> None:
    deployed.configure("dev", nat_gateways="per_az")
    deployed.do("up", "network")
    assert priced(deployed) == options.nat_gateways("per_az")(known("dev"))


def test_all_other_settings_at_once(deployed: Deployed) -> None:
    (deployed.root / "Dockerfile").write_text(SMALL_IMAGE.replace("AS api", "AS local"))
    deployed.configure(
        "dev",
        nat_gateways="none",
        engine="local",
        flow_logs=True,
        access_logs=True,
        container_insights="enhanced",
        task_cpu=512,
        task_memory_mib=1024,
        min_tasks=2,
        spot="overflow",
    )
    deployed.up("dev", stacks=("network", "alb", "cluster", "service"))
    wanted = known("dev")
    for change in (
        options.nat_gateways("none"),
        options.flow_logs(True),
        options.setting(kinds.BALANCER, access_logs=True),
        options.setting(kinds.CLUSTER, insights="enhanced"),
        options.setting(kinds.TASK, cpu=512, memory_mib=1024),
        options.setting(kinds.TARGET, least=2),
        options.setting(kinds.SERVICE, spot=True),
    ):
        wanted = change(wanted)
    assert priced(deployed) == wanted
