"""What bootstrap/ lets roles do: documents that AWS takes, with actions, resources and conditions that go together."""

import json
import re
from typing import Any

import parliament
import pytest
import yaml

from bootstrap import template
from bootstrap.scopes import TAG
from bootstrap.template import Document, Place
from tests.stacks.recording import ROOT

PLACE = Place(hosted_zone="Z0123456789ABCDEFGHIJ")
LONGEST = Place(region="ap-southeast-1", partition="aws-us-gov", hosted_zone="Z" + "A" * 31)
MANAGED_POLICY_CHARACTERS, POLICIES_PER_ROLE, TRUST_POLICY_CHARACTERS = 6_144, 10, 2_048
"""Quotas of IAM."""
EXPECTED = {
    "Look": "RESOURCE_STAR",  # reading that is not by name; none of it is data
    "Boundary": "RESOURCE_STAR",  # kms:Decrypt, for Parameter Store alone
    "NetworkPolicy": "RESOURCE_MISMATCH",  # of network load balancers, which nobody has
    "ServicePolicy": "RESOURCE_POLICY_PRIVILEGE_ESCALATION",  # who writes a bucket's policy decides who reads it
}


def _findings(document: Document) -> list[tuple[str, str]]:
    """Kind and detail; of several ways to name a resource, those that matter here."""
    policy = parliament.analyze_policy_string(json.dumps(document), ignore_private_auditors=True)
    found = [parliament.enhance_finding(finding) for finding in policy.findings]
    told = [(each.issue, each.detail) for each in found if each.severity != "MUTED"]
    return [(issue, str(detail)) for issue, detail in told if issue != "RESOURCE_MISMATCH" or _of_ours(detail)]


def _of_ours(detail: list[dict[str, str]]) -> bool:
    return any("/net/" not in each["required_format"] for each in detail)


@pytest.mark.parametrize("name", sorted(template.policies(PLACE)))
def test_documents_are_sound(name: str) -> None:
    expected = {issue for part, issue in EXPECTED.items() if part in name}
    wrong = [finding for finding in _findings(template.policies(PLACE)[name]) if finding[0] not in expected]
    assert wrong == []


@pytest.mark.parametrize("action", ["s3:GetObjekt", "ec2:DeleteVpc", "sns:Unsubscribe"])
def test_what_does_not_go_together_is_found(action: str) -> None:
    """A misspelt action, and resources that actions do not have."""
    statement = {"Effect": "Allow", "Action": [action], "Resource": ["arn:aws:ec2:us-east-1:123456789012:subnet/*"]}
    assert _findings({"Version": "2012-10-17", "Statement": [statement]}) != []


@pytest.mark.parametrize("name", sorted(template.policies(LONGEST)))
def test_documents_are_no_longer_than_aws_takes(name: str) -> None:
    text = json.dumps(template.policies(LONGEST)[name], separators=(",", ":"))
    assert len(text) <= MANAGED_POLICY_CHARACTERS


def test_trust_is_no_longer_than_aws_takes() -> None:
    for role in template.resources("AWS::IAM::Role").values():
        assert len(json.dumps(role["AssumeRolePolicyDocument"])) <= TRUST_POLICY_CHARACTERS


def test_roles_have_no_more_policies_than_aws_takes() -> None:
    assert all(len(policies) <= POLICIES_PER_ROLE for policies in template.roles().values())


def _settings(environment: str) -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / f"Pulumi.{environment}.yaml").read_text())["config"])


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_environments_name_what_rights_go_by(environment: str) -> None:
    arn, _ = template.boundary(PLACE, environment)
    assert arn.endswith(f":policy/{_settings(environment)['transcriber:permissions_boundary']}")
    assert _settings(environment)["aws:defaultTags"]["tags"][TAG] == environment


def test_prod_has_the_rights_of_dev_and_of_naming_images() -> None:
    dev, prod = (template.documents(f"transcriber-deploy-{name}", PLACE) for name in ("dev", "prod"))
    assert dev.pop("LookPolicy") == prod.pop("LookPolicy")
    naming, running = prod["ProdStatePolicy"]["Statement"][-2:]
    del prod["ProdStatePolicy"]["Statement"][-2:]
    swapped = re.sub(r'(?<=[-/"])dev(?=[-/":])', "prod", json.dumps(list(dev.values())))
    assert json.loads(swapped) == list(prod.values())
    assert naming["Resource"] == ["arn:aws:ecr:us-east-1:*:repository/transcriber-dev"]
    assert [action for action in naming["Action"] if "Put" in action] == ["ecr:PutImage"]
    assert running["Action"] == ["s3:GetObject"]
    assert running["Resource"][0].endswith("/dev/.pulumi/stacks/transcriber-service/dev.json")
