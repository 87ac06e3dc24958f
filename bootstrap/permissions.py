"""What the roles may do. `python -m bootstrap.permissions` writes it into template.yaml."""

import sys
from collections.abc import Iterable
from typing import Any, cast

import yaml

from bootstrap import scopes
from bootstrap.boundary import boundary
from bootstrap.derived import READS, derived, used
from bootstrap.scopes import ENVIRONMENTS, Statement, allow
from bootstrap.template import TEMPLATE

MARK = "  # Policies: written by `python -m bootstrap.permissions`.\n"
BUILDER = "dev"
"""From whose registry all environments run."""

IMPLIED_READS = (
    "acm:DescribeCertificate",
    "acm:ListTagsForCertificate",
    "application-autoscaling:ListTagsForResource",
    "ec2:Describe*",
    "ecr:DescribeImages",
    "ecr:GetAuthorizationToken",
    "ecs:DescribeTasks",
    "ecs:ListTasks",
    "elasticloadbalancing:Describe*",
    "iam:ListInstanceProfilesForRole",
    "route53:ListHostedZones",
    "route53:ListTagsForResource",
    "s3:GetAccelerateConfiguration",
    "s3:GetBucket*",
    "s3:GetReplicationConfiguration",
    "ssm:GetParametersByPath",
)
"""What the provider, the check after an `up` and the scripts read, and no type implies. None gives data or secrets:
those of SSM come without decryption, and decrypting is denied."""
IMPLIED_WRITES = (
    "acm:AddTagsToCertificate",
    "acm:DeleteCertificate",
    "acm:RemoveTagsFromCertificate",
    "acm:RequestCertificate",
    "ec2:ModifySecurityGroupRules",
    "iam:PutRolePermissionsBoundary",
    "s3:DeleteObjectVersion",
    "s3:ListBucketVersions",
)
"""Certificates; rules of security groups; the bounds of roles; emptying what is deleted with its contents."""
PUSH = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:GetDownloadUrlForLayer",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
)
"""What a builder does with a registry."""
TAGGING = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:PutImage")
"""What giving an image one more name takes."""


def reads() -> list[str]:
    """What looking at every resource takes."""
    exact = {action for action in derived(used()) if READS.fullmatch(action)} | set(IMPLIED_READS)
    patterns = tuple(action.rstrip("*") for action in exact if action.endswith("*"))
    return sorted(action for action in exact if action.endswith("*") or not action.startswith(patterns))


def writes() -> dict[str, list[str]]:
    """What making, changing and deleting them takes beyond looking, by service."""
    found = {action for action in derived(used()) if not READS.fullmatch(action)}
    actions = found.union(IMPLIED_WRITES, PUSH)
    services = sorted({action.partition(":")[0] for action in actions})
    return {service: sorted(each for each in actions if each.startswith(f"{service}:")) for service in services}


def looking() -> list[Statement]:
    """By name where names are the product's own, everywhere where AWS gives them."""
    named = ("ecr", "iam", "s3", "ssm")
    actions = [action for action in reads() if action != "ecr:GetAuthorizationToken"]
    own = [action for action in actions if action.startswith(tuple(f"{service}:" for service in named))]
    rest = [action for action in actions if action not in own]
    return [
        allow(["ecr:GetAuthorizationToken", *rest], ["*"]),
        allow(own, scopes.everything_named()),
    ]


def changes(environment: str, services: Iterable[str]) -> list[Statement]:
    return [
        statement
        for service, actions in writes().items()
        if service in services
        for statement in scopes.statements(service, actions, environment)
    ]


def handing_over(environment: str) -> list[Statement]:
    """Roles that are given to a service of AWS, and those that such services make for themselves."""
    makers = ("ecs", "elasticloadbalancing", "ecs.application-autoscaling")
    passed = {"StringEquals": {"iam:PassedToService": ["ecs-tasks.amazonaws.com", "vpc-flow-logs.amazonaws.com"]}}
    linked = {"StringEquals": {"iam:AWSServiceName": [f"{name}.amazonaws.com" for name in makers]}}
    linked_roles = ["arn:${AWS::Partition}:iam::${AWS::AccountId}:role/aws-service-role/*"]
    return [
        allow(["iam:PassRole"], scopes.arns("iam", environment), passed),
        allow(["iam:CreateServiceLinkedRole"], linked_roles, linked),
    ]


