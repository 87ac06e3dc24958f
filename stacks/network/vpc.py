"""The VPC: subnets in every zone, ways out by configuration, S3 without a way out."""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_awsx as awsx

from stacks import contract, iam
from stacks.contract import Stack
from stacks.network.addresses import plan
from stacks.program import Place

NAT = {
    "none": awsx.ec2.NatGatewayStrategy.NONE,
    "single": awsx.ec2.NatGatewayStrategy.SINGLE,
    "per_az": awsx.ec2.NatGatewayStrategy.ONE_PER_AZ,
}


@dataclass(frozen=True, kw_only=True)
class VpcArgs:
    name: str
    place: Place
    cidr: str
    zones: int
    nat_gateways: str
    """single, per_az or none."""


class Vpc(pulumi.ComponentResource):
    """Two or more zones, each with a public subnet (load balancer, NAT) and a private one (tasks)."""

    def __init__(self, name: str, args: VpcArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("transcriber:network:Vpc", name, None, opts)
        blocks = plan(args.cidr, args.zones)
        vpc = awsx.ec2.Vpc(
            args.name,
            cidr_block=args.cidr,
            number_of_availability_zones=args.zones,
            enable_dns_hostnames=True,
            nat_gateways=awsx.ec2.NatGatewayConfigurationArgs(strategy=NAT[args.nat_gateways]),
            subnet_strategy=awsx.ec2.SubnetAllocationStrategy.AUTO,
            subnet_specs=[
                _subnets(awsx.ec2.SubnetType.PUBLIC, blocks.public),
                _subnets(awsx.ec2.SubnetType.PRIVATE, blocks.private),
            ],
            vpc_endpoint_strategy=awsx.ec2.VpcEndpointStrategy.AUTO,
            vpc_endpoint_specs=[_s3_gateway(args.place)],
            tags=contract.tags(Stack.NETWORK, args.name),
            opts=pulumi.ResourceOptions(parent=self),
        )
        # An empty one: nothing that names no security group of its own reaches anything.
        aws.ec2.DefaultSecurityGroup(
            "default",
            vpc_id=vpc.vpc_id,
            ingress=[],
            egress=[],
            tags=contract.tags(Stack.NETWORK, f"{args.name}-default-closed"),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.id = vpc.vpc_id
        self.public_subnet_ids = vpc.public_subnet_ids
        self.private_subnet_ids = vpc.private_subnet_ids
        self.register_outputs({"id": self.id})


def _subnets(kind: awsx.ec2.SubnetType, blocks: list[str]) -> awsx.ec2.SubnetSpecArgs:
    return awsx.ec2.SubnetSpecArgs(type=kind, name=kind.value.lower(), cidr_blocks=blocks)


def _s3_gateway(place: Place) -> awsx.ec2.VpcEndpointSpecArgs:
    return awsx.ec2.VpcEndpointSpecArgs(
        service_name=f"com.amazonaws.{place.region}.s3",
        policy=pulumi.Output.json_dumps(s3_endpoint_policy(place)),
        tags=contract.tags(Stack.NETWORK, "s3"),
    )


def s3_endpoint_policy(place: Place) -> dict[str, Any]:
    """Buckets of this account, and those where ECR keeps the layers of images: without these a pull hangs."""
    own: dict[str, Any] = {
        "Sid": "OwnBuckets",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:ResourceAccount": place.account}},
    }
    layers: dict[str, Any] = {
        "Sid": "EcrLayers",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:{place.partition}:s3:::prod-{place.region}-starport-layer-bucket/*",
    }
    return iam.document(own, layers)
