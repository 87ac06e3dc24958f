"""Roles: who may be one, and what it may."""

from collections.abc import Mapping
from typing import Any, cast

from policies.rule import Resource, Rule, inner, statements

ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
TOPIC_POLICY = "aws:sns/topicPolicy:TopicPolicy"

WITHOUT_RESOURCE = frozenset(
    {
        "ecr:GetAuthorizationToken",
        "logs:DescribeLogGroups",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
    }
)
"""Actions that AWS allows on nothing less than everything."""


def _allowed(document: str) -> list[dict[str, Any]]:
    return [statement for statement in statements(document) if statement["Effect"] == "Allow"]


def _named_actions(resource: Resource) -> str | None:
    wide = [action for each in _allowed(resource.props["policy"]) for action in each["Action"] if "*" in action]
    return f"{', '.join(wide)} is more than is needed" if wide else None


def _named_resources(resource: Resource) -> str | None:
    wide = [
        action
        for each in _allowed(resource.props["policy"])
        if "*" in each["Resource"]
        for action in each["Action"]
        if action not in WITHOUT_RESOURCE
    ]
    return f"{', '.join(wide)} on everything" if wide else None


def _trusts_a_service(resource: Resource) -> str | None:
    principals = [each.get("Principal") for each in _allowed(resource.props["assumeRolePolicy"])]
    wrong = [principal for principal in principals if not _is_service(principal)]
    return f"{wrong} may become it" if wrong else None


def _is_service(principal: Any) -> bool:
    return isinstance(principal, Mapping) and set(cast("Mapping[str, Any]", principal)) == {"Service"}


def _not_for_others(resource: Resource) -> str | None:
    for statement in _allowed(resource.props["assumeRolePolicy"]):
        conditions = inner(statement, "Condition")
        account = inner(conditions, "StringEquals").get("aws:SourceAccount")
        source = inner(conditions, "ArnLike").get("aws:SourceArn")
        if not account or not source:
            return "a service of AWS becomes it on anybody's behalf"
    return None


def _named_publisher(resource: Resource) -> str | None:
    publishers = [each.get("Principal") for each in _allowed(resource.props["policy"])]
    return "everybody may publish to it" if any(each in ("*", {"AWS": "*"}) for each in publishers) else None


RULES = (
    Rule("CKV_AWS_290", "Actions are named", (ROLE_POLICY,), _named_actions),
    Rule("CKV_AWS_355", "Resources are named", (ROLE_POLICY,), _named_resources),
    Rule("CKV_AWS_60", "A role is a service's, not a person's", (ROLE,), _trusts_a_service),
    Rule("TRANSCRIBER_DEPUTY", "A service takes it on for this account alone", (ROLE,), _not_for_others),
    Rule("CKV_AWS_169", "Not everybody may publish alarms", (TOPIC_POLICY,), _named_publisher),
)
