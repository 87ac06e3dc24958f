"""EC2's networks: VPCs, subnets, gateways, routes, endpoints, flow logs."""

import ipaddress
import secrets

from ..account import hex_id
from ..kinds import Call, Check, Kind, Made, Rule, crud, in_ec2, one_of, unique
from ..policies import parse
from ..refusal import Refused
from ..wire import Inputs, is_known

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
INTERNET_GATEWAY = "aws:ec2/internetGateway:InternetGateway"
NAT_GATEWAY = "aws:ec2/natGateway:NatGateway"
EIP = "aws:ec2/eip:Eip"
ROUTE_TABLE = "aws:ec2/routeTable:RouteTable"
ROUTE = "aws:ec2/route:Route"
ASSOCIATION = "aws:ec2/routeTableAssociation:RouteTableAssociation"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
FLOW_LOG = "aws:ec2/flowLog:FlowLog"

PREFIX_LISTS = {"s3": "pl-63a5400a", "dynamodb": "pl-02cd2c6b"}
"""As they are in us-east-1."""

Network = ipaddress.IPv4Network


def network(text: str, code: str = "InvalidParameterValue") -> Network:
    try:
        return ipaddress.IPv4Network(text)
    except ValueError as error:
        raise Refused(
            code, f"Value ({text}) for parameter cidrBlock is invalid. This is not a valid CIDR block."
        ) from error


def _sized(code: str) -> Check:
    def check(inputs: Inputs) -> None:
        text = inputs.get("cidrBlock")
        if isinstance(text, str) and is_known(text) and not 16 <= network(text).prefixlen <= 28:
            raise Refused(code, f"The CIDR '{text}' is invalid: between /16 and /28.")

    return check


def _quota(kind: str, most: int, code: str) -> Rule:
    def rule(call: Call) -> None:
        if call.before is None and len(call.account.of(kind)) >= most:
            raise Refused(code, f"The maximum number has been reached: {most}.")

    return rule


def _fits(call: Call) -> None:
    vpc = call.need(VPC, call.inputs["vpcId"], "InvalidVpcID.NotFound")
    mine = network(call.inputs["cidrBlock"])
    if not mine.subnet_of(network(vpc["cidrBlock"])):
        raise Refused("InvalidSubnet.Range", f"The CIDR '{mine}' is invalid.")
    for other in call.others(SUBNET):
        if other["vpcId"] == vpc.id and network(other["cidrBlock"]).overlaps(mine):
            raise Refused("InvalidSubnet.Conflict", f"The CIDR '{mine}' conflicts with another subnet")
    zone = call.inputs.get("availabilityZone")
    if zone is not None and zone not in call.account.zones():
        raise Refused("InvalidParameterValue", f"Value ({zone}) for parameter availabilityZone is invalid.")


def _single_gateway(call: Call) -> None:
    vpc = call.inputs.get("vpcId")
    if vpc and any(other["vpcId"] == vpc for other in call.others(INTERNET_GATEWAY)):
        raise Refused("InvalidParameterValue", f"Network {vpc} already has an internet gateway attached")


def _no_public_addresses(call: Call) -> None:
    """An attached gateway cannot leave while addresses are mapped through it."""
    assert call.before is not None
    vpc = call.before["vpcId"]
    inside = {subnet.id for subnet in call.account.of(SUBNET) if subnet["vpcId"] == vpc}
    if any(nat["subnetId"] in inside and nat["allocationId"] for nat in call.account.of(NAT_GATEWAY)):
        raise Refused("DependencyViolation", f"Network {vpc} has some mapped public address(es).")


def _reaches_internet(call: Call) -> None:
    subnet = call.need(SUBNET, call.inputs["subnetId"], "InvalidSubnetID.NotFound")
    if call.inputs.get("connectivityType", "public") == "private":
        return
    address = call.inputs.get("allocationId")
    if not address:
        raise Refused("MissingParameter", "The request must contain the parameter AllocationId")
    if any(other["allocationId"] == address for other in call.others(NAT_GATEWAY)):
        raise Refused("Resource.AlreadyAssociated", f"resource {address} is already associated")
    if not any(gateway["vpcId"] == subnet["vpcId"] for gateway in call.account.of(INTERNET_GATEWAY)):
        raise Refused("Gateway.NotAttached", f"Network {subnet['vpcId']} has no Internet gateway attached")


