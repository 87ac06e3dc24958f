"""Which actions the types of resource take that the stacks use, from CloudFormation's schemas."""

import ast
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, cast

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

ROOT = Path(__file__).resolve().parents[1]
REGION = "us-east-1"
"""Whose schemas are read; permissions do not differ by region."""
HANDLERS = ("create", "read", "update", "delete")
"""Pulumi does not list."""

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
    "ecr.RepositoryPolicy": ("ECR::Repository",),
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

READS = re.compile(r"\w[\w-]*:(BatchCheck|BatchGet|Describe|Get|List)\w*\*?")
UNUSED = re.compile(
    "autoscaling:|cognito-idp:|firehose:|kms:|lambda:|s3tables:|vpc-lattice:|vpce:"  # parts of features not used here
    "|iam:(AttachRolePolicy|CreateServiceLinkedRole|DetachRolePolicy|PassRole|UpdateRole$|.*PermissionsBoundary)"
    "|application-autoscaling:.*ScheduledAction|cloudwatch:GetMetricData|ec2:(AcceptAddressTransfer|AssociateAddress)"
    "|ec2:.*(PrivateNatGatewayAddress|SubnetCidrBlock|VpnGateway|VpcEncryption|VpcTenancy|Ipam|Instances|NatGatewayAddress)"
    "|ec2:(DescribeTags|UpdateSecurityGroupRuleDescriptions.*)|ecr:BatchDeleteImage"
    "|ecs:(DeregisterTaskDefinition|DescribeCapacityProviders|ListTagsForResource|PutAccountSetting|StopServiceDeployment)"
    "|ecs:UpdateClusterSettings"  # the provider has UpdateCluster for them
    "|elasticloadbalancing:(Modify|Describe)(CapacityReservation|IpPools)|elasticloadbalancing:SetIpAddressType"
    "|elasticloadbalancing:(DeregisterTargets|DescribeTargetHealth|RegisterTargets)"  # ECS does that
    "|logs:(.*(BearerToken|DataProtection|IndexPolic|LogDelivery|ResourcePolic|Kms|DeletionProtection).*)"
    "|logs:DeleteRetentionPolicy|route53:ListHostedZones$"
    "|s3:.*(Abac|Analytics|Cors|Intelligent|Inventory|Metadata|Metrics|Notification|ObjectLock|Replication|Website)"
    "|s3:(DeleteBucketEncryption|DeleteBucketLifecycle|PutBucketAcl|PutObjectAcl|PutAccelerate.*|PutBucketCORS)"
    "|s3:(PutBucketLogging|REST.*|ListAllMyBuckets)"
    "|s3:PutBucketTagging"  # the provider falls back to it where it may not TagResource
    "|sns:.*DataProtection|sns:ListSubscriptionsByTopic|sns:SetSubscriptionAttributes"
)
"""Of the schemas, what belongs to properties that no stack sets, or is no call of Pulumi's provider."""


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
    handlers: dict[str, Any] = found.schema["handlers"]
    return frozenset(action for name in HANDLERS if name in handlers for action in handlers[name]["permissions"])
