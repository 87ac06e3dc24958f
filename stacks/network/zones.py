"""Whether zones, or the network itself, can be given up: not while another stack has something in them."""

import pulumi

from stacks import contract
from stacks.contract import Stack


def problem(zones: int, subnets_in_use: int) -> str | None:
    """Why a network with `zones` zones can't follow one whose first `subnets_in_use` are used by others."""
    if zones >= subnets_in_use:
        return None
    return (
        f"availability_zones: {zones} would take away subnets that load balancer and tasks are in. Take two steps: "
        f"set zones_used to {zones} and bring the environment up, then set availability_zones to {zones} and bring it "
        "up again."
    )


def moved(environment: str, cidr: str, in_use: str) -> str | None:
    """Why a network with the addresses `cidr` can't follow one with those `in_use`."""
    if cidr == in_use:
        return None
    return (
        f"vpc_cidr: {cidr} would be another VPC, and load balancer and tasks can't leave the one with {in_use}. Set it "
        f"back, or bring up another environment with it, or take this one down first: make down ENV={environment}"
    )


def refuse_loss(environment: str, zones: int, cidr: str) -> None:
    """Raises RunError, with the way that does it, when what was last deployed uses more than is left."""
    deployed = contract.deployed(contract.whole_name(Stack.NETWORK, environment))
    in_use = deployed.get("private_subnet_ids", [])
    if refused := problem(zones, len(in_use)) or moved(environment, cidr, deployed.get("vpc_cidr", cidr)):
        raise pulumi.RunError(refused)