def _same_network(call: Call) -> None:
    table = call.need(ROUTE_TABLE, call.inputs["routeTableId"], "InvalidRouteTableID.NotFound")
    if gateway := call.inputs.get("gatewayId"):
        found = call.account.find(INTERNET_GATEWAY, gateway)
        if found and found["vpcId"] != table["vpcId"]:
            raise Refused(
                "InvalidParameterValue",
                f"route table {table.id} and network gateway {gateway} belong to different networks",
            )
    if subnet := call.inputs.get("subnetId"):
        found = call.need(SUBNET, subnet, "InvalidSubnetID.NotFound")
        if found["vpcId"] != table["vpcId"]:
            raise Refused(
                "InvalidParameterValue", f"Route table {table.id} and subnet {subnet} belong to different networks"
            )


def _has_target(inputs: Inputs) -> None:
    targets = [
        name for name in inputs if name.endswith("Id") and name not in ("routeTableId", "destinationPrefixListId")
    ]
    if len(targets) != 1:
        raise Refused("InvalidParameterCombination", f"exactly one target of a route, not {len(targets)}")


def _new_destination(call: Call) -> None:
    unique(ROUTE, ("routeTableId", "destinationCidrBlock"), "RouteAlreadyExists")(call)
    table = call.need(ROUTE_TABLE, call.inputs["routeTableId"], "InvalidRouteTableID.NotFound")
    inline = [route.get("cidrBlock") for route in table.inputs.get("routes") or []]
    if call.inputs.get("destinationCidrBlock") in inline:
        raise Refused(
            "RouteAlreadyExists", f"The route identified by {call.inputs['destinationCidrBlock']} already exists."
        )


def _endpoint(call: Call) -> None:
    service = call.inputs["serviceName"]
    if not service.startswith(f"com.amazonaws.{call.account.region}."):
        raise Refused("InvalidServiceName", f"The Vpc Endpoint Service '{service}' does not exist")
    if call.inputs.get("policy"):
        parse(call.inputs["policy"], "InvalidPolicyDocument")
    kind = call.inputs.get("vpcEndpointType", "Gateway")
    if kind == "Gateway" and service.rsplit(".", 1)[-1] not in PREFIX_LISTS:
        raise Refused(
            "InvalidParameter", f"Endpoint type (Gateway) does not match available service types of {service}"
        )
    tables = set(call.inputs.get("routeTableIds") or [])
    for other in call.others(ENDPOINT):
        if other["serviceName"] == service and (both := tables & set(other.inputs.get("routeTableIds") or [])):
            raise Refused("RouteAlreadyExists", f"route table {min(both)} already has a route for {service}")


def _logged(call: Call) -> None:
    if not any(call.inputs.get(name) for name in ("vpcId", "subnetId", "eniId", "transitGatewayId")):
        raise Refused("MissingParameter", "The request must contain the parameter ResourceId")
    to_logs = call.inputs.get("logDestinationType", "cloud-watch-logs") == "cloud-watch-logs"
    if to_logs and not call.inputs.get("iamRoleArn"):
        raise Refused(
            "InvalidParameter", "DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs."
        )


def _own_address(_: Call) -> str:
    return f"54.{secrets.randbelow(200) + 20}.{secrets.randbelow(250)}.{secrets.randbelow(250) + 1}"


def _make_eip(call: Call) -> Made:
    identity, address = hex_id("eipalloc"), _own_address(call)
    host = f"ec2-{address.replace('.', '-')}.compute-1.amazonaws.com"
    arn = call.account.arn("ec2", f"elastic-ip/{identity}")
    return Made(identity, {"arn": arn, "allocationId": identity, "publicIp": address, "publicDns": host})


def _zone_id(call: Call) -> str:
    zone = call.inputs.get("availabilityZone") or call.account.zones()[0]
    return f"use1-az{call.account.zones().index(zone) + 1}"


def _nat_address(call: Call) -> str | None:
    address = call.account.find(EIP, call.inputs.get("allocationId") or "")
    return address["publicIp"] if address else None


def _inside(call: Call) -> str:
    """A private address in the gateway's subnet."""
    subnet = call.account.find(SUBNET, call.inputs["subnetId"])
    assert subnet is not None
    return str(network(subnet["cidrBlock"])[secrets.randbelow(200) % 8 + 5])


def _prefix_list(call: Call) -> str:
    return PREFIX_LISTS.get(call.inputs["serviceName"].rsplit(".", 1)[-1], "")


def _make_route(call: Call) -> Made:
    destination = call.inputs.get("destinationCidrBlock", "")
    number = sum(map(ord, destination)) + 1080289494
    return Made(f"r-{call.inputs['routeTableId']}{number}", {"origin": "CreateRoute", "state": "active"})


