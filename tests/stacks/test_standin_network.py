"""What EC2 refuses: each wrong program, and the code that AWS answers with."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from .cloud import Cloud, Network, network
from .standin.refusal import Refused

VPC, SUBNET = "ec2/vpc:Vpc", "ec2/subnet:Subnet"
ROUTE, ASSOCIATION = "ec2/route:Route", "ec2/routeTableAssociation:RouteTableAssociation"
ENDPOINT, EIP, NAT = "ec2/vpcEndpoint:VpcEndpoint", "ec2/eip:Eip", "ec2/natGateway:NatGateway"
GATEWAY, FLOW_LOG = "ec2/internetGateway:InternetGateway", "ec2/flowLog:FlowLog"
GROUP, DEFAULT_GROUP = "ec2/securityGroup:SecurityGroup", "ec2/defaultSecurityGroup:DefaultSecurityGroup"
INGRESS = "vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "vpc/securityGroupEgressRule:SecurityGroupEgressRule"
TABLE = "ec2/routeTable:RouteTable"
ANYWHERE = "0.0.0.0/0"
S3 = "com.amazonaws.us-east-1.s3"

Wrong = Callable[[Cloud, Network], object]


def _group(cloud: Cloud, net: Network, **more: Any) -> str:
    return cloud.make(GROUP, "tasks", vpcId=net.vpc.id, **more).id


def _rule(cloud: Cloud, net: Network, kind: str = INGRESS, **more: Any) -> object:
    given = {"securityGroupId": _group(cloud, net), "ipProtocol": "tcp", "fromPort": 80, "toPort": 80}
    return cloud.make(kind, **given | more)


def _twice(make: Callable[[], object]) -> None:
    make()
    make()


def _other_vpc(cloud: Cloud) -> str:
    return cloud.make(VPC, cidrBlock="10.9.0.0/16").id


def _other_table(cloud: Cloud) -> str:
    return cloud.make(TABLE, vpcId=_other_vpc(cloud)).id


def _routed(cloud: Cloud, net: Network) -> str:
    routes = [{"cidrBlock": ANYWHERE, "gatewayId": net.gateway.id}]
    return cloud.make(TABLE, vpcId=net.vpc.id, routes=routes).id


def _of_other_network(cloud: Cloud) -> str:
    return cloud.make(GROUP, "other", vpcId=_other_vpc(cloud)).id


NETWORKS: list[tuple[str, str, Wrong]] = [
    ("a block that is none", "InvalidParameterValue", lambda c, _: c.make(VPC, cidrBlock="10.0.0.1/16")),
    ("a VPC too large", "InvalidVpc.Range", lambda c, _: c.make(VPC, cidrBlock="10.0.0.0/8")),
    ("a sixth VPC", "VpcLimitExceeded", lambda c, _: [c.make(VPC, cidrBlock="10.9.0.0/16") for _ in range(5)]),
    (
        "a subnet outside of its VPC",
        "InvalidSubnet.Range",
        lambda c, n: c.make(SUBNET, vpcId=n.vpc.id, cidrBlock="10.1.0.0/24"),
    ),
    (
        "overlapping subnets",
        "InvalidSubnet.Conflict",
        lambda c, n: c.make(SUBNET, vpcId=n.vpc.id, cidrBlock="10.0.0.0/20"),
    ),
    (
        "a zone that is not there",
        "InvalidParameterValue",
        lambda c, n: c.make(SUBNET, vpcId=n.vpc.id, cidrBlock="10.0.9.0/24", availabilityZone="us-east-1z"),
    ),
    (
        "a subnet of no VPC",
        "InvalidVpcID.NotFound",
        lambda c, _: c.make(SUBNET, vpcId="vpc-0123456789abcdef0", cidrBlock="10.0.9.0/24"),
    ),
    ("a second internet gateway", "InvalidParameterValue", lambda c, n: c.make(GATEWAY, vpcId=n.vpc.id)),
    ("a sixth address", "AddressLimitExceeded", lambda c, _: [c.make(EIP, domain="vpc") for _ in range(5)]),
    (
        "one address for two gateways",
        "Resource.AlreadyAssociated",
        lambda c, n: c.make(NAT, subnetId=n.public[1].id, allocationId=n.nat["allocationId"]),
    ),
    ("a public NAT gateway without address", "MissingParameter", lambda c, n: c.make(NAT, subnetId=n.public[1].id)),
    (
        "a second association of a subnet",
        "Resource.AlreadyAssociated",
        lambda c, n: c.make(ASSOCIATION, subnetId=n.public[0].id, routeTableId=n.tables[1].id),
    ),
    (
        "a route twice",
        "RouteAlreadyExists",
        lambda c, n: c.make(ROUTE, routeTableId=n.tables[0].id, destinationCidrBlock=ANYWHERE, gatewayId=n.gateway.id),
    ),
    (
        "a route to nowhere",
        "InvalidParameterCombination",
        lambda c, n: c.make(ROUTE, routeTableId=n.tables[0].id, destinationCidrBlock="10.8.0.0/16"),
    ),
    (
        "an endpoint of another region",
        "InvalidServiceName",
        lambda c, n: c.make(ENDPOINT, vpcId=n.vpc.id, serviceName="com.amazonaws.eu-west-1.s3"),
    ),
    (
        "a gateway endpoint of what has none",
        "InvalidParameter",
        lambda c, n: c.make(ENDPOINT, vpcId=n.vpc.id, serviceName="com.amazonaws.us-east-1.ssm"),
    ),
    (
        "an endpoint with a broken policy",
        "InvalidPolicyDocument",
        lambda c, n: c.make(ENDPOINT, vpcId=n.vpc.id, serviceName=S3, policy="{}"),
    ),
    (
        "two endpoints on a route table",
        "RouteAlreadyExists",
        lambda c, n: _twice(lambda: c.make(ENDPOINT, vpcId=n.vpc.id, serviceName=S3, routeTableIds=[n.tables[0].id])),
    ),
    (
        "a flow log of nothing",
        "MissingParameter",
        lambda c, _: c.make(FLOW_LOG, trafficType="ALL", logDestination="arn:aws:s3:::logs", logDestinationType="s3"),
    ),
    (
        "a flow log without permission to write",
        "InvalidParameter",
        lambda c, n: c.make(FLOW_LOG, trafficType="ALL", vpcId=n.vpc.id),
    ),
    (
        "a flow log every five minutes",
        "InvalidParameter",
        lambda c, n: c.make(FLOW_LOG, trafficType="ALL", vpcId=n.vpc.id, maxAggregationInterval=300),
    ),
    (
        "a tenancy that is none",
        "InvalidParameterValue",
        lambda c, _: c.make(VPC, cidrBlock="10.9.0.0/16", instanceTenancy="own"),
    ),
    (
        "a subnet of eight addresses",
        "InvalidSubnet.Range",
        lambda c, n: c.make(SUBNET, vpcId=n.vpc.id, cidrBlock="10.0.9.0/29"),
    ),
    (
        "a route to another network's gateway",
        "InvalidParameterValue",
        lambda c, n: c.make(ROUTE, routeTableId=_other_table(c), destinationCidrBlock=ANYWHERE, gatewayId=n.gateway.id),
    ),
    (
        "a route that its table has inside",
        "RouteAlreadyExists",
        lambda c, n: c.make(ROUTE, routeTableId=_routed(c, n), destinationCidrBlock=ANYWHERE, gatewayId=n.gateway.id),
    ),
    (
        "a subnet with another network's table",
        "InvalidParameterValue",
        lambda c, n: c.make(ASSOCIATION, subnetId=n.public[0].id, routeTableId=_other_table(c)),
    ),
    (
        "an endpoint of no type",
        "InvalidParameter",
        lambda c, n: c.make(ENDPOINT, vpcId=n.vpc.id, serviceName=S3, vpcEndpointType="gateway"),
    ),
    (
        "a flow log of some of it",
        "InvalidParameter",
        lambda c, n: c.make(FLOW_LOG, trafficType="SOME", vpcId=n.vpc.id),
    ),
    ("a VPC in use", "DependencyViolation", lambda c, n: c.remove(n.vpc)),
    ("a subnet in use", "DependencyViolation", lambda c, n: c.remove(n.public[0])),
    ("a gateway with mapped addresses", "DependencyViolation", lambda c, n: c.remove(n.gateway)),
]

ALL = {"protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlocks": ["10.0.0.0/8"]}
RULES: list[tuple[str, str, Callable[[str, Cloud, Network], object]]] = [
    (
        "a quotation mark in its description",
        "InvalidParameterValue",
        lambda k, c, n: _rule(c, n, k, cidrIpv4="10.0.0.0/8", description='"in"'),
    ),
    ("no ports", "InvalidParameterValue", lambda k, c, n: _rule(c, n, k, cidrIpv4="10.0.0.0/8", toPort=None)),
    ("nobody at the other end", "InvalidParameterCombination", lambda k, c, n: _rule(c, n, k)),
    (
        "a rule of no group",
        "InvalidGroup.NotFound",
        lambda k, c, n: _rule(c, n, k, securityGroupId="sg-0123456789abcdef0", cidrIpv4="10.0.0.0/8"),
    ),
    (
        "a rule of what is no group",
        "InvalidGroup.NotFound",
        lambda k, c, n: _rule(c, n, k, securityGroupId="tasks", cidrIpv4="10.0.0.0/8"),
    ),
    (
        "a group of another network",
        "InvalidGroup.NotFound",
        lambda k, c, n: _rule(c, n, k, referencedSecurityGroupId=_of_other_network(c)),
    ),
    (
        "a rule twice",
        "InvalidPermission.Duplicate",
        lambda k, c, n: _twice(
            partial(_rule, c, n, k, securityGroupId=n.vpc["defaultSecurityGroupId"], cidrIpv4="10.0.0.0/8")
        ),
    ),
]
GROUPS: list[tuple[str, str, Wrong]] = [
    ("an apostrophe in a description", "InvalidParameterValue", lambda c, n: _group(c, n, description="it's")),
    ("an arrow in a description", "InvalidParameterValue", lambda c, n: _group(c, n, description="a → b")),
    ("a reserved name", "InvalidParameterValue", lambda c, n: _group(c, n, name="sg-mine")),
    ("a name twice", "InvalidGroup.Duplicate", lambda c, n: _twice(lambda: _group(c, n, name="mine"))),
    (
        "a long dash in a rule's description",
        "InvalidParameterValue",
        lambda c, n: _rule(c, n, cidrIpv4="10.0.0.0/8", description="in – out"),
    ),
    ("TCP without ports", "InvalidParameterValue", lambda c, n: _rule(c, n, cidrIpv4="10.0.0.0/8", fromPort=None)),
    ("ports the wrong way round", "InvalidParameterValue", lambda c, n: _rule(c, n, cidrIpv4="10.0.0.0/8", toPort=1)),
    ("no source", "InvalidParameterCombination", _rule),
    (
        "two sources",
        "InvalidParameterCombination",
        lambda c, n: _rule(c, n, cidrIpv4="10.0.0.0/8", referencedSecurityGroupId=_group(c, n)),
    ),
    (
        "a protocol that is none",
        "InvalidPermission.Malformed",
        lambda c, n: _rule(c, n, ipProtocol="http", cidrIpv4="10.0.0.0/8"),
    ),
    ("a name that AWS has taken", "InvalidParameterValue", lambda c, n: _group(c, n, name="default")),
    (
        "an apostrophe in the default group's description",
        "InvalidParameterValue",
        lambda c, n: c.make(DEFAULT_GROUP, vpcId=n.vpc.id, ingress=[{**ALL, "description": "it's"}]),
    ),
    ("the default group of no VPC", "InvalidVpcID.NotFound", lambda c, _: c.make(DEFAULT_GROUP)),
    *(
        (f"{what}, {kind.partition(':')[2]}", code, partial(wrong, kind))
        for kind in (INGRESS, EGRESS)
        for what, code, wrong in RULES
    ),
]


@pytest.mark.parametrize(
    ("code", "wrong"), [row[1:] for row in NETWORKS + GROUPS], ids=[row[0] for row in NETWORKS + GROUPS]
)
def test_refuses(tmp_path: Path, code: str, wrong: Wrong) -> None:
    cloud = Cloud.at(tmp_path)
    net = network(cloud)
    with pytest.raises(Refused) as refused:
        wrong(cloud, net)
    assert refused.value.code == code


def test_a_nat_gateway_needs_an_attached_internet_gateway(tmp_path: Path) -> None:
    cloud = Cloud.at(tmp_path)
    vpc = cloud.make(VPC, cidrBlock="10.0.0.0/16")
    subnet = cloud.make(SUBNET, vpcId=vpc.id, cidrBlock="10.0.0.0/24")
    with pytest.raises(Refused) as refused:
        cloud.make(NAT, subnetId=subnet.id, allocationId=cloud.make(EIP, domain="vpc").id)
    assert refused.value.code == "Gateway.NotAttached"


def test_a_network_goes_in_the_order_that_pulumi_takes(tmp_path: Path) -> None:
    cloud = Cloud.at(tmp_path)
    network(cloud)
    with cloud.work.ledger.open() as account:
        made = list(account.resources)
    for resource in reversed(made):
        cloud.remove(resource)
    with cloud.work.ledger.open() as account:
        assert account.resources == []


def test_closing_the_default_group_makes_no_group(tmp_path: Path) -> None:
    cloud = Cloud.at(tmp_path)
    vpc = cloud.make(VPC, cidrBlock="10.0.0.0/16")
    closed = cloud.make(DEFAULT_GROUP, vpcId=vpc.id, ingress=[], egress=[])
    assert closed.id == vpc["defaultSecurityGroupId"]
    cloud.remove(closed)
    cloud.remove(vpc)
