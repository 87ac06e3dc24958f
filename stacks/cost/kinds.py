"""For every type of resource: what its price depends on, or why it costs nothing by itself."""

import json
from collections.abc import Callable, Mapping
from typing import Any

Properties = Mapping[str, Any]

NAT = "aws:ec2/natGateway:NatGateway"
ADDRESS = "aws:ec2/eip:Eip"
SUBNET = "aws:ec2/subnet:Subnet"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
FLOW_LOG = "aws:ec2/flowLog:FlowLog"
BALANCER = "aws:lb/loadBalancer:LoadBalancer"
IMAGES = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
CLUSTER = "aws:ecs/cluster:Cluster"
SERVICE = "aws:ecs/service:Service"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
TARGET = "aws:appautoscaling/target:Target"
POLICY = "aws:appautoscaling/policy:Policy"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
DASHBOARD = "aws:cloudwatch/dashboard:Dashboard"


def _nothing(_: Properties) -> dict[str, Any]:
    """Its being there is what costs."""
    return {}


def _subnet(properties: Properties) -> dict[str, Any]:
    """Free; where the private ones are is where the zones are."""
    return {"public": bool(properties.get("mapPublicIpOnLaunch"))}


def _endpoint(properties: Properties) -> dict[str, Any]:
    """Gateways, S3's, are free."""
    interface = properties.get("vpcEndpointType") == "Interface"
    return {"zones": len(properties.get("subnetIds") or ()) if interface else 0}


def _balancer(properties: Properties) -> dict[str, Any]:
    logs: Properties = properties.get("accessLogs") or {}
    return {"addresses": len(properties["subnets"]), "access_logs": bool(logs.get("enabled"))}


def _images(properties: Properties) -> dict[str, Any]:
    policy = properties["policy"]
    rules = (json.loads(policy) if isinstance(policy, str) else policy)["rules"]
    counts = [rule["selection"]["countNumber"] for rule in rules if rule["selection"]["tagStatus"] == "tagged"]
    return {"images": sum(counts)}


def _cluster(properties: Properties) -> dict[str, Any]:
    settings = {each["name"]: each["value"] for each in properties.get("settings") or ()}
    return {"insights": settings.get("containerInsights", "disabled")}


def _service(properties: Properties) -> dict[str, Any]:
    """Where tasks beyond the fixed ones may be."""
    strategy: list[Properties] = properties.get("capacityProviderStrategies") or []
    return {"spot": any(each["capacityProvider"] == "FARGATE_SPOT" for each in strategy)}


def _task(properties: Properties) -> dict[str, Any]:
    (container,) = json.loads(properties["containerDefinitions"])
    environment = {each["name"]: each["value"] for each in container["environment"]}
    disk: Properties = properties.get("ephemeralStorage") or {}
    return {
        "architecture": properties["runtimePlatform"]["cpuArchitecture"],
        "cpu": int(properties["cpu"]),
        "disk_gib": int(disk.get("sizeInGib", 20)),
        "engine": "own" if "OPENAI_BASE_URL" in environment else environment["ENGINE"],
        "memory_mib": int(properties["memory"]),
        "model": environment.get("OPENAI_MODEL", ""),
    }


def _target(properties: Properties) -> dict[str, Any]:
    return {"least": int(properties["minCapacity"]), "most": int(properties["maxCapacity"])}


def _policy(properties: Properties) -> dict[str, Any]:
    """`sessions` is how many of them scaling wants a task to have; None for a policy about something else."""
    tracking = properties["targetTrackingScalingPolicyConfiguration"]
    ours = bool(tracking.get("customizedMetricSpecification"))
    return {"sessions": int(tracking["targetValue"]) if ours else None}


FACTS: dict[str, Callable[[Properties], dict[str, Any]]] = {
    NAT: _nothing,
    ADDRESS: _nothing,
    SUBNET: _subnet,
    ENDPOINT: _endpoint,
    FLOW_LOG: _nothing,
    BALANCER: _balancer,
    IMAGES: _images,
    CLUSTER: _cluster,
    SERVICE: _service,
    TASK: _task,
    TARGET: _target,
    POLICY: _policy,
    ALARM: _nothing,
    DASHBOARD: _nothing,
}
"""By type, what is taken of its properties, inputs and outputs."""

_USE = "what is in it is paid for by use: see the figures of a session-hour"
_RULE = "a rule, which is free"
_WIRING = "wiring, which is free"
FREE: dict[str, str] = {
    "aws:acm/certificate:Certificate": "public certificates are free",
    "aws:acm/certificateValidation:CertificateValidation": "waits, and makes nothing",
    "aws:cloudwatch/logGroup:LogGroup": _USE,
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": _RULE,
    "aws:ec2/internetGateway:InternetGateway": _WIRING,
    "aws:ec2/route:Route": _WIRING,
    "aws:ec2/routeTable:RouteTable": _WIRING,
    "aws:ec2/routeTableAssociation:RouteTableAssociation": _WIRING,
    "aws:ec2/securityGroup:SecurityGroup": _RULE,
    "aws:ec2/vpc:Vpc": _WIRING,
    "aws:ecr/repository:Repository": "its lifecycle policy says how much is in it",
    "aws:ecr/repositoryPolicy:RepositoryPolicy": "says who may pull",
    "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders": _WIRING,
    "aws:iam/role:Role": _RULE,
    "aws:iam/rolePolicy:RolePolicy": _RULE,
    "aws:lb/listener:Listener": "comes with the load balancer",
    "aws:lb/listenerRule:ListenerRule": "comes with the load balancer, up to ten",
    "aws:lb/targetGroup:TargetGroup": "comes with the load balancer",
    "aws:route53/record:Record": "aliases of load balancers are free to look up; the zone is not ours",
    "aws:s3/bucket:Bucket": _USE,
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _RULE,
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _RULE,
    "aws:s3/bucketPolicy:BucketPolicy": _RULE,
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _RULE,
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _RULE,
    "aws:s3/bucketVersioning:BucketVersioning": _RULE,
    "aws:sns/topic:Topic": "a thousand e-mails a month are free",
    "aws:sns/topicPolicy:TopicPolicy": _RULE,
    "aws:sns/topicSubscription:TopicSubscription": "a thousand e-mails a month are free",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _RULE,
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _RULE,
    "docker-build:index:Image": "the repository's lifecycle policy says how many are kept",
}
"""By type, why nothing is counted for it."""
