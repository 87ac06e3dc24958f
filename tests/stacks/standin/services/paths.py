"""Which packets arrive: security groups, route tables and gateways, computed."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

from ..account import Account, Resource
from ..policies import allows, parse
from ..wire import Inputs
from . import security_groups, vpc

ANYWHERE = IPv4Network("0.0.0.0/0")


@dataclass(frozen=True)
class Peer:
    """The other end of a connection: whole networks, the groups that its interfaces are in, a prefix list."""

    networks: tuple[IPv4Network, ...] = ()
    groups: frozenset[str] = frozenset()
    prefix_list: str | None = None


INTERNET = Peer((ANYWHERE,))


def admits(account: Account, groups: list[str], side: str, port: int, peer: Peer) -> bool:
    """Whether one of the groups lets TCP through on that port; `side` is ingress or egress."""
    return any(_opens(rule, port) and _covers(rule, peer) for group in groups for rule in _rules(account, group, side))


def _rules(account: Account, group: str, side: str) -> Iterator[Inputs]:
    """Standalone rules, and inline ones in the same form."""
    token = security_groups.INGRESS if side == "ingress" else security_groups.EGRESS
    yield from (rule.inputs for rule in account.of(token) if rule["securityGroupId"] == group)
    found = account.find(security_groups.GROUP, group)
    for rule in (found.inputs.get(side) or []) if found else []:
        ports = {"ipProtocol": rule["protocol"], "fromPort": rule["fromPort"], "toPort": rule["toPort"]}
        yield from ({**ports, "cidrIpv4": text} for text in rule.get("cidrBlocks") or [])
        yield from ({**ports, "referencedSecurityGroupId": name} for name in rule.get("securityGroups") or [])
        yield from ({**ports, "prefixListId": name} for name in rule.get("prefixListIds") or [])
        if rule.get("self"):
            yield {**ports, "referencedSecurityGroupId": group}


def _opens(rule: Inputs, port: int) -> bool:
    if rule["ipProtocol"] in ("-1", -1):
        return True
    return str(rule["ipProtocol"]) in ("tcp", "6") and rule["fromPort"] <= port <= rule["toPort"]


def _covers(rule: Inputs, peer: Peer) -> bool:
    if name := rule.get("referencedSecurityGroupId"):
        return name in peer.groups
    if name := rule.get("prefixListId"):
        return name == peer.prefix_list
    open_to = rule.get("cidrIpv4")
    if open_to is None:
        return False
    if open_to == str(ANYWHERE):
        return True
    return bool(peer.networks) and all(item.subnet_of(IPv4Network(open_to)) for item in peer.networks)


def table_of(account: Account, subnet: str) -> str | None:
    """A subnet without a route table of its own has its VPC's main one, where no route leads out."""
    for association in account.of(vpc.ASSOCIATION):
        if association["subnetId"] == subnet:
            return str(association["routeTableId"])
    return None


def default_routes(account: Account, subnet: str) -> list[Inputs]:
    table = table_of(account, subnet)
    routes = [route.inputs for route in account.of(vpc.ROUTE) if route["routeTableId"] == table]
    made = account.find(vpc.ROUTE_TABLE, table or "")
    routes += [
        {**route, "destinationCidrBlock": route.get("cidrBlock")} for route in (made["routes"] or [] if made else [])
    ]
    return [route for route in routes if route.get("destinationCidrBlock") == str(ANYWHERE)]


def is_public(account: Account, subnet: str) -> bool:
    """Whether its way out is an internet gateway."""
    return any(
        account.find(vpc.INTERNET_GATEWAY, route.get("gatewayId") or "") for route in default_routes(account, subnet)
    )


def reaches_internet(account: Account, subnet: str, *, public_ip: bool) -> bool:
    """Through the internet gateway with an address of its own, or through a NAT gateway in a public subnet."""
    if is_public(account, subnet):
        return public_ip
    gateways = [
        account.find(vpc.NAT_GATEWAY, route.get("natGatewayId") or "") for route in default_routes(account, subnet)
    ]
    return any(gateway is not None and is_public(account, gateway["subnetId"]) for gateway in gateways)


def reaches_endpoint(account: Account, subnet: str, groups: list[str], service: str) -> bool:
    """Whether an interface endpoint in the VPC answers for a service of AWS, with the names in private DNS."""
    mine = account.find(vpc.SUBNET, subnet)
    for endpoint in account.of(vpc.ENDPOINT):
        fits = mine is not None and endpoint["vpcId"] == mine["vpcId"] and endpoint["privateDnsEnabled"]
        if not fits or not endpoint["serviceName"].endswith(f".{service}"):
            continue
        doors = endpoint["securityGroupIds"] or []
        target = Peer(networks_of(account, endpoint["subnetIds"] or []), frozenset(doors))
        source = Peer(networks_of(account, [subnet]), frozenset(groups))
        if admits(account, groups, "egress", 443, target) and admits(account, doors, "ingress", 443, source):
            return True
    return False


def s3_endpoint(account: Account, subnet: str) -> Resource | None:
    table = table_of(account, subnet)
    for endpoint in account.of(vpc.ENDPOINT):
        if endpoint["serviceName"].endswith(".s3") and table in (endpoint["routeTableIds"] or []):
            return endpoint
    return None


def reaches_s3(account: Account, subnet: str, action: str, resource: str, *, public_ip: bool) -> bool:
    """Where there is an endpoint, its route is the longer match and its policy decides."""
    endpoint = s3_endpoint(account, subnet)
    if endpoint is None:
        return reaches_internet(account, subnet, public_ip=public_ip)
    return not endpoint["policy"] or allows(
        [parse(endpoint["policy"])], action, resource, {"aws:SecureTransport": "true"}
    )


def networks_of(account: Account, subnets: list[str]) -> tuple[IPv4Network, ...]:
    found = [account.find(vpc.SUBNET, name) for name in subnets]
    return tuple(IPv4Network(subnet["cidrBlock"]) for subnet in found if subnet)
