"""What a program reads has the form that AWS gives it: the patterns are those that CloudFormation's resource schemas
state (as cfn-lint carries them), and where these state none, those of AWS's API references."""

import re
from collections.abc import Iterator

import pytest

from .cloud import ZONE, Cloud, allow, environment
from .standin import schema
from .standin.account import Resource

HEX = "(?:[0-9a-f]{8}|[0-9a-f]{17})"
UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
REGIONAL = r"us-east-1:\d{12}"
EC2_ARN = rf"arn:aws:ec2:{REGIONAL}:[a-z-]+/[a-z-]+-{HEX}"
ELB_ARN = rf"arn:aws[a-zA-Z-]*:elasticloadbalancing:{REGIONAL}:"
SCALING_ARN = rf"arn:aws:autoscaling:{REGIONAL}:\w+:{UUID}:resource/ecs/service/[\w-]+/[\w-]+:\w+Name/[\w-]+"

COMMON = {
    "ownerId": r"\d{12}",
    "registryId": r"\d{12}",
    "region": r"[a-z]{2}-[a-z]+-\d",
    "publicIp": r"(?:\d{1,3}\.){3}\d{1,3}",
    "arnSuffix": r"(?:app/[\w-]{1,32}|targetgroup/[\w-]{1,32})/[0-9a-f]{16}",
}
"""By property, of whatever type."""

