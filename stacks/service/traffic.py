"""How clients reach the tasks: from the load balancer alone, by a rule of its listener."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks import contract
from stacks.contract import AlbOutputs, NetworkOutputs, Stack
from stacks.service.container import HEALTH_PATH, METRICS_PATH, PORT

PRIORITY = 100
"""Of the service's rule; what must not reach it comes before."""


@dataclass(frozen=True, kw_only=True)
class TrafficArgs:
    name: str
    alb: AlbOutputs
    network: NetworkOutputs
    deregistration_seconds: int


class Traffic(pulumi.ComponentResource):
    """`open` is what must be there before a task is registered."""

    def __init__(self, name: str, args: TrafficArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("transcriber:service:Traffic", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.target_group = _target_group(args, child)
        group = aws.ec2.SecurityGroup(
            f"{args.name}-tasks",
            description="Tasks of the transcription service",
            vpc_id=args.network.vpc_id,
            tags=contract.tags(Stack.SERVICE, f"{args.name}-tasks"),
            opts=child,
        )
        self.security_group_id = group.id
        self.open: list[pulumi.Resource] = [
            *_doors(group, args.alb.security_group_id, child),
            _hide_metrics(args.alb, child),
            _forward(args.alb, self.target_group, child),
        ]
        self.register_outputs({"target_group": self.target_group.arn})


def _target_group(args: TrafficArgs, opts: pulumi.ResourceOptions) -> aws.lb.TargetGroup:
    return aws.lb.TargetGroup(
        args.name,
        vpc_id=args.network.vpc_id,
        target_type="ip",
        port=PORT,
        protocol="HTTP",
        # Sessions differ in length: the next goes where the fewest are.
        load_balancing_algorithm_type="least_outstanding_requests",
        deregistration_delay=args.deregistration_seconds,
        health_check=aws.lb.TargetGroupHealthCheckArgs(
            path=HEALTH_PATH,
            matcher="200",
            interval=10,
            timeout=5,
            healthy_threshold=2,
            unhealthy_threshold=3,
        ),
        tags=contract.tags(Stack.SERVICE),
        opts=opts,
    )


def _doors(
    tasks: aws.ec2.SecurityGroup, balancer: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    inwards = aws.vpc.SecurityGroupIngressRule(
        "tasks-from-alb",
        security_group_id=tasks.id,
        description="Sessions and health checks, from the load balancer",
        referenced_security_group_id=balancer,
        ip_protocol="tcp",
        from_port=PORT,
        to_port=PORT,
        opts=opts,
    )
    to_tasks = aws.vpc.SecurityGroupEgressRule(
        "alb-to-tasks",
        security_group_id=balancer,
        description="Sessions and health checks, to the transcription service",
        referenced_security_group_id=tasks.id,
        ip_protocol="tcp",
        from_port=PORT,
        to_port=PORT,
        opts=opts,
    )
    outwards = aws.vpc.SecurityGroupEgressRule(
        "tasks-to-https",
        security_group_id=tasks.id,
        description="The engine, S3 and other services of AWS",
        cidr_ipv4="0.0.0.0/0",
        ip_protocol="tcp",
        from_port=443,
        to_port=443,
        opts=opts,
    )
    return [inwards, to_tasks, outwards]


def _hide_metrics(alb: AlbOutputs, opts: pulumi.ResourceOptions) -> aws.lb.ListenerRule:
    """They ask for no key, and are for whoever runs the service."""
    nothing = aws.lb.ListenerRuleActionFixedResponseArgs(
        content_type="application/json", message_body='{"error": {"code": "not_found"}}', status_code="404"
    )
    return aws.lb.ListenerRule(
        "metrics",
        listener_arn=alb.listener_arn,
        priority=PRIORITY - 1,
        conditions=[_paths(METRICS_PATH, f"{METRICS_PATH}/*")],
        actions=[aws.lb.ListenerRuleActionArgs(type="fixed-response", fixed_response=nothing)],
        tags=contract.tags(Stack.SERVICE),
        opts=opts,
    )


def _forward(alb: AlbOutputs, target: aws.lb.TargetGroup, opts: pulumi.ResourceOptions) -> aws.lb.ListenerRule:
    """What was asked for by its name: not by an address that a scanner found."""
    by_name = aws.lb.ListenerRuleConditionHostHeaderArgs(values=[alb.host.apply(str.lower)])
    return aws.lb.ListenerRule(
        "service",
        listener_arn=alb.listener_arn,
        priority=PRIORITY,
        conditions=[aws.lb.ListenerRuleConditionArgs(host_header=by_name)],
        actions=[aws.lb.ListenerRuleActionArgs(type="forward", target_group_arn=target.arn)],
        tags=contract.tags(Stack.SERVICE),
        opts=opts,
    )


def _paths(*paths: str) -> aws.lb.ListenerRuleConditionArgs:
    return aws.lb.ListenerRuleConditionArgs(
        path_pattern=aws.lb.ListenerRuleConditionPathPatternArgs(values=list(paths))
    )
