"""The network: what may reach what."""

from collections.abc import Sequence

from policies.rule import Resource, Rule, StackRule

INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
DEFAULT_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
VPC = "aws:ec2/vpc:Vpc"
FLOW_LOG = "aws:ec2/flowLog:FlowLog"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
EVERYWHERE = ("0.0.0.0/0", "::/0")
WEB = (80, 443)


def _closed(resource: Resource) -> str | None:
    return "it lets something in or out" if resource.props.get("ingress") or resource.props.get("egress") else None


def _described(resource: Resource) -> str | None:
    given = resource.props.get("description") in (None, "", "Managed by Pulumi")
    return "it does not say what it is for" if given else None


def _no_inline_rules(resource: Resource) -> str | None:
    inline = resource.props.get("ingress") or resource.props.get("egress")
    return "its rules are inline, and would undo those that other stacks add" if inline else None


def _web_alone(resource: Resource) -> str | None:
    props = resource.props
    open_to_all = props.get("cidrIpv4") in EVERYWHERE or props.get("cidrIpv6") in EVERYWHERE
    ports = (props.get("fromPort"), props.get("toPort"))
    return f"everybody reaches ports {ports}" if open_to_all and ports not in [(port, port) for port in WEB] else None


def _one_way_out(resource: Resource) -> str | None:
    return "everything may go out" if resource.props.get("ipProtocol") in ("-1", "all") else None


def _with_policy(resource: Resource) -> str | None:
    gateway = resource.props.get("vpcEndpointType") in (None, "Gateway")
    return "it lets through to everybody's buckets" if gateway and not resource.props.get("policy") else None


def _logged(resources: Sequence[Resource]) -> list[str]:
    networks = [resource for resource in resources if resource.kind == VPC and resource.protected]
    logged = any(resource.kind == FLOW_LOG for resource in resources)
    return [f"{network.name} has no flow log" for network in networks if not logged]


def _default_closed(resources: Sequence[Resource]) -> list[str]:
    networks = [resource for resource in resources if resource.kind == VPC]
    closed = sum(resource.kind == DEFAULT_GROUP for resource in resources)
    return ["the default security group is as AWS makes it, open"] if len(networks) > closed else []


RULES = (
    Rule("CKV2_AWS_12", "The default security group lets nothing through", (DEFAULT_GROUP,), _closed),
    Rule("CKV_AWS_23", "Security groups and their rules say what they are for", (GROUP, INGRESS, EGRESS), _described),
    Rule("TRANSCRIBER_RULES_APART", "Rules stand apart from their group", (GROUP,), _no_inline_rules),
    Rule("CKV_AWS_24", "The internet reaches web ports alone", (INGRESS,), _web_alone),
    Rule("CKV_AWS_382", "Not everything may go out", (EGRESS,), _one_way_out),
    Rule("TRANSCRIBER_ENDPOINT_POLICY", "The way to S3 has a policy", (ENDPOINT,), _with_policy),
)
STACK_RULES = (
    StackRule("CKV2_AWS_11", "Connections are logged where it is protected", (VPC, FLOW_LOG), _logged),
    StackRule("TRANSCRIBER_DEFAULT_GROUP", "Every network has its default group closed", (VPC,), _default_closed),
)
