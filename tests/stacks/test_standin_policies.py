"""Whether policies allow something, and what a principal with too few of them is told."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .cloud import Cloud, allow, environment, trust
from .standin.account import Resource
from .standin.policies import Document, allows, grants, is_public, parse, trusts
from .standin.refusal import Refused, StillFailing
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
        ({"ForAllValues:StringEquals": {"a:b": ["x", "y"]}}, {"a:b": "x"}, True),
        ({"ForAllValues:StringEquals": {"a:b": ["x", "y"]}}, {}, True),
        ({"ForAllValues:StringEquals": {"a:b": ["x", "y"]}}, {"a:b": "z"}, False),
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
    also = ("ec2:ModifyVpcAttribute", "ec2:Describe*")
    assert _as(tmp_path, action, *also).make("ec2/vpc:Vpc", cidrBlock="10.0.0.0/16").id.startswith("vpc-")


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


# What is asked


def _tagged(key: str, *actions: str) -> Document:
    condition = {"StringEquals": {f"aws:{key}/environment": "dev"}}
    return {"Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*", "Condition": condition}]}


def _by_tags(tmp_path: Path) -> Cloud:
    """Who may make what becomes dev's, in what is dev's."""
    makes = ("ec2:CreateSubnet", "ec2:CreateVpc", "ec2:CreateTags")
    policies = (
        _tagged("RequestTag", *makes),
        _tagged("ResourceTag", "ec2:*"),
        parse(allow("ec2:Describe*")),
    )
    return Cloud.at(tmp_path, principal=Principal(DEPLOYER, policies))


@pytest.mark.parametrize(
    ("of_network", "of_subnet", "refused"),
    [("dev", "dev", ""), ("prod", "dev", "ec2:CreateSubnet"), ("dev", "prod", "ec2:CreateSubnet")],
)
def test_what_is_made_is_asked_about_and_what_it_is_made_in(
    tmp_path: Path, of_network: str, of_subnet: str, refused: str
) -> None:
    vpc = Cloud.at(tmp_path).make("ec2/vpc:Vpc", cidrBlock="10.0.0.0/16", tags={"environment": of_network})
    inputs = {"vpcId": vpc.id, "cidrBlock": "10.0.0.0/24", "tags": {"environment": of_subnet}}
    if refused:
        with pytest.raises(Refused, match=refused):
            _by_tags(tmp_path).make("ec2/subnet:Subnet", **inputs)
    else:
        assert _by_tags(tmp_path).make("ec2/subnet:Subnet", **inputs).id.startswith("subnet-")


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        ({"description": "other"}, ["iam:UpdateRoleDescription"]),
        ({"permissionsBoundary": "arn:aws:iam::123456789012:policy/b"}, ["iam:PutRolePermissionsBoundary"]),
        ({"tags": {"a": "2", "c": "3"}}, ["iam:TagRole", "iam:UntagRole"]),
    ],
)
def test_a_change_is_asked_about_by_property(tmp_path: Path, change: dict[str, Any], asked: list[str]) -> None:
    cloud = Cloud.at(tmp_path)
    cloud.outside("policies", "arn:aws:iam::123456789012:policy/b", parse(allow("s3:*")))
    role = cloud.make("iam/role:Role", assumeRolePolicy=trust(), tags={"a": "1", "b": "2"})
    before = len(cloud.work.ledger.asked())
    cloud.change(role, **change)
    actions = [line["action"] for line in cloud.work.ledger.asked()[before:]]
    assert [action for action in actions if not action.startswith(("iam:Get", "iam:List"))] == asked


def test_a_service_has_its_role_made_once(tmp_path: Path) -> None:
    cloud = Cloud.at(tmp_path)
    for name in ("one", "two"):
        cloud.make("ecs/cluster:Cluster", name)
    linked = [line for line in cloud.work.ledger.asked() if line["action"] == "iam:CreateServiceLinkedRole"]
    assert [line["context"]["iam:AWSServiceName"] for line in linked] == ["ecs.amazonaws.com"]


def test_a_boundary_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="NoSuchEntity"):
        Cloud.at(tmp_path).make(
            "iam/role:Role", assumeRolePolicy=trust(), permissionsBoundary="arn:aws:iam::123456789012:policy/none"
        )


@pytest.mark.parametrize(("bounds", "status"), [(allow("*"), "SUCCESSFUL"), (allow("s3:*"), "FAILED")])
def test_a_task_starts_within_the_bounds_of_its_role(tmp_path: Path, bounds: str, status: str) -> None:
    cloud = Cloud.at(tmp_path)
    env = environment(cloud)
    boundary = "arn:aws:iam::123456789012:policy/b"
    cloud.outside("policies", boundary, parse(bounds))
    cloud.change(env.execution_role, permissionsBoundary=boundary)
    with contextlib.suppress(StillFailing):
        cloud.make("ecs/service:Service", **env.service)
    assert [each["status"] for each in cloud.deployments()] == [status]
