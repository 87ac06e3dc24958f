"""An account for tests of the stand-in, and a whole environment in it that every rule accepts."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .standin.account import Ledger, Resource
from .standin.images import Registry
from .standin.refusal import Refused
from .standin.work import Principal, Work

NUMBER = "123456789012"
ZONE = "Z0123456789ABCDEFGHIJ"


@dataclass
class Cloud:
    """Makes resources as a program would, without an engine between."""

    work: Work

    @classmethod
    def at(cls, folder: Path, *, registry: str | None = None, principal: Principal | None = None) -> "Cloud":
        everybody = Principal(f"arn:aws:iam::{NUMBER}:root")
        return cls(Work(Ledger(folder), principal or everybody, Registry(registry) if registry else None))

    def make(self, token: str, name: str = "it", /, **inputs: Any) -> Resource:
        """Raises Refused for what the check finds as well; its code is that of the first problem, or `Check`."""
        kind = f"aws:{token}"
        checked, problems = self.work.check(kind, name, inputs, {}, b"")
        if problems:
            raise _first(problems)
        urn = f"urn:pulumi:test::cloud::{kind}::{name}"
        resource, failure = self.work.create(kind, urn, checked)
        if failure:
            raise failure
        return resource

    def change(self, resource: Resource, **inputs: Any) -> Resource:
        checked, problems = self.work.check(resource.type, "it", resource.inputs | inputs, resource.inputs, b"")
        if problems:
            raise _first(problems)
        changed, failure = self.work.update(resource.type, resource.id, checked, resource.arn)
        if failure:
            raise failure
        return changed

    def remove(self, resource: Resource) -> None:
        self.work.delete(resource.type, resource.id, resource.arn)

    def outside(self, kind: str, name: str, value: Any) -> None:
        """What somebody made by hand."""
        with self.work.ledger.open() as account:
            account.outside.setdefault(kind, {})[name] = value

    def deployments(self) -> list[dict[str, Any]]:
        with self.work.ledger.open() as account:
            return [item for history in account.deployments.values() for item in history]


def _first(problems: list[tuple[str, str]]) -> Refused:
    reason = problems[0][1]
    if reason.startswith("api error "):
        code, _, message = reason.removeprefix("api error ").partition(": ")
        return Refused(code, message)
    return Refused("Check", f"{problems[0][0]}: {reason}")


def allow(*actions: str, resource: Any = "*", **more: Any) -> str:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(service: str = "ecs-tasks.amazonaws.com", **condition: Any) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [statement | ({"Condition": condition} if condition else {})]}
    )


@dataclass
class Network:
    vpc: Resource
    gateway: Resource
    public: list[Resource]
    private: list[Resource]
    nat: Resource
    tables: list[Resource]


def network(cloud: Cloud) -> Network:
    """Two zones, one NAT gateway."""
    vpc = cloud.make("ec2/vpc:Vpc", cidrBlock="10.0.0.0/16")
    gateway = cloud.make("ec2/internetGateway:InternetGateway", vpcId=vpc.id)
    subnets = [
        cloud.make(
            "ec2/subnet:Subnet", vpcId=vpc.id, cidrBlock=f"10.0.{index}.0/24", availabilityZone=f"us-east-1{zone}"
        )
        for index, zone in enumerate("abab")
    ]
    tables = [cloud.make("ec2/routeTable:RouteTable", vpcId=vpc.id) for _ in subnets]
    for subnet, table in zip(subnets, tables, strict=True):
        cloud.make("ec2/routeTableAssociation:RouteTableAssociation", subnetId=subnet.id, routeTableId=table.id)
    address = cloud.make("ec2/eip:Eip", domain="vpc")
    nat = cloud.make("ec2/natGateway:NatGateway", subnetId=subnets[0].id, allocationId=address.id)
    for index, table in enumerate(tables):
        way = {"gatewayId": gateway.id} if index < 2 else {"natGatewayId": nat.id}
        cloud.make("ec2/route:Route", routeTableId=table.id, destinationCidrBlock="0.0.0.0/0", **way)
    return Network(vpc, gateway, subnets[:2], subnets[2:], nat, tables)


@dataclass
class Front:
    group: Resource
    balancer: Resource
    listener: Resource


def front(cloud: Cloud, net: Network) -> Front:
    """A load balancer that answers on port 80."""
    group = cloud.make("ec2/securityGroup:SecurityGroup", "front", vpcId=net.vpc.id, description="front")
    cloud.make(
        "vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        securityGroupId=group.id, ipProtocol="tcp", fromPort=80, toPort=80, cidrIpv4="0.0.0.0/0",
    )  # fmt: skip
    balancer = cloud.make(
        "lb/loadBalancer:LoadBalancer",
        "front",
        subnets=[subnet.id for subnet in net.public],
        securityGroups=[group.id],
        loadBalancerType="application",
    )
    answer = {"type": "fixed-response", "fixedResponse": {"contentType": "text/plain", "statusCode": "404"}}
    listener = cloud.make(
        "lb/listener:Listener", loadBalancerArn=balancer.arn, port=80, protocol="HTTP", defaultActions=[answer]
    )
    return Front(group, balancer, listener)


@dataclass
class Environment:
    """Everything but the service itself; `service` is what it is made with."""

    network: Network
    front: Front
    cluster: Resource
    target_group: Resource
    tasks: Resource
    execution_role: Resource
    task_role: Resource
    definition: Resource
    log_group: Resource
    rule: Resource
    service: dict[str, Any]


def environment(cloud: Cloud, *, image: str = "example.org/app@sha256:0", **task: Any) -> Environment:
    """`task` overrides the task definition."""
    net = network(cloud)
    door = front(cloud, net)
    cluster = cloud.make("ecs/cluster:Cluster", "cluster")
    cloud.make(
        "ecs/clusterCapacityProviders:ClusterCapacityProviders",
        clusterName=cluster["name"],
        capacityProviders=["FARGATE", "FARGATE_SPOT"],
    )
    group = cloud.make(
        "lb/targetGroup:TargetGroup", "app", port=8080, protocol="HTTP", targetType="ip", vpcId=net.vpc.id
    )
    rule = cloud.make(
        "lb/listenerRule:ListenerRule",
        listenerArn=door.listener.arn,
        priority=10,
        actions=[{"type": "forward", "targetGroupArn": group.arn}],
        conditions=[{"pathPattern": {"values": ["/*"]}}],
    )
    tasks = _task_group(cloud, net, door.group)
    logs = cloud.make("cloudwatch/logGroup:LogGroup", "logs", name="/app", retentionInDays=7)
    execution, role = _roles(cloud)
    given = definition(execution, role, image) | task
    made = cloud.make("ecs/taskDefinition:TaskDefinition", **given)
    service = {
        "cluster": cluster.arn,
        "taskDefinition": made.arn,
        "desiredCount": 1,
        "launchType": "FARGATE",
        "networkConfiguration": {"subnets": [item.id for item in net.private], "securityGroups": [tasks.id]},
        "loadBalancers": [{"targetGroupArn": group.arn, "containerName": "app", "containerPort": 8080}],
        "deploymentCircuitBreaker": {"enable": True, "rollback": True},
        "waitForSteadyState": True,
    }
    return Environment(net, door, cluster, group, tasks, execution, role, made, logs, rule, service)


def _task_group(cloud: Cloud, net: Network, door: Resource) -> Resource:
    tasks = cloud.make("ec2/securityGroup:SecurityGroup", "tasks", vpcId=net.vpc.id, description="tasks")
    between = {"ipProtocol": "tcp", "fromPort": 8080, "toPort": 8080}
    egress, ingress = (
        "vpc/securityGroupEgressRule:SecurityGroupEgressRule",
        "vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    )
    cloud.make(egress, securityGroupId=door.id, referencedSecurityGroupId=tasks.id, **between)
    cloud.make(ingress, securityGroupId=tasks.id, referencedSecurityGroupId=door.id, **between)
    cloud.make(egress, securityGroupId=tasks.id, ipProtocol="tcp", fromPort=443, toPort=443, cidrIpv4="0.0.0.0/0")
    return tasks


def _roles(cloud: Cloud) -> tuple[Resource, Resource]:
    execution = cloud.make("iam/role:Role", "execution", assumeRolePolicy=trust())
    actions = ("ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
    logs = ("logs:CreateLogStream", "logs:PutLogEvents", "ssm:GetParameters")
    cloud.make("iam/rolePolicy:RolePolicy", "may", role=execution.id, policy=allow(*actions, *logs))
    return execution, cloud.make("iam/role:Role", "task", assumeRolePolicy=trust())


def container(image: str, **more: Any) -> dict[str, Any]:
    options = {"awslogs-group": "/app", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "app"}
    return {
        "name": "app",
        "image": image,
        "portMappings": [{"containerPort": 8080, "protocol": "tcp"}],
        "logConfiguration": {"logDriver": "awslogs", "options": options},
        **more,
    }


def definition(execution: Resource, role: Resource, image: str, **more: Any) -> dict[str, Any]:
    return {
        "family": "app",
        "containerDefinitions": json.dumps([container(image, **more)]),
        "cpu": "256",
        "memory": "512",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "executionRoleArn": execution.arn,
        "taskRoleArn": role.arn,
    }
