"""Whether policies allow something, and what a principal with too few of them is told."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .cloud import Cloud, allow, environment, trust
from .standin.account import Resource
from .standin.policies import allows, grants, is_public, parse, trusts
from .standin.refusal import Refused
from .standin.work import Principal

OBJECT = "arn:aws:s3:::mine/a/b"


def _deny(*actions: str, **more: Any) -> str:
    return allow(*actions, **more).replace('"Allow"', '"Deny"')


@pytest.mark.parametrize(
    ("documents", "allowed"),
    [
        ([], False),
        ([allow("s3:GetObject")], True),
        ([allow("s3:getobject")], True),
        ([allow("s3:Get*", resource="arn:aws:s3:::mine/*")], True),
        ([allow("s3:Get?bject")], True),
        ([allow("s3:PutObject")], False),
        ([allow("s3:GetObject", resource="arn:aws:s3:::mine")], False),
        ([allow("s3:GetObject", resource="arn:aws:s3:::MINE/*")], False),
        ([allow("*"), _deny("s3:GetObject")], False),
        ([allow("*"), _deny("s3:GetObject", resource="arn:aws:s3:::other/*")], True),
        ([json.dumps({"Statement": {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}})], True),
        (
            [json.dumps({"Statement": {"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::mine/*"}})],
            False,
        ),
    ],
)
def test_decides(documents: list[str], *, allowed: bool) -> None:
    assert allows([parse(text) for text in documents], "s3:GetObject", OBJECT) == allowed


@pytest.mark.parametrize(
    ("condition", "context", "allowed"),
    [
        ({"StringEquals": {"aws:SourceAccount": "1"}}, {"aws:sourceaccount": "1"}, True),
        ({"StringEquals": {"aws:SourceAccount": ["2", "1"]}}, {"aws:SourceAccount": "1"}, True),
        ({"StringEquals": {"aws:SourceAccount": "2"}}, {"aws:SourceAccount": "1"}, False),
        ({"StringEquals": {"aws:SourceAccount": "1"}}, {}, False),
        ({"StringEqualsIfExists": {"aws:SourceAccount": "1"}}, {}, True),
        ({"StringNotEquals": {"aws:SourceAccount": "1"}}, {}, True),
        ({"StringNotLike": {"aws:SourceAccount": "1*"}}, {"aws:SourceAccount": "12"}, False),
        ({"StringLike": {"a:b": "x*"}}, {"a:b": "xy"}, True),
        (
            {"ArnLike": {"aws:SourceArn": "arn:aws:ecs:*:1:*"}},
            {"aws:SourceArn": "arn:aws:ecs:us-east-1:1:task/x"},
            True,
        ),
        ({"Bool": {"aws:SecureTransport": "false"}}, {"aws:SecureTransport": "true"}, False),
        ({"Null": {"a:b": "true"}}, {}, True),
    ],
)
def test_conditions(condition: dict[str, Any], context: dict[str, str], *, allowed: bool) -> None:
    assert allows([parse(allow("s3:GetObject", Condition=condition))], "s3:GetObject", OBJECT, context) == allowed


def test_an_operator_that_nobody_knows_is_no_permission() -> None:
    with pytest.raises(Refused):
        allows(
            [parse(allow("s3:*", Condition={"StringAlmostEquals": {"a:b": "1"}}))], "s3:GetObject", OBJECT, {"a:b": "1"}
        )


def test_trust_is_for_a_service_and_its_conditions() -> None:
    policy = parse(trust(StringEquals={"aws:SourceAccount": "1"}))
    assert trusts(policy, "ecs-tasks.amazonaws.com", {"aws:SourceAccount": "1"})
    assert not trusts(policy, "ecs-tasks.amazonaws.com", {"aws:SourceAccount": "2"})
    assert not trusts(policy, "ec2.amazonaws.com", {"aws:SourceAccount": "1"})


def test_a_resource_policy_speaks_of_principals() -> None:
    policy = parse(allow("s3:PutObject", Principal={"AWS": "arn:aws:iam::1:root"}))
    assert grants(policy, ["arn:aws:iam::1:root"], "s3:PutObject", OBJECT, {})
    assert not grants(policy, ["arn:aws:iam::2:root"], "s3:PutObject", OBJECT, {})


def test_everybody_is_public_unless_a_condition_says_who() -> None:
    assert is_public(parse(allow("s3:GetObject", Principal="*")))
    assert not is_public(parse(_deny("s3:GetObject", Principal="*")))
    assert not is_public(parse(allow("s3:GetObject", Principal="*", Condition={"StringEquals": {"a:b": "1"}})))


# An attached principal

DEPLOYER = "arn:aws:sts::123456789012:assumed-role/deploy/session"


def _as(tmp_path: Path, *actions: str, resource: Any = "*") -> Cloud:
    return Cloud.at(tmp_path, principal=Principal(DEPLOYER, (parse(allow(*actions, resource=resource)),)))


@pytest.mark.parametrize("action", ["ec2:CreateVpc", "ec2:*", "*"])
def test_what_is_allowed_is_done(tmp_path: Path, action: str) -> None:
    assert _as(tmp_path, action).make("ec2/vpc:Vpc", cidrBlock="10.0.0.0/16").id.startswith("vpc-")


def test_what_is_not_allowed_is_refused_by_name(tmp_path: Path) -> None:
    cloud = _as(tmp_path, "ec2:Describe*")
    with pytest.raises(Refused) as refused:
        cloud.make("ec2/vpc:Vpc", cidrBlock="10.0.0.0/16")
    assert refused.value.code == "AccessDenied"
    assert DEPLOYER in refused.value.message
    assert "ec2:CreateVpc" in refused.value.message
    with cloud.work.ledger.open() as account:
        assert account.resources == []


@pytest.mark.parametrize(
    "act",
    [
        lambda cloud, vpc: cloud.change(vpc, enableDnsHostnames=True),
        lambda cloud, vpc: cloud.remove(vpc),
        lambda cloud, vpc: cloud.work.read(vpc.type, vpc.id, vpc.arn),
    ],
    ids=["update", "delete", "read"],
)
def test_every_verb_needs_its_permission(tmp_path: Path, act: Callable[[Cloud, Resource], object]) -> None:
    vpc = Cloud.at(tmp_path).make("ec2/vpc:Vpc", cidrBlock="10.0.0.0/16")
    with pytest.raises(Refused, match="AccessDenied"):
        act(_as(tmp_path, "ec2:CreateVpc"), vpc)


def test_a_role_is_handed_over_by_who_may_pass_it(tmp_path: Path) -> None:
    env = environment(Cloud.at(tmp_path))
    inputs = env.definition.inputs
    role = env.execution_role.arn
    with pytest.raises(Refused, match="iam:PassRole"):
        _as(tmp_path, "ecs:*").make("ecs/taskDefinition:TaskDefinition", **inputs)
    passes = json.loads(allow("ecs:*"))
    condition = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    for arn in (role, env.task_role.arn):
        statement = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": arn, "Condition": condition}
        passes["Statement"].append(statement)
    Cloud.at(tmp_path, principal=Principal(DEPLOYER, (passes,))).make("ecs/taskDefinition:TaskDefinition", **inputs)


@pytest.mark.parametrize(
    ("function", "args"),
    [
        ("aws:ecr/getAuthorizationToken:getAuthorizationToken", {}),
        ("aws:ssm/getParameter:getParameter", {"name": "/key"}),
        ("aws:index/getAvailabilityZones:getAvailabilityZones", {}),
    ],
)
def test_functions_need_permission_too(tmp_path: Path, function: str, args: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="AccessDenied"):
        _as(tmp_path, "s3:*").work.invoke(function, args)


def test_who_one_is_can_always_be_asked(tmp_path: Path) -> None:
    answer = _as(tmp_path, "s3:*").work.invoke("aws:index/getCallerIdentity:getCallerIdentity", {})
    assert answer["arn"] == DEPLOYER
