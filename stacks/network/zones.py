"""Whether zones can be given up: not while another stack has something in them."""

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


def refuse_loss(environment: str, zones: int) -> None:
    """Raises RunError, with the way that does it, when what was last deployed uses more than is left."""
    in_use = contract.deployed(contract.whole_name(Stack.NETWORK, environment)).get("private_subnet_ids", [])
    if refused := problem(zones, len(in_use)):
        raise pulumi.RunError(refused)
