"""Which addresses each subnet has. The plan has room for as many zones as there can be, so a zone more or less moves no
other subnet."""

import ipaddress
from dataclasses import dataclass

MOST_ZONES = 6


@dataclass(frozen=True, slots=True)
class Plan:
    """One block of each kind for each zone."""

    public: list[str]
    private: list[str]


def plan(vpc_cidr: str, zones: int) -> Plan:
    """The VPC in 8 equal parts: 6 are the private subnets of the zones; the seventh, in 8 again, holds the public ones,
    which only a load balancer and NAT gateways are in; the eighth is free."""
    parts = list(ipaddress.IPv4Network(vpc_cidr).subnets(prefixlen_diff=3))
    small = list(parts[MOST_ZONES].subnets(prefixlen_diff=3))
    return Plan(public=[str(part) for part in small[:zones]], private=[str(part) for part in parts[:zones]])
