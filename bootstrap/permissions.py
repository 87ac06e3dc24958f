"""What the roles may do, derived from the types of resource that the stacks use. `python -m bootstrap.permissions`
writes it into template.yaml."""

import ast
import re
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = Path(__file__).with_name("template.yaml")
MARK = "  # Policies: written by `python -m bootstrap.permissions`.\n"
ENVIRONMENTS = ("dev", "prod")
REGION = "us-east-1"
"""Whose schemas are read; permissions do not differ by region."""

VPC_PARTS = (
    "EC2::VPC",
    "EC2::Subnet",
    "EC2::InternetGateway",
    "EC2::VPCGatewayAttachment",
    "EC2::NatGateway",
    "EC2::EIP",
    "EC2::RouteTable",
    "EC2::Route",
    "EC2::SubnetRouteTableAssociation",
    "EC2::VPCEndpoint",
)
"""What awsx.ec2.Vpc makes."""
KINDS: dict[str, tuple[str, ...]] = {
    "acm.Certificate": (),
    "acm.CertificateValidation": (),
    "appautoscaling.Policy": ("ApplicationAutoScaling::ScalingPolicy",),
    "appautoscaling.Target": ("ApplicationAutoScaling::ScalableTarget",),
    "cloudwatch.Dashboard": ("CloudWatch::Dashboard",),
    "cloudwatch.LogGroup": ("Logs::LogGroup",),
    "cloudwatch.MetricAlarm": ("CloudWatch::Alarm",),
    "ec2.DefaultSecurityGroup": ("EC2::SecurityGroup",),
    "ec2.FlowLog": ("EC2::FlowLog",),
    "ec2.SecurityGroup": ("EC2::SecurityGroup",),
    "ec2.Vpc": VPC_PARTS,
    "ec2.VpcEndpoint": ("EC2::VPCEndpoint",),
    "ecr.LifecyclePolicy": ("ECR::Repository",),
    "ecr.Repository": ("ECR::Repository",),
    "ecs.Cluster": ("ECS::Cluster",),
    "ecs.ClusterCapacityProviders": ("ECS::ClusterCapacityProviderAssociations",),
    "ecs.Service": ("ECS::Service",),
    "ecs.TaskDefinition": ("ECS::TaskDefinition",),
    "iam.Role": ("IAM::Role",),
    "iam.RolePolicy": ("IAM::RolePolicy",),
    "lb.Listener": ("ElasticLoadBalancingV2::Listener",),
    "lb.ListenerRule": ("ElasticLoadBalancingV2::ListenerRule",),
    "lb.LoadBalancer": ("ElasticLoadBalancingV2::LoadBalancer",),
    "lb.TargetGroup": ("ElasticLoadBalancingV2::TargetGroup",),
    "route53.Record": ("Route53::RecordSet",),
    "s3.Bucket": ("S3::Bucket",),
    "s3.BucketLifecycleConfiguration": ("S3::Bucket",),
    "s3.BucketOwnershipControls": ("S3::Bucket",),
    "s3.BucketPolicy": ("S3::BucketPolicy",),
    "s3.BucketPublicAccessBlock": ("S3::Bucket",),
    "s3.BucketServerSideEncryptionConfiguration": ("S3::Bucket",),
    "s3.BucketVersioning": ("S3::Bucket",),
    "sns.Topic": ("SNS::Topic",),
    "sns.TopicPolicy": ("SNS::TopicInlinePolicy",),
    "sns.TopicSubscription": ("SNS::Subscription",),
    "vpc.SecurityGroupEgressRule": ("EC2::SecurityGroupEgress",),
    "vpc.SecurityGroupIngressRule": ("EC2::SecurityGroupIngress",),
}
"""Types of CloudFormation by what a program calls. Those of ACM have no schema."""

