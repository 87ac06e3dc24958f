"""What other accounts may do with images that their environments run: an account's own need no policy."""

from collections.abc import Sequence
from typing import Any

from stacks import iam
from stacks.program import Place

PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
LOOK = ("ecr:DescribeImages", "ecr:DescribeRepositories", "ecr:ListTagsForResource")
DEPLOYING = "role/transcriber-deploy-*"
"""The roles of bootstrap/ that bring environments up."""


def readers_policy(place: Place, accounts: Sequence[str]) -> iam.Document:
    """They pull, and look for what they are told to run. A deploying role gives it a name besides, so that it is kept:
    it can push no layer, and no name moves."""
    name = {"ArnLike": {"aws:PrincipalArn": [_arn(place, account, DEPLOYING) for account in accounts]}}
    return iam.document(
        _statement("Read", place, accounts, Action=[*PULL, *LOOK]),
        _statement("Name", place, accounts, Action=["ecr:PutImage"], Condition=name),
    )


def _statement(sid: str, place: Place, accounts: Sequence[str], **rest: Any) -> dict[str, Any]:
    principals = [_arn(place, account, "root") for account in accounts]
    return {"Sid": sid, "Effect": "Allow", "Principal": {"AWS": principals}, **rest}


def _arn(place: Place, account: str, what: str) -> str:
    return f"arn:{place.partition}:iam::{account}:{what}"
