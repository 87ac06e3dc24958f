"""The roles: what the template gives them is what the stacks' types of resource take, and no more than AWS holds."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bootstrap import permissions

LONGEST = {
    "${AWS::Partition}": "aws-us-gov",
    "${AWS::Region}": "ap-southeast-1",
    "${AWS::AccountId}": "123456789012",
    "${StateBucket.Arn}": "arn:aws-us-gov:s3:::transcriber-state-123456789012-ap-southeast-1",
    "${StateKey.Arn}": f"arn:aws-us-gov:kms:ap-southeast-1:123456789012:key/{'0' * 36}",
}
MANAGED_POLICY_CHARACTERS = 6_144


class _Loader(yaml.SafeLoader):
    """Knows the short forms of CloudFormation's functions."""


def _function(loader: _Loader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.ScalarNode)
    return {suffix: loader.construct_scalar(node)}


_Loader.add_multi_constructor("!", _function)
TEMPLATE: dict[str, Any] = yaml.load(permissions.TEMPLATE.read_text(), _Loader)  # extends SafeLoader
ROLES = {
    name.removesuffix("Role"): each["Properties"]
    for name, each in TEMPLATE["Resources"].items()
    if each["Type"] == "AWS::IAM::Role"
}


def _allowed(name: str) -> set[str]:
    return {
        action
        for statement in permissions.policies()[name]
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
    }


def test_template_has_what_is_derived() -> None:
    _, mark, rest = permissions.TEMPLATE.read_text().partition(permissions.MARK)
    assert mark
    assert rest == permissions.rendered(), "run `python -m bootstrap.permissions`"


