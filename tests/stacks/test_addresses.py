"""Which addresses subnets have."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from stacks.network.addresses import MOST_ZONES, plan

CIDRS = st.builds(lambda second, prefix: f"10.{second}.0.0/{prefix}", st.integers(0, 255), st.integers(16, 20))


@given(CIDRS, st.integers(2, MOST_ZONES))
def test_subnets_are_in_the_network_and_apart(cidr: str, zones: int) -> None:
    made = plan(cidr, zones)
    subnets = [ipaddress.IPv4Network(block) for block in (*made.public, *made.private)]
    assert len(subnets) == 2 * zones
    assert all(subnet.subnet_of(ipaddress.IPv4Network(cidr)) for subnet in subnets)
    assert not any(one.overlaps(other) for one in subnets for other in subnets if one is not other)


@given(CIDRS, st.integers(2, MOST_ZONES - 1))
def test_another_zone_moves_no_subnet(cidr: str, zones: int) -> None:
    fewer, more = plan(cidr, zones), plan(cidr, zones + 1)
    assert more.public[:zones] == fewer.public
    assert more.private[:zones] == fewer.private


@given(CIDRS)
def test_a_load_balancer_has_the_addresses_it_needs(cidr: str) -> None:
    smallest = min(ipaddress.IPv4Network(block).num_addresses for block in plan(cidr, MOST_ZONES).public)
    assert smallest >= 64, "AWS asks for /27 at least with 8 free"
