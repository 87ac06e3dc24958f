"""Ways from the tasks to services of AWS, for a network that has no way out."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks import contract
from stacks.contract import Stack
from stacks.program import Place

SERVICES = ("ecr.api", "ecr.dkr", "logs", "ssm", "ssmmessages")
"""What starting and running a task needs, and a shell in it (ssmmessages); S3 has a gateway."""


@dataclass(frozen=True, kw_only=True)
class EndpointsArgs:
    name: str
    place: Place
    vpc_id: pulumi.Input[str]
    vpc_cidr: str
    subnet_ids: pulumi.Input[list[str]]


class Endpoints(pulumi.ComponentResource):
    """One for each of SERVICES, in every zone, for everything in the VPC."""

    def __init__(self, name: str, args: EndpointsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("transcriber:network:Endpoints", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        group = aws.ec2.SecurityGroup(
            f"{args.name}-endpoints",
            description="Services of AWS, for what is in the VPC",
            vpc_id=args.vpc_id,
            tags=contract.tags(Stack.NETWORK, f"{args.name}-endpoints"),
            opts=child,
        )
        aws.vpc.SecurityGroupIngressRule(
            "endpoints-https",
            security_group_id=group.id,
            description="HTTPS from the VPC",
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            cidr_ipv4=args.vpc_cidr,
            opts=child,
        )
        for service in SERVICES:
            aws.ec2.VpcEndpoint(
                service,
                vpc_id=args.vpc_id,
                service_name=f"com.amazonaws.{args.place.region}.{service}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=args.subnet_ids,
                security_group_ids=[group.id],
                tags=contract.tags(Stack.NETWORK, f"{args.name}-{service}"),
                opts=child,
            )
        self.register_outputs({})