FORMATS = {
    "Vpc": {
        "id": rf"vpc-{HEX}",
        "arn": EC2_ARN,
        "defaultSecurityGroupId": rf"sg-{HEX}",
        "defaultNetworkAclId": rf"acl-{HEX}",
        "defaultRouteTableId": rf"rtb-{HEX}",
        "dhcpOptionsId": rf"dopt-{HEX}",
    },
    "Subnet": {"id": rf"subnet-{HEX}", "arn": EC2_ARN, "availabilityZoneId": r"use1-az\d"},
    "InternetGateway": {"id": rf"igw-{HEX}", "arn": EC2_ARN},
    "NatGateway": {
        "id": rf"nat-{HEX}",
        "arn": EC2_ARN,
        "networkInterfaceId": rf"eni-{HEX}",
        "privateIp": r"10(?:\.\d{1,3}){3}",
    },
    "Eip": {
        "id": rf"eipalloc-{HEX}",
        "arn": rf"arn:aws:ec2:{REGIONAL}:elastic-ip/eipalloc-{HEX}",
        "allocationId": rf"eipalloc-{HEX}",
        "publicDns": r"ec2(?:-\d{1,3}){4}\.compute-1\.amazonaws\.com",
    },
    "RouteTable": {"id": rf"rtb-{HEX}", "arn": EC2_ARN},
    "Route": {"id": rf"r-rtb-{HEX}\d+", "origin": "CreateRoute", "state": "active"},
    "RouteTableAssociation": {"id": rf"rtbassoc-{HEX}"},
    "VpcEndpoint": {
        "id": rf"vpce-{HEX}",
        "arn": EC2_ARN,
        "prefixListId": r"pl-[0-9a-f]{8}",
        "state": "available",
    },
    "FlowLog": {"id": rf"fl-{HEX}", "arn": EC2_ARN},
    "SecurityGroup": {"id": rf"sg-{HEX}", "arn": EC2_ARN},
    "DefaultSecurityGroup": {"id": rf"sg-{HEX}", "arn": EC2_ARN, "name": "default", "description": r"default VPC .*"},
    "SecurityGroupIngressRule": {"id": rf"sgr-{HEX}", "arn": EC2_ARN, "securityGroupRuleId": rf"sgr-{HEX}"},
    "SecurityGroupEgressRule": {"id": rf"sgr-{HEX}", "arn": EC2_ARN, "securityGroupRuleId": rf"sgr-{HEX}"},
    "LoadBalancer": {
        "id": ELB_ARN + r"loadbalancer/app/[\w-]{1,32}/[0-9a-f]{16}",
        "arn": ELB_ARN + r"loadbalancer/app/[\w-]{1,32}/[0-9a-f]{16}",
        "dnsName": r"[\w-]+-\d{9,10}\.us-east-1\.elb\.amazonaws\.com",
        "zoneId": r"Z[A-Z0-9]{1,32}",
        "vpcId": rf"vpc-{HEX}",
    },
    "TargetGroup": {"arn": ELB_ARN + r"targetgroup/[\w-]{1,32}/[0-9a-f]{16}"},
    "Listener": {"arn": ELB_ARN + r"listener/app/[\w-]{1,32}/[0-9a-f]{16}/[0-9a-f]{16}"},
    "ListenerRule": {"arn": ELB_ARN + r"listener-rule/app/[\w-]{1,32}/[0-9a-f]{16}/[0-9a-f]{16}/[0-9a-f]{16}"},
    "Cluster": {"arn": rf"arn:aws[a-zA-Z-]*:ecs:{REGIONAL}:cluster/[a-zA-Z0-9_-]{{1,255}}"},
    "Service": {"arn": rf"arn:aws[a-zA-Z-]*:ecs:{REGIONAL}:service/[a-zA-Z0-9_-]+/[a-zA-Z0-9_-]{{1,255}}"},
    "TaskDefinition": {
        "arn": rf"arn:aws:ecs:{REGIONAL}:task-definition/[\w-]{{1,255}}:\d+",
        "arnWithoutRevision": rf"arn:aws:ecs:{REGIONAL}:task-definition/[\w-]{{1,255}}",
    },
    "Repository": {
        "arn": rf"arn:aws:ecr:{REGIONAL}:repository/[a-z0-9./_-]+",
        "repositoryUrl": r"\d{12}\.dkr\.ecr\.us-east-1\.amazonaws\.com/[a-z0-9./_-]+",
    },
    "Role": {
        "arn": r"arn:aws[^:]*:iam::\d{12}:role(/[a-zA-Z0-9+=,.@_-]+)*/[a-zA-Z0-9+=,.@_-]+",
        "uniqueId": "AROA[A-Z2-7]{17}",
        "createDate": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    },
    "Policy": {"arn": rf"arn:aws:iam::\d{{12}}:policy/[\w+=,.@-]+|{SCALING_ARN}", "policyId": "ANPA[A-Z2-7]{17}"},
    "Key": {"id": UUID, "keyId": UUID, "arn": rf"arn:aws(?:|-cn|-us-gov):kms:{REGIONAL}:key/[a-zA-Z0-9-]{{36}}"},
    "Alias": {
        "id": r"alias/[a-zA-Z0-9:/_-]+",
        "arn": rf"arn:aws:kms:{REGIONAL}:alias/[\w/-]+",
        "targetKeyArn": rf"arn:aws:kms:{REGIONAL}:key/{UUID}",
    },
    "Bucket": {
        "arn": r"arn:[\w\-]+:s3:::[a-z0-9][\.\-a-z0-9]{1,61}[a-z0-9]",
        "bucketDomainName": r"[a-z0-9.-]+\.s3\.amazonaws\.com",
        "bucketRegionalDomainName": r"[a-z0-9.-]+\.s3\.us-east-1\.amazonaws\.com",
        "bucketRegion": "us-east-1",
        "hostedZoneId": r"Z[A-Z0-9]{1,32}",
    },
    "LogGroup": {"arn": rf"arn:aws:logs:{REGIONAL}:log-group:[^:*]*"},
    "MetricAlarm": {"arn": rf"arn:aws:cloudwatch:{REGIONAL}:alarm:.+"},
    "Dashboard": {"dashboardArn": r"arn:aws:cloudwatch::\d{12}:dashboard/[\w-]+"},
    "Topic": {"arn": rf"arn:aws[a-z\-]*:sns:{REGIONAL}:[a-zA-Z0-9_.-]+", "owner": r"\d{12}"},
    "TopicSubscription": {"arn": rf"arn:aws:sns:{REGIONAL}:[a-zA-Z0-9_.-]+:{UUID}"},
    "TopicPolicy": {"owner": r"\d{12}"},
    "Target": {"arn": rf"arn:aws:application-autoscaling:{REGIONAL}:scalable-target/[0-9a-f]{{32}}"},
    "ScheduledAction": {"arn": SCALING_ARN},
    "Certificate": {
        "arn": rf"arn:aws(-[a-z]+)*:acm:{REGIONAL}:certificate/{UUID}",
        "status": "PENDING_VALIDATION|ISSUED",
        "type": "AMAZON_ISSUED",
        "renewalEligibility": "INELIGIBLE",
    },
    "Record": {"id": r"Z[A-Z0-9]{1,32}_[\w.-]+_[A-Z]+", "fqdn": r"[\w.-]+"},
    "RolePolicyAttachment": {"id": r"[\w+=,.@-]+-[0-9a-f]{26}"},
}


def everything(cloud: Cloud) -> list[Resource]:
    """One of each type that an environment has, and of those that it may have."""
    env = environment(cloud)
    vpc = env.network.vpc
    service = cloud.make("ecs/service:Service", "app", **env.service)
    cloud.make("ec2/defaultSecurityGroup:DefaultSecurityGroup", vpcId=vpc.id)
    cloud.make(
        "ec2/vpcEndpoint:VpcEndpoint",
        vpcId=vpc.id,
        serviceName="com.amazonaws.us-east-1.s3",
        routeTableIds=[table.id for table in env.network.tables],
    )
    cloud.make(
        "ec2/flowLog:FlowLog",
        vpcId=vpc.id,
        trafficType="ALL",
        logDestination=env.log_group.arn,
        iamRoleArn=env.task_role.arn,
    )
    cloud.make("ecr/repository:Repository", name="app/images")
    bucket = cloud.make("s3/bucket:Bucket", "recordings")
    cloud.make("s3/bucketVersioning:BucketVersioning", bucket=bucket.id, versioningConfiguration={"status": "Enabled"})
    policy = cloud.make("iam/policy:Policy", "reads", policy=allow("s3:GetObject"))
    cloud.make("iam/rolePolicyAttachment:RolePolicyAttachment", role=env.task_role.id, policyArn=policy.arn)
    cloud.make("kms/alias:Alias", name="alias/app", targetKeyId=cloud.make("kms/key:Key").id)
    _named(cloud)
    _watched(cloud)
    _scaled(cloud, f"service/{env.cluster['name']}/{service['name']}")
    with cloud.work.ledger.open() as account:
        return list(account.resources)