KINDS = (
    Kind(
        VPC,
        in_ec2(
            "vpc",
            "vpc",
            defaultSecurityGroupId=lambda _: hex_id("sg"),
            defaultNetworkAclId=lambda _: hex_id("acl"),
            defaultRouteTableId=lambda _: hex_id("rtb"),
            dhcpOptionsId=lambda _: hex_id("dopt"),
            ipv6CidrBlock=lambda _: "",
        ),
        crud("ec2", "CreateVpc", read="DescribeVpcs", update="ModifyVpcAttribute"),
        frozenset({"cidrBlock", "instanceTenancy"}),
        checks=(
            _sized("InvalidVpc.Range"),
            one_of("instanceTenancy", ("default", "dedicated"), "InvalidParameterValue"),
        ),
        rules=(_quota(VPC, 5, "VpcLimitExceeded"),),
        in_use="DependencyViolation",
        belongs=("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",),
    ),
    Kind(
        SUBNET,
        in_ec2("subnet", "subnet", availabilityZoneId=_zone_id),
        crud("ec2", "CreateSubnet", read="DescribeSubnets", update="ModifySubnetAttribute"),
        frozenset({"cidrBlock", "availabilityZone", "vpcId"}),
        checks=(_sized("InvalidSubnet.Range"),),
        rules=(_fits,),
        in_use="DependencyViolation",
    ),
    Kind(
        INTERNET_GATEWAY,
        in_ec2("igw", "internet-gateway"),
        crud("ec2", "CreateInternetGateway", read="DescribeInternetGateways", update="AttachInternetGateway"),
        rules=(_single_gateway,),
        leaving=(_no_public_addresses,),
        belongs=(ROUTE,),
        in_use="DependencyViolation",
    ),
    Kind(
        EIP,
        _make_eip,
        crud("ec2", "AllocateAddress", read="DescribeAddresses", update="AssociateAddress", delete="ReleaseAddress"),
        frozenset({"domain"}),
        rules=(_quota(EIP, 5, "AddressLimitExceeded"),),
        in_use="InvalidIPAddress.InUse",
    ),
    Kind(
        NAT_GATEWAY,
        in_ec2(
            "nat", "natgateway", publicIp=_nat_address, privateIp=_inside, networkInterfaceId=lambda _: hex_id("eni")
        ),
        crud("ec2", "CreateNatGateway", read="DescribeNatGateways"),
        frozenset({"allocationId", "subnetId", "connectivityType"}),
        rules=(_reaches_internet,),
    ),
    Kind(
        ROUTE_TABLE,
        in_ec2("rtb", "route-table"),
        crud("ec2", "CreateRouteTable", read="DescribeRouteTables"),
        frozenset({"vpcId"}),
        in_use="DependencyViolation",
        belongs=(ROUTE, ENDPOINT),
    ),
    Kind(
        ROUTE,
        _make_route,
        crud("ec2", "CreateRoute", read="DescribeRouteTables", update="ReplaceRoute"),
        frozenset({"routeTableId", "destinationCidrBlock"}),
        checks=(_has_target,),
        rules=(_same_network, _new_destination),
    ),
    Kind(
        ASSOCIATION,
        lambda _: Made(hex_id("rtbassoc")),
        crud("ec2", "AssociateRouteTable", read="DescribeRouteTables", delete="DisassociateRouteTable"),
        frozenset({"subnetId", "gatewayId"}),
        rules=(_same_network, unique(ASSOCIATION, ("subnetId",), "Resource.AlreadyAssociated")),
    ),
    Kind(
        ENDPOINT,
        in_ec2("vpce", "vpc-endpoint", prefixListId=_prefix_list, state=lambda _: "available"),
        crud(
            "ec2",
            "CreateVpcEndpoint",
            read="DescribeVpcEndpoints",
            update="ModifyVpcEndpoint",
            delete="DeleteVpcEndpoints",
        ),
        frozenset({"serviceName", "vpcEndpointType", "vpcId"}),
        checks=(one_of("vpcEndpointType", ("Gateway", "Interface", "GatewayLoadBalancer"), "InvalidParameter"),),
        rules=(_endpoint,),
    ),
    Kind(
        FLOW_LOG,
        in_ec2("fl", "vpc-flow-log"),
        crud("ec2", "CreateFlowLogs", read="DescribeFlowLogs"),
        frozenset({"vpcId", "trafficType", "logDestination", "iamRoleArn", "maxAggregationInterval", "logFormat"}),
        checks=(
            one_of("trafficType", ("ACCEPT", "REJECT", "ALL"), "InvalidParameter"),
            one_of("maxAggregationInterval", (60, 600), "InvalidParameter"),
        ),
        rules=(_logged,),
    ),
)
