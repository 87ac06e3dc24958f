"""What the template is given: what was asked for, or else what it was given the last time."""

from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from bootstrap.cli import Stopped, the_stack
from bootstrap.template import template

ROOT = Path(__file__).resolve().parents[1]
WAITING = "REVIEW_IN_PROGRESS"
"""For its first change set to be executed."""
UNMADE = ("CREATE_FAILED", "DELETE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
"""What a first time that failed leaves: CloudFormation does nothing with such a stack but delete it."""
OPTIONS = {
    "Environments": "environments",
    "HostedZone": "hosted_zone",
    "BudgetDollars": "budget_dollars",
    "BudgetEmail": "budget_email",
}
"""By parameter, the option."""


def of(asked: Namespace) -> tuple[dict[str, str], dict[str, str]]:
    """The parameters that are options; and those among them that were set an earlier time, and nobody asked for now."""
    earlier = _earlier()
    declared = template()["Parameters"]
    given: dict[str, str] = {}
    kept: dict[str, str] = {}
    for key, option in OPTIONS.items():
        default = str(declared[key]["Default"])
        value = getattr(asked, option)
        given[key] = earlier.get(key, default) if value is None else str(value)
        if value is None and given[key] != default:
            kept[key] = given[key]
    return given, kept


def _earlier() -> dict[str, str]:
    stack = the_stack()
    if stack.get("StackStatus", WAITING) in (WAITING, *UNMADE):
        return {}
    return {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", ())}


def require_place(environments: Iterable[str], account: str, region: str) -> None:
    """What is made for an environment holds in this account and region alone.

    Raises:
        Stopped: its file names another.
    """
    for environment in environments:
        file = f"Pulumi.{environment}.yaml"
        config: dict[str, Any] = yaml.safe_load((ROOT / file).read_text())["config"]
        if account not in map(str, config.get("aws:allowedAccountIds", [account])):
            raise Stopped(f"this is account {account}, which {file} does not allow: set aws:allowedAccountIds there")
        if (place := config["aws:region"]) != region:
            raise Stopped(f"this is {region}, and {file} has {place}: set AWS_REGION, or aws:region there")
