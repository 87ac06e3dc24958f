"""Clients of AWS itself, where the environment is: Pulumi is not told all that there is to ask."""

from pathlib import Path
from typing import Any, cast

import boto3
from botocore.config import Config

from stacks.environment.files import settings_of

LIMITS = Config(connect_timeout=5, read_timeout=15, retries={"total_max_attempts": 2})
"""It answers or fails within seconds."""


def client(root: Path, environment: str, service: str) -> Any:
    """With the region and the profile that Pulumi's provider is given, or else by the usual chain.

    Raises:
        BotoCoreError: there is no such profile, or no region.
    """
    given = settings_of(root, environment)["config"]
    session = boto3.Session(profile_name=given.get("aws:profile"), region_name=given.get("aws:region"))
    return cast("Any", session).client(service, config=LIMITS)
