"""The roles: what the template gives them is what the stacks' types of resource take, and no more than AWS holds."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bootstrap import count, derived, permissions, scopes, template
from bootstrap.template import Place

ROOT = Path(__file__).parents[2]
PLACE = Place()
ROLES = template.resources("AWS::IAM::Role")
ENVIRONMENTS = scopes.ENVIRONMENTS


def _allowed(role: str) -> set[str]:
    return {
        action
        for document in template.documents(role, PLACE).values()
        for statement in document["Statement"]
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


def test_template_is_no_longer_than_a_request_takes() -> None:
    assert len(permissions.TEMPLATE.read_bytes()) <= 51_200


def test_every_type_that_stacks_use_is_known() -> None:
    assert derived.used() - derived.KINDS.keys() == set()
    assert derived.KINDS.keys() - derived.used() == set()


def test_unknown_types_are_errors() -> None:
    with pytest.raises(KeyError, match=r"sqs\.Queue"):
        derived.derived({"sqs.Queue"})


@pytest.mark.parametrize("kind", sorted(kind for kind, schemas in derived.KINDS.items() if schemas))
def test_without_a_type_its_actions_are_gone_or_needed_by_another(kind: str) -> None:
    own = derived.derived({kind})
    others = derived.derived(derived.used() - {kind})
    assert own
    assert derived.derived(derived.used()) - others == own - others


# What roles can't do


def test_preview_only_looks() -> None:
    assert {action for action in _allowed("transcriber-preview") if not derived.READS.fullmatch(action)} == set()
    assert derived.READS.fullmatch("ec2:DescribeVpcs")
    assert not derived.READS.fullmatch("ec2:CreateVpc")


def test_preview_decrypts_nothing() -> None:
    *_, denied = template.documents("transcriber-preview", PLACE)["PreviewPolicy"]["Statement"]
    assert denied == {"Effect": "Deny", "Action": ["kms:Decrypt"], "Resource": ["*"]}
    assert not any(action.startswith("kms:") for action in _allowed("transcriber-preview"))


@pytest.mark.parametrize("role", template.roles())
def test_objects_and_keys_are_those_of_the_state(role: str) -> None:
    data = re.compile(r"s3:(GetObject|PutObject)|kms:|ssm:GetParameter$|ssm:GetParameters$")
    for document in template.documents(role, PLACE).values():
        for statement in document["Statement"]:
            if statement["Effect"] == "Allow" and any(data.match(action) for action in statement["Action"]):
                assert all(
                    ":transcriber-state-" in each or ":key/" in each or each.endswith("/smoke-api-key")
                    for each in statement["Resource"]
                )


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_deploying_role_has_its_own_state_and_key(environment: str) -> None:
    statements = template.documents(f"transcriber-deploy-{environment}", PLACE)[
        f"{environment.capitalize()}StatePolicy"
    ]["Statement"]
    listing, objects, keys, smoke, denied = statements[:5]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": [f"{environment}/*"]}}
    assert [each.rpartition(":")[2] for each in objects["Resource"]] == [
        f"transcriber-state-123456789012-us-east-1/{environment}/*"
    ]
    assert keys["Resource"] == [f"arn:aws:kms:us-east-1:123456789012:key/{environment}"]
    assert smoke["Resource"][0].endswith(f"parameter/transcriber/{environment}/smoke-api-key")
    assert (denied["Effect"], denied["NotResource"]) == ("Deny", keys["Resource"])
    assert denied["Condition"] == {
        "StringNotEquals": {"kms:EncryptionContext:PARAMETER_ARN": smoke["Resource"][0]},
    }


@pytest.mark.parametrize(("environment", "other"), [("dev", "prod"), ("prod", "dev")])
def test_no_environment_names_what_is_of_the_other_but_to_promote_images(environment: str, other: str) -> None:
    """Settings of the other may be looked at, as by everybody who looks."""
    role = template.documents(f"transcriber-deploy-{environment}", PLACE)
    assert all(
        derived.READS.fullmatch(action) for each in role.pop("LookPolicy")["Statement"] for action in each["Action"]
    )
    theirs = re.compile(rf"[-/]{other}(\b|-)")
    reaching = [each for document in role.values() for each in document["Statement"] if theirs.search(json.dumps(each))]
    allowed = [action for each in reaching for action in each["Action"]]
    assert allowed == ([] if environment == "dev" else [*permissions.TAGGING, "s3:GetObject"])


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_changes_something_is_by_name_or_tag(environment: str) -> None:
    """But for what IAM knows no resource for."""
    everywhere = [
        action
        for document in template.documents(f"transcriber-deploy-{environment}", PLACE).values()
        for each in document["Statement"]
        if each["Effect"] == "Allow" and each["Resource"] == ["*"]
        for action in each["Action"]
        if not derived.READS.fullmatch(action)
    ]
    assert everywhere == ["acm:RequestCertificate", "sns:Unsubscribe"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_roles_are_passed_to_what_runs_tasks_and_logs_flows(environment: str) -> None:
    [passing] = [
        each
        for document in template.documents(f"transcriber-deploy-{environment}", PLACE).values()
        for each in document["Statement"]
        if "iam:PassRole" in each["Action"]
    ]
    assert passing["Action"] == ["iam:PassRole"]
    assert passing["Condition"]["StringEquals"]["iam:PassedToService"] == [
        "ecs-tasks.amazonaws.com",
        "vpc-flow-logs.amazonaws.com",
    ]
    assert passing["Resource"][0].endswith(f"role/transcriber-{environment}-*")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_bounded_role_has_no_rights_over_rights(environment: str) -> None:
    _, document = template.boundary(PLACE, environment)
    services = {action.partition(":")[0] for each in document["Statement"] for action in each["Action"]}
    assert services == {"ecr", "ecs", "kms", "logs", "s3", "ssm", "ssmmessages"}


# Who takes them on


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
        "transcriber-preview": [{"Fn::Sub": f"{prefix}:pull_request"}, {"Fn::Sub": f"{prefix}:ref:refs/heads/main"}],
        "transcriber-deploy-dev": {"Fn::Sub": f"{prefix}:environment:dev"},
        "transcriber-deploy-prod": {"Fn::Sub": f"{prefix}:environment:prod"},
    }


def test_roles_have_their_policies() -> None:
    assert template.roles() == {
        "transcriber-preview": ["LookPolicy", "PreviewPolicy"],
        "transcriber-deploy-dev": ["LookPolicy", "DevNetworkPolicy", "DevServicePolicy", "DevStatePolicy"],
        "transcriber-deploy-prod": ["LookPolicy", "ProdNetworkPolicy", "ProdServicePolicy", "ProdStatePolicy"],
    }


def test_an_account_may_have_one_environment_alone() -> None:
    """What is of one depends on its condition, and nothing that has none names it."""
    resources: dict[str, dict[str, Any]] = template.template()["Resources"]
    for name, resource in resources.items():
        for environment in ("Dev", "Prod"):
            if resource.get("Condition") != f"Has{environment}":
                assert environment not in name
                assert not re.search(rf"StateKey{environment}|{environment}\w*Policy", json.dumps(resource))


@pytest.mark.parametrize(
    ("prefix", "fits"),
    [
        ("repo:owner/repo", True),
        ("repo:owner@123/repo@456", True),
        ("repo:somebody_acme/repo", True),
        ("repo:owner@123/repo", False),
        ("repo:owner/repo@456", False),
        ("owner/repo", False),
        ("repo:owner/*", False),
        ("repo:owner/repo:environment:dev", False),
    ],
)
def test_prefix_is_one_repository(prefix: str, *, fits: bool) -> None:
    pattern = template.template()["Parameters"]["SubjectPrefix"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, prefix)) == fits


# How many


def test_numbers_are_documented_as_they_are() -> None:
    assert count.table() in (ROOT / "docs" / "security.md").read_text(), "put in what `make rights` prints"


def test_an_action_counts_where_it_reaches_furthest() -> None:
    own = {"Effect": "Allow", "Action": ["a:Make", "a:Read"], "Resource": ["arn:x"]}
    tagged = {**own, "Action": ["a:Make"], "Condition": {"StringEquals": {"aws:ResourceTag/environment": "dev"}}}
    anywhere = {**own, "Action": ["a:Drop", "a:GetIt"], "Resource": ["*"]}
    denied = {**own, "Effect": "Deny", "Action": ["a:Other"]}
    assert count.row("x", [{"Statement": [own, tagged]}, {"Statement": [anywhere, denied]}]) == count.Row(
        "x", actions=4, changing=3, named=1, tagged=1, anywhere=1
    )