def test_template_is_clean() -> None:
    command = [str(Path(sys.executable).with_name("cfn-lint")), str(permissions.TEMPLATE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_type_that_stacks_use_is_known() -> None:
    assert permissions.used() - permissions.KINDS.keys() == set()
    assert permissions.KINDS.keys() - permissions.used() == set()


def test_unknown_types_are_errors() -> None:
    with pytest.raises(KeyError, match=r"sqs\.Queue"):
        permissions.derived({"sqs.Queue"})


@pytest.mark.parametrize("kind", sorted(kind for kind, schemas in permissions.KINDS.items() if schemas))
def test_without_a_type_its_actions_are_gone_or_needed_by_another(kind: str) -> None:
    own = permissions.derived({kind})
    others = permissions.derived(permissions.used() - {kind})
    assert own
    assert permissions.derived(permissions.used()) - others == own - others


@pytest.mark.parametrize("name", sorted(permissions.policies()))
def test_policies_are_no_longer_than_aws_takes(name: str) -> None:
    text = json.dumps({"Version": "2012-10-17", "Statement": permissions.policies()[name]}, separators=(",", ":"))
    for variable, value in LONGEST.items():
        text = text.replace(variable, value)
    assert "${" not in text
    assert len(text) <= MANAGED_POLICY_CHARACTERS


def test_template_is_no_longer_than_a_request_takes() -> None:
    assert len(permissions.TEMPLATE.read_bytes()) <= 51_200


def test_preview_only_looks() -> None:
    changing = {action for action in _allowed("PreviewPolicy") if not permissions.READS.fullmatch(action)}
    assert changing == {"kms:Decrypt"}
    assert permissions.READS.fullmatch("ec2:DescribeVpcs")
    assert not permissions.READS.fullmatch("ec2:CreateVpc")


@pytest.mark.parametrize("name", ["PreviewPolicy", "DevStatePolicy", "ProdStatePolicy"])
def test_objects_and_keys_are_those_of_the_state(name: str) -> None:
    data = re.compile(r"s3:(GetObject|PutObject|DeleteObject)|kms:|ssm:GetParameter$|ssm:GetParameters$")
    for statement in permissions.policies()[name]:
        if statement["Effect"] == "Allow" and any(data.match(action) for action in statement["Action"]):
            assert all(
                each.startswith(("${StateBucket.Arn}", "${StateKey.Arn}")) or each.endswith("/smoke-api-key")
                for each in statement["Resource"]
            )


def test_nothing_else_is_decrypted() -> None:
    *_, preview = permissions.policies()["PreviewPolicy"]
    assert preview == {"Effect": "Deny", "Action": ["kms:Decrypt"], "NotResource": ["${StateKey.Arn}"]}
    *_, deploy = permissions.policies()["ProdStatePolicy"]
    assert deploy["NotResource"] == ["${StateKey.Arn}"]
    [(operator, conditions)] = deploy["Condition"].items()
    assert operator == "StringNotEquals"
    assert conditions["kms:EncryptionContext:PARAMETER_ARN"].endswith("parameter/transcriber/prod/smoke-api-key")


@pytest.mark.parametrize(("environment", "other"), [("dev", "prod"), ("prod", "dev")])
def test_no_environment_names_what_is_of_the_other_but_to_promote_images(environment: str, other: str) -> None:
    policies = permissions.policies()
    statements = [
        statement
        for part in ("Network", "Service", "State")
        for statement in policies[f"{environment.capitalize()}{part}Policy"]
    ]
    reaching = [each for each in statements if f"transcriber-{other}" in json.dumps(each)]
    allowed = [action for each in reaching for action in each["Action"]]
    assert allowed == (
        []
        if environment == "dev"
        else ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:PutImage"]
    )


@pytest.mark.parametrize("environment", permissions.ENVIRONMENTS)
def test_roles_are_passed_to_what_runs_tasks_and_logs_flows(environment: str) -> None:
    passing = [
        each
        for each in permissions.policies()[f"{environment.capitalize()}ServicePolicy"]
        if "iam:PassRole" in each["Action"]
    ]
    assert [each["Action"] for each in passing] == [["iam:PassRole"]]
    assert passing[0]["Condition"]["StringEquals"]["iam:PassedToService"] == [
        "ecs-tasks.amazonaws.com",
        "vpc-flow-logs.amazonaws.com",
    ]
    assert passing[0]["Resource"][0].endswith(f"role/transcriber-{environment}-*")


def test_roles_trust_exact_subjects() -> None:
    subjects: dict[str, Any] = {}
    for role in ROLES.values():
        [statement] = role["AssumeRolePolicyDocument"]["Statement"]
        [(operator, conditions)] = statement["Condition"].items()
        assert operator == "StringEquals"
        assert conditions["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"
        subjects[role["RoleName"]] = conditions["token.actions.githubusercontent.com:sub"]
    prefix = "${SubjectPrefix}"
    assert subjects == {
        "transcriber-preview": [{"Sub": f"{prefix}:pull_request"}, {"Sub": f"{prefix}:ref:refs/heads/main"}],
        "transcriber-deploy-dev": {"Sub": f"{prefix}:environment:dev"},
        "transcriber-deploy-prod": {"Sub": f"{prefix}:environment:prod"},
    }


def test_roles_have_their_policies() -> None:
    policies = {name: [each["Ref"] for each in role["ManagedPolicyArns"]] for name, role in ROLES.items()}
    assert policies == {
        "Preview": ["PreviewPolicy"],
        "DeployDev": ["DevNetworkPolicy", "DevServicePolicy", "DevStatePolicy"],
        "DeployProd": ["ProdNetworkPolicy", "ProdServicePolicy", "ProdStatePolicy"],
    }


@pytest.mark.parametrize(
    ("prefix", "fits"),
    [
        ("repo:owner/repo", True),
        ("repo:owner@123/repo@456", True),
        ("owner/repo", False),
        ("repo:owner/*", False),
        ("repo:owner/repo:environment:dev", False),
    ],
)
def test_prefix_is_one_repository(prefix: str, *, fits: bool) -> None:
    pattern = TEMPLATE["Parameters"]["SubjectPrefix"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, prefix)) == fits
