"""What every stack's program begins with: its configuration, and the account and region that it runs in."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
from pulumi.runtime.config import CONFIG, get_config_env

from stacks.config import NAMESPACE, Config, ConfigError, own, parse


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where resources are made."""

    account: str
    region: str
    partition: str

    def arn(self, service: str, resource: str) -> str:
        """Of a resource in this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def policy(self, name: str) -> str | None:
        """The ARN of one of the account's policies; None for no name."""
        return f"arn:{self.partition}:iam::{self.account}:policy/{name}" if name else None


def config() -> Config:
    """The settings of this stack.

    Raises:
        pulumi.RunError: with every mistake there is, by key.
    """
    environment = pulumi.get_stack()
    try:
        return parse(environment, own({**get_config_env(), **CONFIG.get()}))
    except ConfigError as wrong:
        lines = "\n".join(f"  {NAMESPACE}:{problem}" for problem in wrong.problems)
        raise pulumi.RunError(f"Pulumi.{environment}.yaml has mistakes:\n{lines}") from None


def place() -> Place:
    """Asks AWS; the provider refuses accounts other than `aws:allowedAccountIds`."""
    return Place(
        account=aws.get_caller_identity().account_id,
        region=aws.get_region().region,
        partition=aws.get_partition().partition,
    )