def state(environment: str) -> list[Statement]:
    """Pulumi's state of the environment and the key of its secrets. All else stays encrypted, but for the key that the
    smoke test shows."""
    bucket, key = "${StateBucket.Arn}", f"${{StateKey{environment.capitalize()}.Arn}}"
    smoke = f"{scopes.PARAMETERS}/transcriber/{environment}/smoke-api-key"
    deny: Statement = {"Effect": "Deny", "Action": ["kms:Decrypt"], "NotResource": [key]}
    deny["Condition"] = {"StringNotEquals": {"kms:EncryptionContext:PARAMETER_ARN": smoke}}
    return [
        allow(["s3:ListBucket"], [bucket], {"StringLike": {"s3:prefix": [f"{environment}/*"]}}),
        allow(["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], [f"{bucket}/{environment}/*"]),
        allow(["kms:Decrypt", "kms:Encrypt"], [key]),
        allow(["ssm:GetParameter"], [smoke]),
        deny,
    ]


def promoting() -> list[Statement]:
    """The image that another environment runs is given a name in the builder's registry, so that it is kept there;
    which one the builder runs is in its state."""
    repository = f"arn:${{AWS::Partition}}:ecr:${{AWS::Region}}:*:repository/transcriber-{BUILDER}"
    outputs = f"${{StateBucket.Arn}}/{BUILDER}/.pulumi/stacks/transcriber-service/{BUILDER}.json"
    return [allow(list(TAGGING), [repository]), allow(["s3:GetObject"], [outputs])]


def previewing() -> list[Statement]:
    """The states of all environments without what is encrypted in them: nothing is decrypted."""
    return [
        allow(["s3:ListBucket"], ["${StateBucket.Arn}"]),
        allow(["s3:GetObject"], ["${StateBucket.Arn}/*/.pulumi/stacks/*"]),
        {"Effect": "Deny", "Action": ["kms:Decrypt"], "Resource": ["*"]},
    ]


def policies() -> dict[str, list[Statement]]:
    """Statements of each managed policy, by the name of its resource."""
    made = {"LookPolicy": looking(), "PreviewPolicy": previewing()}
    for environment in ENVIRONMENTS:
        name = environment.capitalize()
        network = ("ec2", "elasticloadbalancing")
        made[f"{name}Boundary"] = boundary(environment)
        made[f"{name}NetworkPolicy"] = changes(environment, network)
        made[f"{name}ServicePolicy"] = [
            *changes(environment, writes().keys() - set(network)),
            *handing_over(environment),
        ]
        made[f"{name}StatePolicy"] = [*state(environment), *([] if environment == BUILDER else promoting())]
    return made


def resources() -> dict[str, Any]:
    """As the template has them."""
    return {name: _resource(name, statements) for name, statements in policies().items()}


def _resource(name: str, statements: list[Statement]) -> dict[str, Any]:
    owner = next((each for each in ENVIRONMENTS if name.startswith(each.capitalize())), "")
    condition = {"Condition": f"Has{owner.capitalize()}"} if owner else {}
    called = {"ManagedPolicyName": f"transcriber-boundary-{owner}"} if name.endswith("Boundary") else {}
    document = {"Version": "2012-10-17", "Statement": _substituted(statements)}
    return {"Type": "AWS::IAM::ManagedPolicy", **condition, "Properties": {**called, "PolicyDocument": document}}


def _substituted(value: Any) -> Any:
    """With !Sub where a text has something to put in."""
    if isinstance(value, dict):
        return {key: _substituted(each) for key, each in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_substituted(each) for each in cast("list[Any]", value)]
    return {"Fn::Sub": value} if isinstance(value, str) and "${" in value else value


class _Plain(yaml.SafeDumper):
    """Writes out what occurs twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def rendered() -> str:
    """The policies as the lines of YAML that follow the mark."""
    text = yaml.dump(resources(), Dumper=_Plain, sort_keys=False, width=110)
    return "".join(f"  {line}\n" for line in text.splitlines())


def main() -> int:
    head, mark, _ = TEMPLATE.read_text().partition(MARK)
    TEMPLATE.write_text(head + mark + rendered())
    return 0


if __name__ == "__main__":
    sys.exit(main())