def _named(cloud: Cloud) -> None:
    cloud.outside("zones", ZONE, "example.org")
    certificate = cloud.make("acm/certificate:Certificate", domainName="app.example.org", validationMethod="DNS")
    option = certificate["domainValidationOptions"][0]
    cloud.make(
        "route53/record:Record",
        zoneId=ZONE,
        name=option["resourceRecordName"],
        type=option["resourceRecordType"],
        records=[option["resourceRecordValue"]],
        ttl=60,
    )


def _watched(cloud: Cloud) -> None:
    topic = cloud.make("sns/topic:Topic", "alarms")
    cloud.make("sns/topicPolicy:TopicPolicy", arn=topic.arn, policy=allow("sns:Publish", Principal="*"))
    cloud.make("sns/topicSubscription:TopicSubscription", topic=topic.arn, protocol="email", endpoint="a@example.org")
    cloud.make("cloudwatch/dashboard:Dashboard", dashboardName="app", dashboardBody='{"widgets": []}')
    cloud.make(
        "cloudwatch/metricAlarm:MetricAlarm",
        "errors",
        comparisonOperator="GreaterThanThreshold",
        evaluationPeriods=1,
        metricName="Errors",
        namespace="App",
        statistic="Sum",
        period=60,
    )


def _scaled(cloud: Cloud, resource: str) -> None:
    of = {"resourceId": resource, "scalableDimension": "ecs:service:DesiredCount", "serviceNamespace": "ecs"}
    cpu = {
        "predefinedMetricSpecification": {"predefinedMetricType": "ECSServiceAverageCPUUtilization"},
        "targetValue": 60,
    }
    cloud.make("appautoscaling/target:Target", minCapacity=1, maxCapacity=2, **of)
    cloud.make(
        "appautoscaling/policy:Policy",
        policyType="TargetTrackingScaling",
        targetTrackingScalingPolicyConfiguration=cpu,
        **of,
    )
    cloud.make("appautoscaling/scheduledAction:ScheduledAction", schedule="rate(1 day)", scalableTargetAction={}, **of)


def _strings(resource: Resource) -> Iterator[tuple[str, str]]:
    """What AWS alone decides: its id, and every output that is a text."""
    yield "id", resource.id
    declared = schema.resource_type(resource.type)
    assert declared is not None
    for name in declared.outputs:
        if isinstance(value := resource.outputs[name], str):
            yield name, value


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Resource]:
    return everything(Cloud.at(tmp_path_factory.mktemp("account")))


def test_every_text_has_its_form(made: list[Resource]) -> None:
    wrong: list[str] = []
    for resource in made:
        formats = COMMON | FORMATS.get(resource.type.rsplit(":", 1)[-1], {})
        for name, value in _strings(resource):
            if value and name in formats and not re.fullmatch(formats[name], value):
                wrong.append(f"{resource.type} {name}: {value}")
    assert wrong == []


def test_hardly_any_text_is_of_no_stated_form(made: list[Resource]) -> None:
    """An id that is a name from the program, or an ARN, is not invented."""
    texts, free = 0, set[str]()
    for resource in made:
        kind = resource.type.rsplit(":", 1)[-1]
        formats = COMMON | FORMATS.get(kind, {})
        given = {str(value) for value in resource.inputs.values()} | {resource.arn}
        for name, value in _strings(resource):
            texts += 1
            if value and name not in formats and value not in given:
                free.add(f"{kind}.{name}")
    assert len(free) / texts < 0.05, sorted(free)


def test_what_aws_always_fills_is_never_empty(made: list[Resource]) -> None:
    empty = {
        f"{resource.type.rsplit(':', 1)[-1]}.{name}"
        for resource in made
        for name, value in _strings(resource)
        if value == "" and name in COMMON | FORMATS.get(resource.type.rsplit(":", 1)[-1], {})
    }
    assert empty == set()


def test_ids_are_never_used_twice(made: list[Resource]) -> None:
    arns = [resource.arn for resource in made if resource.arn]
    assert len(set(arns)) == len(arns)
