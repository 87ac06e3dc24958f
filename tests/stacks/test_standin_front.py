"""What load balancing, certificates and DNS refuse."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .cloud import ZONE, Cloud, Front, Network, front, network
from .standin.account import Resource
from .standin.refusal import Refused

BALANCER, GROUP = "lb/loadBalancer:LoadBalancer", "lb/targetGroup:TargetGroup"
LISTENER, RULE = "lb/listener:Listener", "lb/listenerRule:ListenerRule"
CERTIFICATE, RECORD = "acm/certificate:Certificate", "route53/record:Record"
VALIDATION = "acm/certificateValidation:CertificateValidation"
BUCKET, POLICY = "s3/bucket:Bucket", "s3/bucketPolicy:BucketPolicy"
ENCRYPTION = "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
ANSWER = {"type": "fixed-response", "fixedResponse": {"contentType": "text/plain", "statusCode": "404"}}
ANY_PATH = [{"pathPattern": {"values": ["/*"]}}]


@dataclass
class Stage:
    cloud: Cloud
    net: Network
    door: Front

    def balancer(self, name: str = "other", /, **more: Any) -> Resource:
        given = {"subnets": [subnet.id for subnet in self.net.public], "loadBalancerType": "application"}
        return self.cloud.make(BALANCER, name, **given | more)

    def group(self, name: str = "app", **more: Any) -> Resource:
        given = {"port": 8080, "protocol": "HTTP", "targetType": "ip", "vpcId": self.net.vpc.id}
        return self.cloud.make(GROUP, name, **given | more)

    def listener(self, **more: Any) -> Resource:
        given = {"loadBalancerArn": self.door.balancer.arn, "port": 443, "protocol": "HTTP", "defaultActions": [ANSWER]}
        return self.cloud.make(LISTENER, **given | more)

    def rule(self, priority: int = 10, **more: Any) -> Resource:
        given = {"listenerArn": self.door.listener.arn, "priority": priority, "conditions": ANY_PATH}
        actions = more.pop("actions", None) or [{"type": "forward", "targetGroupArn": self.group().arn}]
        return self.cloud.make(RULE, **given | {"actions": actions} | more)

    def certificate(self, *, proven: bool = False, **more: Any) -> Resource:
        made = self.cloud.make(CERTIFICATE, **{"domainName": "app.example.org", "validationMethod": "DNS"} | more)
        if proven:
            self.prove(made)
        return made

    def prove(self, certificate: Resource) -> None:
        self.cloud.outside("zones", ZONE, "example.org")
        for option in certificate["domainValidationOptions"]:
            self.record(
                name=option["resourceRecordName"],
                type="CNAME",
                ttl=60,
                records=[option["resourceRecordValue"]],
                allowOverwrite=True,
            )

    def record(self, **more: Any) -> Resource:
        self.cloud.outside("zones", ZONE, "example.org")
        given = {"zoneId": ZONE, "name": "app.example.org", "type": "TXT", "ttl": 60, "records": ["x"]}
        return self.cloud.make(RECORD, **given | more)

    def logged(self, *statements: dict[str, Any], algorithm: str = "AES256") -> Resource:
        """A balancer that writes its access log to a bucket with such a policy."""
        name = self.cloud.make(BUCKET, "logs").id
        by_default = {"applyServerSideEncryptionByDefault": {"sseAlgorithm": algorithm}}
        self.cloud.make(ENCRYPTION, bucket=name, rules=[by_default])
        if statements:
            arn = f"arn:aws:s3:::{name}"
            document = json.dumps({"Version": "2012-10-17", "Statement": statements}).replace("BUCKET", arn)
            self.cloud.make(POLICY, bucket=name, policy=document)
        return self.balancer(accessLogs={"bucket": name, "enabled": True})


def _writer(principal: dict[str, str], path: str = "AWSLogs/123456789012") -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": principal, "Action": "s3:PutObject", "Resource": f"BUCKET/{path}/*"}


DELIVERY = {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"}

Wrong = Callable[[Stage], object]

BALANCERS: list[tuple[str, str, Wrong]] = [
    ("a name too long", "ValidationError", lambda s: s.balancer("x" * 26)),
    ("a name given too long", "ValidationError", lambda s: s.cloud.make(BALANCER, name="x" * 33, subnets=[])),
    ("a name with a dot", "ValidationError", lambda s: s.cloud.make(BALANCER, name="my.alb", subnets=[])),
    ("a name that is reserved", "ValidationError", lambda s: s.cloud.make(BALANCER, name="internal-x", subnets=[])),
    ("a prefix too long", "ValidationError", lambda s: s.balancer(namePrefix="seven77")),
    ("a name twice", "DuplicateLoadBalancerName", lambda s: s.balancer(name=s.door.balancer["name"])),
    ("one zone", "ValidationError", lambda s: s.balancer(subnets=[s.net.public[0].id])),
    (
        "two subnets in one zone",
        "InvalidConfigurationRequest",
        lambda s: s.balancer(subnets=[s.net.public[0].id, s.net.private[0].id]),
    ),
    (
        "a subnet that is not there",
        "InvalidSubnetID.NotFound",
        lambda s: s.balancer(subnets=["subnet-0123456789abcdef0"]),
    ),
    ("waiting too long", "ValidationError", lambda s: s.balancer(idleTimeout=4001)),
    ("keeping alive too shortly", "ValidationError", lambda s: s.balancer(clientKeepAlive=30)),
    ("logs without permission", "InvalidConfigurationRequest", lambda s: s.logged()),
    ("logs to another path", "InvalidConfigurationRequest", lambda s: s.logged(_writer(DELIVERY, "logs"))),
    (
        "logs by somebody else",
        "InvalidConfigurationRequest",
        lambda s: s.logged(_writer({"Service": "delivery.logs.amazonaws.com"})),
    ),
    (
        "logs into a bucket with a key of KMS",
        "InvalidConfigurationRequest",
        lambda s: s.logged(_writer(DELIVERY), algorithm="aws:kms"),
    ),
    (
        "deleting what is protected",
        "OperationNotPermitted",
        lambda s: s.cloud.remove(s.balancer(enableDeletionProtection=True)),
    ),
]


TARGETS: list[tuple[str, str, Wrong]] = [
    ("a name too long for seven digits more", "ValidationError", lambda s: s.group("x" * 26)),
    ("waiting more than an hour", "ValidationError", lambda s: s.group(deregistrationDelay=3601)),
    ("a check every second", "ValidationError", lambda s: s.group(healthCheck={"interval": 1})),
    (
        "a check longer than its interval",
        "ValidationError",
        lambda s: s.group(healthCheck={"interval": 5, "timeout": 5}),
    ),
    ("a prefix too long", "ValidationError", lambda s: s.group(namePrefix="seven77")),
    ("a port that is none", "ValidationError", lambda s: s.group(port=0)),
    ("a check that waits a second", "ValidationError", lambda s: s.group(healthCheck={"timeout": 1})),
    ("one failure alone", "ValidationError", lambda s: s.group(healthCheck={"unhealthyThreshold": 1})),
    ("one check alone", "ValidationError", lambda s: s.group(healthCheck={"healthyThreshold": 1})),
    ("a path that is none", "ValidationError", lambda s: s.group(healthCheck={"path": "health"})),
    ("a slow start of a second", "ValidationError", lambda s: s.group(slowStart=1)),
    (
        "a slow start by outstanding requests",
        "InvalidConfigurationRequest",
        lambda s: s.group(slowStart=60, loadBalancingAlgorithmType="least_outstanding_requests"),
    ),
    (
        "a name twice",
        "DuplicateTargetGroupName",
        lambda s: [s.cloud.make(GROUP, name="one", port=80) for _ in range(2)],
    ),
    ("deleting what is in use", "ResourceInUse", lambda s: s.cloud.remove(_used(s))),
]


def _used(stage: Stage) -> Resource:
    group = stage.group()
    stage.rule(actions=[{"type": "forward", "targetGroupArn": group.arn}])
    return group


def _forward(arn: str) -> list[dict[str, str]]:
    return [{"type": "forward", "targetGroupArn": arn}]


def _elsewhere(stage: Stage) -> Resource:
    """A target group in another network."""
    vpc = stage.cloud.make("ec2/vpc:Vpc", cidrBlock="10.9.0.0/16")
    return stage.group("other", vpcId=vpc.id)


def _of_other_balancer(stage: Stage) -> Resource:
    group = stage.group("other")
    stage.listener(loadBalancerArn=stage.balancer().arn, defaultActions=_forward(group.arn))
    return group


LISTENERS: list[tuple[str, str, Wrong]] = [
    ("HTTPS without certificate", "ValidationError", lambda s: s.listener(protocol="HTTPS")),
    (
        "a certificate without TLS",
        "ValidationError",
        lambda s: s.listener(certificateArn=s.certificate(proven=True).arn),
    ),
    (
        "a certificate not issued yet",
        "UnsupportedCertificate",
        lambda s: s.listener(protocol="HTTPS", certificateArn=s.certificate().arn),
    ),
    (
        "a certificate that is not there",
        "CertificateNotFound",
        lambda s: s.listener(
            protocol="HTTPS",
            certificateArn="arn:aws:acm:us-east-1:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef",
        ),
    ),
    (
        "a policy that is none",
        "SSLPolicyNotFound",
        lambda s: s.listener(protocol="HTTPS", sslPolicy="TLS13", certificateArn=s.certificate(proven=True).arn),
    ),
    ("a port that is none", "ValidationError", lambda s: s.listener(port=65536)),
    ("a port twice", "DuplicateListener", lambda s: s.listener(port=80)),
    (
        "a balancer that is not there",
        "LoadBalancerNotFound",
        lambda s: s.listener(loadBalancerArn=s.door.balancer.arn[:-4] + "0000"),
    ),
    ("a priority twice", "PriorityInUse", lambda s: [s.rule(actions=[ANSWER]) for _ in range(2)]),
    ("a priority out of range", "ValidationError", lambda s: s.rule(50001)),
    ("no condition", "ValidationError", lambda s: s.rule(conditions=[])),
    ("six conditions", "TooManyRules", lambda s: s.rule(conditions=ANY_PATH * 6)),
    ("a target group elsewhere", "InvalidConfigurationRequest", lambda s: s.rule(actions=_forward(_elsewhere(s).arn))),
    (
        "a target group of two balancers",
        "TargetGroupAssociationLimit",
        lambda s: s.rule(actions=_forward(_of_other_balancer(s).arn)),
    ),
    ("a target group gone", "TargetGroupNotFound", lambda s: s.rule(actions=_forward(s.group().arn[:-4] + "0000"))),
]

NAMES: list[tuple[str, str, Wrong]] = [
    ("a domain that is none", "ValidationException", lambda s: s.certificate(domainName="under_score.example.org")),
    ("a validation by hand", "ValidationException", lambda s: s.certificate(validationMethod="HTTP")),
    (
        "waiting for a certificate without its record",
        "RequestExpired",
        lambda s: s.cloud.make(VALIDATION, certificateArn=s.certificate().arn),
    ),
    ("a zone that is not there", "NoSuchHostedZone", lambda s: s.record(zoneId="Z0000000000000000000")),
    ("a name outside of its zone", "InvalidChangeBatch", lambda s: s.record(name="app.example.com")),
    ("a record twice", "InvalidChangeBatch", lambda s: [s.record() for _ in range(2)]),
    ("a record without time to live", "InvalidInput", lambda s: s.record(ttl=None)),
    ("a type that is none", "InvalidInput", lambda s: s.record(type="ALIAS")),
    ("a record of nothing", "InvalidInput", lambda s: s.record(records=[])),
    ("deleting a certificate in use", "ResourceInUseException", lambda s: s.cloud.remove(_certificate_in_use(s))),
]


def _certificate_in_use(stage: Stage) -> Resource:
    certificate = stage.certificate(proven=True)
    stage.listener(protocol="HTTPS", certificateArn=certificate.arn)
    return certificate


ROWS = BALANCERS + TARGETS + LISTENERS + NAMES


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    cloud = Cloud.at(tmp_path)
    net = network(cloud)
    return Stage(cloud, net, front(cloud, net))


@pytest.mark.parametrize(("code", "wrong"), [row[1:] for row in ROWS], ids=[f"{row[0]}-{row[1]}" for row in ROWS])
def test_refuses(stage: Stage, code: str, wrong: Wrong) -> None:
    with pytest.raises(Refused) as refused:
        wrong(stage)
    assert refused.value.code == code, refused.value.message


def test_a_balancer_needs_a_way_to_the_internet(tmp_path: Path) -> None:
    cloud = Cloud.at(tmp_path)
    vpc = cloud.make("ec2/vpc:Vpc", cidrBlock="10.0.0.0/16")
    subnets = [
        cloud.make(
            "ec2/subnet:Subnet", vpcId=vpc.id, cidrBlock=f"10.0.{zone}.0/24", availabilityZone=f"us-east-1{name}"
        ).id
        for zone, name in enumerate("ab")
    ]
    with pytest.raises(Refused) as refused:
        cloud.make(BALANCER, subnets=subnets)
    assert refused.value.code == "InvalidSubnet"
    assert cloud.make(BALANCER, subnets=subnets, internal=True)["dnsName"].startswith("internal-")


def test_a_proven_certificate_serves(stage: Stage) -> None:
    certificate = stage.certificate(proven=True)
    validation = stage.cloud.make(VALIDATION, certificateArn=certificate.arn)
    stage.listener(
        protocol="HTTPS", certificateArn=validation["certificateArn"], sslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06"
    )


def test_apex_and_wildcard_are_proven_by_one_record(stage: Stage) -> None:
    certificate = stage.certificate(domainName="example.org", subjectAlternativeNames=["*.example.org"])
    assert len({option["resourceRecordName"] for option in certificate["domainValidationOptions"]}) == 1
    assert len(certificate["domainValidationOptions"]) == 2


def test_access_logs_with_permission_are_written(stage: Stage) -> None:
    assert stage.logged(_writer(DELIVERY))["accessLogs"]["enabled"]