UNUSED = re.compile(
    "autoscaling:|cognito-idp:|firehose:|kms:|lambda:|s3tables:|vpc-lattice:|vpce:"  # parts of features not used here
    "|iam:(AttachRolePolicy|CreateServiceLinkedRole|DetachRolePolicy|PassRole|.*PermissionsBoundary)"
    "|application-autoscaling:.*ScheduledAction|ecs:PutAccountSetting|ec2:AcceptAddressTransfer"
    "|ec2:.*(PrivateNatGatewayAddress|SubnetCidrBlock|VpnGateway|VpcEncryption|VpcTenancy|Ipam|Instances|NatGatewayAddress)"
    "|elasticloadbalancing:(Modify|Describe)(CapacityReservation|IpPools)"
    "|logs:(.*(BearerToken|DataProtection|IndexPolic|LogDelivery|ResourcePolic|Kms|DeletionProtection).*)"
    "|s3:.*(Abac|Analytics|Cors|Intelligent|Inventory|Metadata|Metrics|Notification|ObjectLock|Replication|Website)"
    "|s3:(DeleteBucketEncryption|DeleteBucketLifecycle|PutBucketAcl|PutObjectAcl|PutAccelerate.*|PutBucketCORS)"
    "|s3:(PutBucketLogging|REST.*|ListAllMyBuckets)"
    "|sns:.*DataProtection"
)
"""Of the schemas, what belongs to properties that no stack sets."""
READS = re.compile(r"\w[\w-]*:(BatchCheck|BatchGet|Describe|Get|List)\w*\*?")

IMPLIED_READS = (
    "acm:DescribeCertificate",
    "acm:ListTagsForCertificate",
    "application-autoscaling:ListTagsForResource",
    "ec2:Describe*",
    "ecr:DescribeImages",
    "ecr:GetAuthorizationToken",
    "ecr:BatchGetImage",
    "ecr:ListImages",
    "ecs:ListTasks",
    "ecs:DescribeTasks",
    "elasticloadbalancing:Describe*",
    "iam:ListInstanceProfilesForRole",
    "s3:GetBucket*",
    "s3:GetAccelerateConfiguration",
    "s3:GetReplicationConfiguration",
    "ssm:DescribeParameters",
    "ssm:GetParametersByPath",
    "sts:GetCallerIdentity",
)
"""What the provider, the check after an `up` and the scripts read, and no type implies. None gives data or secrets:
those of SSM come without decryption, and decrypting is denied."""
IMPLIED_WRITES = (
    "acm:AddTagsToCertificate",
    "acm:DeleteCertificate",
    "acm:RemoveTagsFromCertificate",
    "acm:RequestCertificate",
    "ec2:ModifySecurityGroupRules",
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchDeleteImage",
    "ecr:CompleteLayerUpload",
    "ecr:GetDownloadUrlForLayer",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
    "s3:DeleteObjectVersion",
    "s3:ListBucketVersions",
)
"""Certificates; rules of security groups; pushing images; emptying what is deleted with its contents."""


