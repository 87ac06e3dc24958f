"""Application load balancers: listeners, rules, target groups."""

import json
import re
import secrets
from collections.abc import Callable

from ..account import Account, Resource
from ..kinds import Call, Check, Kind, Made, Named, crud, one_of, unique, within
from ..policies import grants
from ..refusal import Refused
from ..wire import Inputs, is_known
from . import storage
from .names import is_issued
from .vpc import INTERNET_GATEWAY, SUBNET

BALANCER = "aws:lb/loadBalancer:LoadBalancer"
TARGET_GROUP = "aws:lb/targetGroup:TargetGroup"
LISTENER = "aws:lb/listener:Listener"
LISTENER_RULE = "aws:lb/listenerRule:ListenerRule"
CERTIFICATE = "aws:acm/certificate:Certificate"

ZONE_ID = "Z35SXDOTRQ7X7K"
"""Route 53's hosted zone of load balancers in us-east-1."""
LOG_DELIVERY = ("arn:aws:iam::127311923021:root", "127311923021", "logdelivery.elasticloadbalancing.amazonaws.com")
"""Who writes access logs in us-east-1."""

_POLICIES = (
    "ELBSecurityPolicy-2016-08",
    "ELBSecurityPolicy-FS-1-2-Res-2020-10",
    "ELBSecurityPolicy-TLS13-1-2-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
    "ELBSecurityPolicy-TLS13-1-3-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-2-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-3-PQ-2025-09",
)
_NAME = Named(longest=32, pattern=r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?")


def suffix(arn: str) -> str:
    """The part of an ARN that CloudWatch's dimensions name."""
    return arn.rsplit(":", 1)[-1].removeprefix("loadbalancer/")


def _prefix_length(inputs: Inputs) -> None:
    if len(str(inputs.get("namePrefix", ""))) > 6:
        raise Refused("ValidationError", "namePrefix cannot be longer than 6 characters")


def _not_internal_name(inputs: Inputs) -> None:
    if str(inputs.get("name", "")).startswith("internal-"):
        raise Refused("ValidationError", "A load balancer name cannot begin with 'internal-'")


def _zones(call: Call) -> None:
    ids = call.inputs.get("subnets") or [item["subnetId"] for item in call.inputs.get("subnetMappings") or []]
    subnets = [call.need(SUBNET, identity, "SubnetNotFound") for identity in ids]
    zones = [subnet["availabilityZone"] for subnet in subnets]
    if len(set(zones)) < len(zones):
        message = "A load balancer cannot be attached to multiple subnets in the same Availability Zone"
        raise Refused("InvalidConfigurationRequest", message)
    if len(zones) < 2:
        message = "At least two subnets in two different Availability Zones must be specified"
        raise Refused("ValidationError", message)
    gateways = {gateway["vpcId"] for gateway in call.account.of(INTERNET_GATEWAY)}
    vpc = subnets[0]["vpcId"]
    if not call.inputs.get("internal") and vpc not in gateways:
        raise Refused("InvalidSubnet", f"VPC {vpc} has no internet gateway")


def _access_logs(call: Call) -> None:
    logs = call.inputs.get("accessLogs") or {}
    if not logs.get("enabled"):
        return
    bucket, prefix = logs["bucket"], logs.get("prefix")
    if storage.encryption(call.account, bucket) == "aws:kms":
        raise Refused(
            "InvalidConfigurationRequest", f"Access Denied for bucket: {bucket}. It must be encrypted with SSE-S3"
        )
    path = f"{prefix}/AWSLogs" if prefix else "AWSLogs"
    target = f"arn:aws:s3:::{bucket}/{path}/{call.account.number}/elb.log"
    policy = storage.policy(call.account, bucket)
    context = {
        "aws:SecureTransport": "true",
        "aws:SourceAccount": call.account.number,
        "s3:x-amz-acl": "bucket-owner-full-control",
    }
    context["aws:SourceArn"] = call.account.arn("elasticloadbalancing", "loadbalancer/app/any/0")
    if policy is None or not grants(policy, LOG_DELIVERY, "s3:PutObject", target, context):
        raise Refused(
            "InvalidConfigurationRequest", f"Access Denied for bucket: {bucket}. Please check S3bucket permission"
        )


def _not_protected(call: Call) -> None:
    assert call.before is not None
    if call.before["enableDeletionProtection"]:
        message = f"Load balancer '{call.before.arn}' cannot be deleted because deletion protection is enabled"
        raise Refused("OperationNotPermitted", message)


def _health_check(inputs: Inputs) -> None:
    check = inputs.get("healthCheck") or {}
    interval, timeout = check.get("interval", 30), check.get("timeout", 5)
    if is_known([interval, timeout]) and timeout >= interval:
        raise Refused(
            "ValidationError", f"Health check timeout '{timeout}' must be smaller than the interval '{interval}'"
        )
    if not re.match("/", str(check.get("path", "/"))):
        raise Refused("ValidationError", "Health check path must begin with '/'")


def _slow_start(inputs: Inputs) -> None:
    seconds = inputs.get("slowStart") or 0
    if seconds and not 30 <= seconds <= 900:
        raise Refused("ValidationError", "slow_start must be 0 or between 30 and 900")
    if seconds and inputs.get("loadBalancingAlgorithmType") not in (None, "round_robin"):
        raise Refused("InvalidConfigurationRequest", "slow start needs the algorithm round_robin")


def _listener(call: Call) -> None:
    protocol, certificate = call.inputs.get("protocol", "HTTP"), call.inputs.get("certificateArn")
    if protocol == "HTTPS":
        if not certificate:
            raise Refused("ValidationError", "A certificate must be specified for HTTPS listeners")
        found = call.need(CERTIFICATE, certificate, "CertificateNotFound")
        if not is_issued(call.account, found):
            raise Refused(
                "UnsupportedCertificate",
                (
                    f"The certificate '{certificate}' must have a fully-qualified domain name, a "
                    "supported signature, and be issued"
                ),
            )
    elif certificate or call.inputs.get("sslPolicy"):
        raise Refused("ValidationError", f"A certificate or policy cannot be specified for {protocol} listeners")
    unique(LISTENER, ("loadBalancerArn", "port"), "DuplicateListener")(call)
    _targets(call, call.inputs["defaultActions"])


def _ssl_policy(inputs: Inputs) -> None:
    one_of("sslPolicy", _POLICIES, "SSLPolicyNotFound")(inputs)


def _targets(call: Call, actions: list[Inputs]) -> None:
    """What actions forward to: groups in the balancer's network, of no other balancer."""
    balancer = balancer_of(call.account, call.inputs)
    for arn in forwarded_to(actions):
        group = call.need(TARGET_GROUP, arn, "TargetGroupNotFound")
        if balancer and group["vpcId"] != balancer["vpcId"]:
            raise Refused(
                "InvalidConfigurationRequest", f"target group '{arn}' is in another VPC than the load balancer"
            )
        if balancer and {found.arn for found in balancers_of(call.account, arn)} - {balancer.arn}:
            raise Refused(
                "TargetGroupAssociationLimit", f"target group '{arn}' is associated with another load balancer"
            )


def forwarded_to(actions: list[Inputs]) -> list[str]:
    arns = [action.get("targetGroupArn") for action in actions]
    arns += [group["arn"] for action in actions for group in (action.get("forward") or {}).get("targetGroups", [])]
    return [arn for arn in arns if arn]


def balancer_of(account: Account, inputs: Inputs) -> Resource | None:
    """The balancer of a listener's or a rule's inputs."""
    if "listenerArn" in inputs:
        listener = account.find(LISTENER, inputs["listenerArn"])
        return balancer_of(account, listener.inputs) if listener else None
    return account.find(BALANCER, inputs["loadBalancerArn"])


def balancers_of(account: Account, group_arn: str) -> list[Resource]:
    """The balancers that forward to a target group."""
    using = [
        resource
        for resource in account.of(LISTENER, LISTENER_RULE)
        if group_arn in forwarded_to(resource.inputs.get("defaultActions") or resource.inputs.get("actions") or [])
    ]
    found = [balancer_of(account, resource.inputs) for resource in using]
    return list({balancer.arn: balancer for balancer in found if balancer}.values())


def _rule(call: Call) -> None:
    call.need(LISTENER, call.inputs["listenerArn"], "ListenerNotFound")
    unique(LISTENER_RULE, ("listenerArn", "priority"), "PriorityInUse")(call)
    _targets(call, call.inputs["actions"])


def _conditions(inputs: Inputs) -> None:
    if not inputs.get("conditions"):
        raise Refused("ValidationError", "A condition must be specified")
    values = json.dumps(inputs["conditions"]).count('"values"')
    if values > 5:
        raise Refused("TooManyRules", "a rule can have five condition values")


def _make_balancer(call: Call) -> Made:
    name, digits = call.inputs["name"], secrets.token_hex(8)
    arn = call.account.arn("elasticloadbalancing", f"loadbalancer/app/{name}/{digits}")
    host = f"{name}-{secrets.randbelow(9 * 10**8) + 10**8}.{call.account.region}.elb.amazonaws.com"
    host = f"internal-{host}" if call.inputs.get("internal") else host
    subnets = [call.account.find(SUBNET, identity) for identity in call.inputs.get("subnets") or []]
    vpc = next((subnet["vpcId"] for subnet in subnets if subnet), None)
    return Made(arn, {"arn": arn, "arnSuffix": suffix(arn), "dnsName": host, "zoneId": ZONE_ID, "vpcId": vpc})


def _make_group(call: Call) -> Made:
    arn = call.account.arn("elasticloadbalancing", f"targetgroup/{call.inputs['name']}/{secrets.token_hex(8)}")
    return Made(arn, {"arn": arn, "arnSuffix": suffix(arn)})


def _child(kind: str, parent: str) -> Callable[[Call], Made]:
    """The ARN of a listener or a rule goes on from its parent's."""

    def make(call: Call) -> Made:
        above = call.inputs[parent].split(":", 5)[-1].split("/", 1)[-1]
        arn = call.account.arn("elasticloadbalancing", f"{kind}/{above}/{secrets.token_hex(8)}")
        return Made(arn, {"arn": arn})

    return make


_GROUP_RANGES: tuple[Check, ...] = (
    within("deregistrationDelay", 0, 3600),
    within("port", 1, 65535),
    within("healthCheck.interval", 5, 300),
    within("healthCheck.timeout", 2, 120),
    within("healthCheck.healthyThreshold", 2, 10),
    within("healthCheck.unhealthyThreshold", 2, 10),
)

KINDS = (
    Kind(
        BALANCER,
        _make_balancer,
        crud(
            "elasticloadbalancing",
            "CreateLoadBalancer",
            read="DescribeLoadBalancers",
            update="ModifyLoadBalancerAttributes",
        ),
        frozenset({"name", "internal", "loadBalancerType"}),
        named=_NAME,
        checks=(
            _not_internal_name,
            _prefix_length,
            within("idleTimeout", 1, 4000),
            within("clientKeepAlive", 60, 604800),
        ),
        rules=(unique(BALANCER, ("name",), "DuplicateLoadBalancerName"), _zones, _access_logs),
        leaving=(_not_protected,),
        in_use=None,
    ),
    Kind(
        TARGET_GROUP,
        _make_group,
        crud("elasticloadbalancing", "CreateTargetGroup", read="DescribeTargetGroups", update="ModifyTargetGroup"),
        frozenset({"name", "port", "protocol", "vpcId", "targetType", "protocolVersion", "ipAddressType"}),
        named=_NAME,
        checks=(_prefix_length, *_GROUP_RANGES, _health_check, _slow_start),
        rules=(unique(TARGET_GROUP, ("name",), "DuplicateTargetGroupName"),),
        in_use="ResourceInUse",
    ),
    Kind(
        LISTENER,
        _child("listener", "loadBalancerArn"),
        crud("elasticloadbalancing", "CreateListener", read="DescribeListeners", update="ModifyListener"),
        frozenset({"loadBalancerArn"}),
        checks=(within("port", 1, 65535), _ssl_policy),
        rules=(_listener,),
    ),
    Kind(
        LISTENER_RULE,
        _child("listener-rule", "listenerArn"),
        crud("elasticloadbalancing", "CreateRule", read="DescribeRules", update="ModifyRule"),
        frozenset({"listenerArn"}),
        checks=(within("priority", 1, 50000), _conditions),
        rules=(_rule,),
    ),
)
