"""A log of every connection in the VPC."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks import contract, iam
from stacks.contract import Stack
from stacks.program import Place


@dataclass(frozen=True, kw_only=True)
class FlowLogsArgs:
    name: str
    place: Place
    vpc_id: pulumi.Input[str]
    days: int
    permissions_boundary: str | None


class FlowLogs(pulumi.ComponentResource):
    def __init__(self, name: str, args: FlowLogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("transcriber:network:FlowLogs", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        group = aws.cloudwatch.LogGroup(
            "flow-logs",
            name=f"/{contract.PRODUCT}/{args.name}",
            retention_in_days=args.days,
            tags=contract.tags(Stack.NETWORK),
            opts=child,
        )
        trusted = iam.trust(
            "vpc-flow-logs.amazonaws.com",
            account=args.place.account,
            source_arn=args.place.arn("ec2", "vpc-flow-log/*"),
        )
        role = aws.iam.Role(
            args.name,
            description="Writes the flow log of a VPC",
            assume_role_policy=pulumi.Output.json_dumps(trusted),
            permissions_boundary=args.permissions_boundary,
            tags=contract.tags(Stack.NETWORK),
            opts=child,
        )
        permission = aws.iam.RolePolicy(
            "flow-logs",
            role=role.id,
            policy=pulumi.Output.json_dumps(flow_logs_policy(group.arn)),
            opts=child,
        )
        aws.ec2.FlowLog(
            "flow-logs",
            vpc_id=args.vpc_id,
            traffic_type="ALL",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            max_aggregation_interval=600,
            tags=contract.tags(Stack.NETWORK, args.name),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[permission]),
        )
        self.register_outputs({})


def flow_logs_policy(group_arn: iam.Arn) -> iam.Document:
    streams = pulumi.Output.concat(group_arn, ":*")
    return iam.document(
        iam.allow(["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"], [streams]),
    )