@cache
def used() -> set[str]:
    """What the programs make, as module and class of pulumi_aws."""
    found: set[str] = set()
    for path in sorted((ROOT / "stacks").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and (call := re.fullmatch(r"awsx?\.(\w+\.[A-Z]\w*)", ast.unparse(node.func))):
                found.add(call[1])
    return {name for name in found if not name.endswith("Args")}


def derived(kinds: Iterable[str]) -> set[str]:
    """The actions of the handlers of these kinds. KeyError: one that is not known here."""
    actions: set[str] = set()
    for kind in {each for name in kinds for each in KINDS[name]}:
        actions |= _handled(kind)
    return {action for action in actions if not UNUSED.match(action)}


@cache
def _handled(kind: str) -> frozenset[str]:
    found = cast("Any", PROVIDER_SCHEMA_MANAGER).get_resource_schema(REGION, f"AWS::{kind}")
    schema: dict[str, Any] = found.schema
    return frozenset(action for handler in schema["handlers"].values() for action in handler["permissions"])


def reads() -> list[str]:
    """What looking at every resource takes."""
    exact = {action for action in derived(used()) if READS.fullmatch(action)} | set(IMPLIED_READS)
    patterns = tuple(action.rstrip("*") for action in exact if action.endswith("*"))
    return sorted(action for action in exact if action.endswith("*") or not action.startswith(patterns))


def writes() -> dict[str, list[str]]:
    """What making, changing and deleting them takes beyond looking, by service."""
    actions = {action for action in derived(used()) if not READS.fullmatch(action)} | set(IMPLIED_WRITES)
    services = sorted({action.partition(":")[0] for action in actions})
    return {service: sorted(each for each in actions if each.startswith(f"{service}:")) for service in services}


def scope(service: str, environment: str) -> list[str]:
    """What an environment's role may change of a service, as its names have it."""
    own = f"transcriber-{environment}"
    regional = f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:"
    everywhere = f"arn:${{AWS::Partition}}:{service}:"
    return {
        "acm": [f"{regional}certificate/*"],
        "application-autoscaling": [f"{regional}scalable-target/*"],
        "cloudwatch": [f"{regional}alarm:{own}*", f"{everywhere}:${{AWS::AccountId}}:dashboard/{own}"],
        "ec2": ["*"],
        "ecr": [f"{regional}repository/{own}"],
        "ecs": ["*"],
        "elasticloadbalancing": [
            f"{regional}loadbalancer/app/{own}/*",
            f"{regional}listener/app/{own}/*",
            f"{regional}listener-rule/app/{own}/*",
            f"{regional}targetgroup/*",
        ],
        "iam": [f"{everywhere}:${{AWS::AccountId}}:role/{own}-*"],
        "logs": [f"{regional}log-group:/transcriber/{own}*"],
        "route53": [f"{everywhere}::hostedzone/*"],
        "s3": [f"{everywhere}::{own}-*"],
        "sns": [f"{regional}{own}*"],
    }[service]


Statement = dict[str, Any]


def allow(actions: list[str], resources: list[Any], condition: dict[str, Any] | None = None) -> Statement:
    statement: Statement = {"Effect": "Allow", "Action": actions, "Resource": resources}
    return {**statement, "Condition": condition} if condition else statement


def in_region() -> dict[str, Any]:
    return {"StringEquals": {"aws:RequestedRegion": "${AWS::Region}"}}


def changes(environment: str, services: Iterable[str]) -> list[Statement]:
    return [
        allow(actions, scope(service, environment), in_region() if scope(service, environment) == ["*"] else None)
        for service, actions in writes().items()
        if service in services
    ]


def handing_over(environment: str) -> list[Statement]:
    """Roles that are given to a service of AWS, and those that such services make for themselves."""
    roles = scope("iam", environment)
    makers = ("ecs", "elasticloadbalancing", "ecs.application-autoscaling")
    passed = {"StringEquals": {"iam:PassedToService": ["ecs-tasks.amazonaws.com", "vpc-flow-logs.amazonaws.com"]}}
    linked = {"StringEquals": {"iam:AWSServiceName": [f"{name}.amazonaws.com" for name in makers]}}
    return [
        allow(["iam:PassRole"], roles, passed),
        allow(
            ["iam:CreateServiceLinkedRole"],
            ["arn:${AWS::Partition}:iam::${AWS::AccountId}:role/aws-service-role/*"],
            linked,
        ),
    ]


def state(*, writable: bool, environment: str = "") -> list[Statement]:
    """Pulumi's state and the key of its secrets. All else stays encrypted, but for the smoke test's key."""
    bucket, key = "${StateBucket.Arn}", "${StateKey.Arn}"
    objects = ["s3:GetObject", *(["s3:PutObject", "s3:DeleteObject"] if writable else [])]
    parameters = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter"
    smoke = f"{parameters}/transcriber/{environment}/smoke-api-key"
    deny: Statement = {"Effect": "Deny", "Action": ["kms:Decrypt"], "NotResource": [key]}
    statements = [
        allow(["s3:ListBucket"], [bucket]),
        allow(objects, [f"{bucket}/*"]),
        allow(["kms:Decrypt", *(["kms:Encrypt"] if writable else [])], [key]),
    ]
    if environment:
        statements.append(allow(["ssm:GetParameter"], [smoke]))
        deny["Condition"] = {"StringNotEquals": {"kms:EncryptionContext:PARAMETER_ARN": smoke}}
    return [*statements, deny]


def policies() -> dict[str, list[Statement]]:
    """Statements of each managed policy, by the name of its resource."""
    looking = [allow(reads(), ["*"])]
    made = {"PreviewPolicy": [*looking, *state(writable=False)]}
    for environment in ENVIRONMENTS:
        name = environment.capitalize()
        rest = set(writes()) - {"ec2", "elasticloadbalancing"}
        made[f"{name}NetworkPolicy"] = changes(environment, {"ec2", "elasticloadbalancing"})
        made[f"{name}ServicePolicy"] = [*changes(environment, rest), *handing_over(environment)]
        made[f"{name}StatePolicy"] = [*looking, *state(writable=True, environment=environment)]
    # The image that prod runs is tagged in the registry of dev, so that it is kept there.
    tagging = ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:PutImage"]
    made["ProdServicePolicy"].append(allow(tagging, scope("ecr", "dev")))
    return made


def resources() -> dict[str, Any]:
    """As the template has them."""
    return {
        name: {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {"PolicyDocument": {"Version": "2012-10-17", "Statement": _substituted(statements)}},
        }
        for name, statements in policies().items()
    }


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
