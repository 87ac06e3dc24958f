"""The application load balancer: one public listener that knows nobody until a service adds its rule."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks import contract
from stacks.alb.access_logs import AccessLogs
from stacks.contract import Stack

TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
NOT_FOUND = '{"error": {"code": "not_found", "message": "Nothing is here."}}'


@dataclass(frozen=True, kw_only=True)
class LoadBalancerArgs:
    name: str
    vpc_id: pulumi.Input[str]
    subnet_ids: pulumi.Input[list[str]]
    idle_seconds: int
    protected: bool
    certificate_arn: pulumi.Input[str] | None
    """Without one there is plain HTTP."""
    access_logs: AccessLogs | None


class LoadBalancer(pulumi.ComponentResource):
    """Its security group has no way to any target: a service that wants traffic adds it."""

    def __init__(self, name: str, args: LoadBalancerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("transcriber:alb:LoadBalancer", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        secure = args.certificate_arn is not None
        group = aws.ec2.SecurityGroup(
            f"{args.name}-alb",
            description="Load balancer, from the internet",
            vpc_id=args.vpc_id,
            tags=contract.tags(Stack.ALB, f"{args.name}-alb"),
            opts=child,
        )
        for port in (80, 443) if secure else (80,):
            _open(port, group, child)
        self.balancer = _balancer(args, group, self)
        plain = _plain_listener(self.balancer, _redirect() if secure else _not_found(), child)
        if args.certificate_arn is not None:
            self.listener = aws.lb.Listener(
                "https",
                load_balancer_arn=self.balancer.arn,
                port=443,
                protocol="HTTPS",
                ssl_policy=TLS_POLICY,
                certificate_arn=args.certificate_arn,
                default_actions=[_not_found()],
                tags=contract.tags(Stack.ALB),
                opts=child,
            )
        else:
            self.listener = plain
        self.security_group_id = group.id
        self.register_outputs({"dns_name": self.balancer.dns_name})


def _open(port: int, group: aws.ec2.SecurityGroup, opts: pulumi.ResourceOptions) -> None:
    aws.vpc.SecurityGroupIngressRule(
        f"from-internet-{port}",
        security_group_id=group.id,
        description="From everywhere",
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        cidr_ipv4="0.0.0.0/0",
        opts=opts,
    )


def _balancer(args: LoadBalancerArgs, group: aws.ec2.SecurityGroup, parent: pulumi.Resource) -> aws.lb.LoadBalancer:
    logs = args.access_logs
    return aws.lb.LoadBalancer(
        args.name,
        load_balancer_type="application",
        subnets=args.subnet_ids,
        security_groups=[group.id],
        idle_timeout=args.idle_seconds,
        drop_invalid_header_fields=True,
        desync_mitigation_mode="defensive",
        enable_deletion_protection=args.protected,
        access_logs=aws.lb.LoadBalancerAccessLogsArgs(bucket=logs.bucket_name, enabled=True) if logs else None,
        tags=contract.tags(Stack.ALB),
        opts=pulumi.ResourceOptions(parent=parent, protect=args.protected, depends_on=[logs.ready] if logs else None),
    )


def _plain_listener(
    balancer: aws.lb.LoadBalancer, action: aws.lb.ListenerDefaultActionArgs, opts: pulumi.ResourceOptions
) -> aws.lb.Listener:
    return aws.lb.Listener(
        "http",
        load_balancer_arn=balancer.arn,
        port=80,
        protocol="HTTP",
        default_actions=[action],
        tags=contract.tags(Stack.ALB),
        opts=opts,
    )


def _redirect() -> aws.lb.ListenerDefaultActionArgs:
    return aws.lb.ListenerDefaultActionArgs(
        type="redirect",
        redirect=aws.lb.ListenerDefaultActionRedirectArgs(port="443", protocol="HTTPS", status_code="HTTP_301"),
    )


def _not_found() -> aws.lb.ListenerDefaultActionArgs:
    return aws.lb.ListenerDefaultActionArgs(
        type="fixed-response",
        fixed_response=aws.lb.ListenerDefaultActionFixedResponseArgs(
            content_type="application/json", message_body=NOT_FOUND, status_code="404"
        ),
    )
