"""EC2's security groups and their rules."""

import re

from ..account import hex_id
from ..kinds import Call, Kind, Made, Named, crud, in_ec2, unique
from ..refusal import Refused
from ..wire import Inputs
from .vpc import VPC, network

GROUP = "aws:ec2/securityGroup:SecurityGroup"
DEFAULT_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"

_SOURCES = ("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId")
_SAME = ("securityGroupId", "ipProtocol", "fromPort", "toPort", *_SOURCES)
_DESCRIPTION = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}")


def _description(inputs: Inputs) -> None:
    texts = [inputs.get("description")]
    texts += [rule.get("description") for side in ("ingress", "egress") for rule in inputs.get(side) or []]
    for text in texts:
        if text is not None and not _DESCRIPTION.fullmatch(text):
            raise Refused(
                "InvalidParameterValue", f"Invalid rule description '{text}': a-zA-Z0-9. _-:/()#,@[]+=&;{{}}!$*"
            )


def _ports(inputs: Inputs) -> None:
    low, high = inputs.get("fromPort"), inputs.get("toPort")
    if inputs["ipProtocol"] in ("tcp", "udp"):
        if low is None or high is None:
            raise Refused(
                "InvalidParameterValue",
                "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.",
            )
        if not 0 <= low <= high <= 65535:
            raise Refused("InvalidParameterValue", f"Invalid value '{low}-{high}' for portRange.")
    elif inputs["ipProtocol"] not in ("-1", "icmp", "icmpv6") and not str(inputs["ipProtocol"]).isdigit():
        raise Refused("InvalidPermission.Malformed", f"Invalid value '{inputs['ipProtocol']}' for IP protocol.")


def _one_source(inputs: Inputs) -> None:
    if sum(inputs.get(name) is not None for name in _SOURCES) != 1:
        raise Refused("InvalidParameterCombination", f"exactly one of {', '.join(_SOURCES)}")
    if isinstance(inputs.get("cidrIpv4"), str) and "/" in inputs["cidrIpv4"]:
        network(inputs["cidrIpv4"])


def _group(call: Call) -> None:
    if call.account.find(GROUP, call.inputs["securityGroupId"]) is None and not any(
        vpc["defaultSecurityGroupId"] == call.inputs["securityGroupId"] for vpc in call.account.of(VPC)
    ):
        raise Refused("InvalidGroup.NotFound", f"The security group '{call.inputs['securityGroupId']}' does not exist")


def _same_vpc(call: Call) -> None:
    other = call.account.find(GROUP, call.inputs.get("referencedSecurityGroupId") or "")
    mine = call.account.find(GROUP, call.inputs["securityGroupId"])
    if other and mine and other["vpcId"] != mine["vpcId"]:
        raise Refused(
            "InvalidGroup.NotFound", f"You have specified two resources that belong to different networks: {other.id}"
        )


def _not_reserved(inputs: Inputs) -> None:
    if str(inputs.get("name", "")).startswith("sg-"):
        raise Refused("InvalidParameterValue", "Value for parameter GroupName is invalid. Cannot begin with 'sg-'")
    if inputs.get("name") == "default":
        raise Refused("InvalidParameterValue", "Cannot use reserved security group name: default")


def _make_default(call: Call) -> Made:
    """It is there since the VPC is; the resource only takes its rules over."""
    vpc = call.need(VPC, call.inputs.get("vpcId"), "InvalidVpcID.NotFound")
    identity = vpc["defaultSecurityGroupId"]
    arn = call.account.arn("ec2", f"security-group/{identity}")
    named = {"name": "default", "description": "default VPC security group"}
    return Made(identity, {"arn": arn, "ownerId": call.account.number, **named})


def _make_rule(call: Call) -> Made:
    identity = hex_id("sgr")
    arn = call.account.arn("ec2", f"security-group-rule/{identity}")
    return Made(identity, {"arn": arn, "securityGroupRuleId": identity})


def _rule_kind(token: str, side: str) -> Kind:
    return Kind(
        token,
        _make_rule,
        crud(
            "ec2",
            f"AuthorizeSecurityGroup{side}",
            read="DescribeSecurityGroupRules",
            update="ModifySecurityGroupRules",
            delete=f"RevokeSecurityGroup{side}",
        ),
        frozenset({"securityGroupId"}),
        checks=(_description, _ports, _one_source),
        rules=(_group, _same_vpc, unique(token, _SAME, "InvalidPermission.Duplicate")),
    )


KINDS = (
    Kind(
        GROUP,
        in_ec2("sg", "security-group"),
        crud("ec2", "CreateSecurityGroup", read="DescribeSecurityGroups", update="AuthorizeSecurityGroupIngress"),
        frozenset({"name", "description", "vpcId"}),
        named=Named(pattern=r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]+", code="InvalidParameterValue"),
        checks=(_description, _not_reserved),
        rules=(unique(GROUP, ("name", "vpcId"), "InvalidGroup.Duplicate"),),
        in_use="DependencyViolation",
    ),
    Kind(
        DEFAULT_GROUP,
        _make_default,
        crud(
            "ec2", "AuthorizeSecurityGroupIngress", read="DescribeSecurityGroups", delete="RevokeSecurityGroupIngress"
        ),
        frozenset({"vpcId"}),
        checks=(_description,),
    ),
    _rule_kind(INGRESS, "Ingress"),
    _rule_kind(EGRESS, "Egress"),
)
