"""What ECS refuses, and what becomes of a deployment whose tasks don't stay."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .cloud import Cloud, Environment, allow, container, environment, trust
from .standin.account import Resource
from .standin.refusal import Refused, StillFailing

DEFINITION, SERVICE, CLUSTER = "ecs/taskDefinition:TaskDefinition", "ecs/service:Service", "ecs/cluster:Cluster"
PROVIDERS = "ecs/clusterCapacityProviders:ClusterCapacityProviders"
IMAGE = "example.org/app@sha256:0"
EGRESS = "vpc/securityGroupEgressRule:SecurityGroupEgressRule"

Wrong = Callable[[Cloud, Environment], object]


def _define(cloud: Cloud, env: Environment, **more: Any) -> Resource:
    return cloud.make(DEFINITION, **{**_inputs(env), **more})


def _inputs(env: Environment) -> dict[str, Any]:
    return {name: value for name, value in env.definition.inputs.items() if name != "tags"}


def _contain(cloud: Cloud, env: Environment, **more: Any) -> Resource:
    """A task definition whose one container has these properties."""
    return _define(cloud, env, containerDefinitions=json.dumps([container(IMAGE, **more)]))


def _serve(cloud: Cloud, env: Environment, **more: Any) -> Resource:
    return cloud.make(SERVICE, "app", **env.service | more)


def _probe(**more: Any) -> dict[str, Any]:
    return {"healthCheck": {"command": ["CMD", "true"], **more}}


DEFINITIONS: list[tuple[str, Wrong]] = [
    ("no JSON", lambda c, e: _define(c, e, containerDefinitions="[")),
    ("no container", lambda c, e: _define(c, e, containerDefinitions="[]")),
    ("a misspelt property", lambda c, e: _contain(c, e, readOnlyRootFilesystem=True)),
    ("a property of another type", lambda c, e: _contain(c, e, stopTimeout="120")),
    ("a name twice", lambda c, e: _define(c, e, containerDefinitions=json.dumps([container(IMAGE)] * 2))),
    ("nothing essential", lambda c, e: _contain(c, e, essential=False)),
    ("no image", lambda c, e: _define(c, e, containerDefinitions=json.dumps([container("")]))),
    ("a size that is not sold", lambda c, e: _define(c, e, cpu="256", memory="4096")),
    ("no size", lambda c, e: _define(c, e, cpu=None, memory=None)),
    ("a container larger than its task", lambda c, e: _contain(c, e, memory=1024)),
    ("bridged on Fargate", lambda c, e: _define(c, e, networkMode="bridge")),
    ("logs without execution role", lambda c, e: _define(c, e, executionRoleArn=None)),
    ("stopping for more than two minutes", lambda c, e: _contain(c, e, stopTimeout=121)),
    ("a check every second", lambda c, e: _contain(c, e, **_probe(interval=1))),
    ("a check of two minutes", lambda c, e: _contain(c, e, **_probe(timeout=120))),
    ("eleven retries", lambda c, e: _contain(c, e, **_probe(retries=11))),
    ("a start of ten minutes", lambda c, e: _contain(c, e, **_probe(startPeriod=600))),
    ("a check that names no way to run it", lambda c, e: _contain(c, e, healthCheck={"command": ["true"]})),
    ("a volume that is not declared", lambda c, e: _contain(c, e, mountPoints=[{"sourceVolume": "spool"}])),
    ("a secret and a variable of one name", lambda c, e: _contain(c, e, **_both("KEY"))),
    ("a secret that is no ARN", lambda c, e: _contain(c, e, secrets=[{"name": "KEY", "valueFrom": "arn:aws:s3:::x"}])),
    ("a privileged container", lambda c, e: _contain(c, e, privileged=True)),
    ("another port outside", lambda c, e: _contain(c, e, portMappings=[{"containerPort": 8080, "hostPort": 80}])),
    (
        "a memory file system",
        lambda c, e: _contain(c, e, linuxParameters={"tmpfs": [{"containerPath": "/t", "size": 1}]}),
    ),
    ("a capability", lambda c, e: _contain(c, e, linuxParameters={"capabilities": {"add": ["NET_ADMIN"]}})),
    ("a limit of memory", lambda c, e: _contain(c, e, ulimits=[{"name": "memlock", "softLimit": 1, "hardLimit": 1}])),
    ("logs to syslog", lambda c, e: _contain(c, e, logConfiguration={"logDriver": "syslog"})),
    ("logs without a prefix", lambda c, e: _contain(c, e, logConfiguration=_log_options("awslogs-stream-prefix"))),
    ("a volume of the host", lambda c, e: _define(c, e, volumes=[{"name": "spool", "hostPath": "/data"}])),
    ("a disk of ten gigabytes", lambda c, e: _define(c, e, ephemeralStorage={"sizeInGib": 10})),
    ("an architecture that is none", lambda c, e: _define(c, e, runtimePlatform={"cpuArchitecture": "arm64"})),
    ("a container with a dot", lambda c, e: _contain(c, e, name="my.app")),
    ("a family with a slash", lambda c, e: _define(c, e, family="my/app")),
    ("placement", lambda c, e: _define(c, e, placementConstraints=[{"type": "memberOf"}])),
]


def _both(name: str) -> dict[str, Any]:
    return {"environment": [{"name": name, "value": "x"}], "secrets": [{"name": name, "valueFrom": "/key"}]}


def _log_options(missing: str) -> dict[str, Any]:
    options = dict(container(IMAGE)["logConfiguration"]["options"])
    del options[missing]
    return {"logDriver": "awslogs", "options": options}


def _balance(env: Environment, **more: Any) -> dict[str, Any]:
    return {"loadBalancers": [env.service["loadBalancers"][0] | more]}


def _without_listener(cloud: Cloud, env: Environment) -> None:
    cloud.remove(env.rule)
    _serve(cloud, env)


def _other_target(cloud: Cloud, env: Environment, **more: Any) -> None:
    group = cloud.make(
        "lb/targetGroup:TargetGroup", "b", **{"port": 8080, "protocol": "HTTP", "vpcId": env.network.vpc.id} | more
    )
    cloud.change(env.rule, actions=[{"type": "forward", "targetGroupArn": group.arn}])
    _serve(cloud, env, **_balance(env, targetGroupArn=group.arn))


def _elsewhere(cloud: Cloud, env: Environment) -> None:
    vpc = cloud.make("ec2/vpc:Vpc", cidrBlock="10.9.0.0/16")
    group = cloud.make("ec2/securityGroup:SecurityGroup", "other", vpcId=vpc.id)
    _serve(cloud, env, networkConfiguration=env.service["networkConfiguration"] | {"securityGroups": [group.id]})


def _in_six_groups(cloud: Cloud, env: Environment) -> None:
    vpc = env.network.vpc.id
    groups = [cloud.make("ec2/securityGroup:SecurityGroup", f"g{number}", vpcId=vpc).id for number in range(6)]
    _serve(cloud, env, networkConfiguration=env.service["networkConfiguration"] | {"securityGroups": groups})


def _given_up(cloud: Cloud, env: Environment) -> str:
    """A revision that somebody deregistered by hand."""
    with cloud.work.ledger.open() as account:
        found = account.find(f"aws:{DEFINITION}", env.definition.arn)
        assert found is not None
        found.outputs["status"] = "INACTIVE"
    return env.definition.arn


SPOT = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]

SERVICES: list[tuple[str, str, Wrong]] = [
    ("no cluster", "ClusterNotFoundException", lambda c, e: _serve(c, e, cluster=e.cluster.arn + "x")),
    ("no task definition", "ClientException", lambda c, e: _serve(c, e, taskDefinition=e.definition.arn + "1")),
    ("a cluster that is none", "ClusterNotFoundException", lambda c, e: _serve(c, e, cluster="gone")),
    ("a family that is none", "ClientException", lambda c, e: _serve(c, e, taskDefinition="gone")),
    ("a revision given up", "ClientException", lambda c, e: _serve(c, e, taskDefinition=_given_up(c, e))),
    ("a launch type that is none", "InvalidParameterException", lambda c, e: _serve(c, e, launchType="LAMBDA")),
    ("six security groups", "InvalidParameterException", _in_six_groups),
    (
        "launch type and strategy",
        "InvalidParameterException",
        lambda c, e: _serve(c, e, capacityProviderStrategies=SPOT),
    ),
    (
        "a provider that the cluster does not have",
        "InvalidParameterException",
        lambda c, e: _serve(c, e, launchType=None, capacityProviderStrategies=[{"capacityProvider": "mine"}]),
    ),
    (
        "two providers with a base",
        "InvalidParameterException",
        lambda c, e: _serve(
            c,
            e,
            launchType=None,
            capacityProviderStrategies=[{"capacityProvider": name, "base": 1} for name in ("FARGATE", "FARGATE_SPOT")],
        ),
    ),
    ("another container", "InvalidParameterException", lambda c, e: _serve(c, e, **_balance(e, containerName="web"))),
    ("another port", "InvalidParameterException", lambda c, e: _serve(c, e, **_balance(e, containerPort=80))),
    ("a target group of no listener", "InvalidParameterException", _without_listener),
    ("targets by instance", "InvalidParameterException", _other_target),
    (
        "targets on another port",
        "InvalidParameterException",
        lambda c, e: _other_target(c, e, targetType="ip", port=80),
    ),
    ("no network", "InvalidParameterException", lambda c, e: _serve(c, e, networkConfiguration=None)),
    ("a group of another network", "InvalidParameterException", _elsewhere),
    (
        "a grace period without balancer",
        "InvalidParameterException",
        lambda c, e: _serve(c, e, loadBalancers=[], healthCheckGracePeriodSeconds=60),
    ),
    (
        "no room to replace anything",
        "InvalidParameterException",
        lambda c, e: _serve(c, e, deploymentMinimumHealthyPercent=100, deploymentMaximumPercent=100),
    ),
    (
        "a circuit breaker with blue and green",
        "InvalidParameterException",
        lambda c, e: _serve(c, e, deploymentConfiguration={"strategy": "BLUE_GREEN"}),
    ),
    (
        "a shell without task role",
        "InvalidParameterException",
        lambda c, e: _serve(c, e, taskDefinition=_define(c, e, taskRoleArn=None).arn, enableExecuteCommand=True),
    ),
    (
        "a definition not for Fargate",
        "InvalidParameterException",
        lambda c, e: _serve(c, e, taskDefinition=_define(c, e, requiresCompatibilities=["EC2"]).arn),
    ),
    ("a name twice", "InvalidParameterException", lambda c, e: [c.make(SERVICE, name="x", **e.service) for _ in "ab"]),
    ("a cluster with services", "ClusterContainsServicesException", lambda c, e: (_serve(c, e), c.remove(e.cluster))),
    ("a group that tasks have", "DependencyViolation", lambda c, e: (_serve(c, e), c.remove(e.tasks))),
    ("a provider that is none", "InvalidParameterException", lambda c, e: _provide(c, e, capacityProviders=["SPOT"])),
    (
        "a default strategy of another provider",
        "InvalidParameterException",
        lambda c, e: _provide(c, e, defaultCapacityProviderStrategies=SPOT),
    ),
    (
        "insights that are none",
        "InvalidParameterException",
        lambda c, _: c.make(CLUSTER, settings=[{"name": "containerInsights", "value": "on"}]),
    ),
]


def _provide(cloud: Cloud, env: Environment, **more: Any) -> Resource:
    return cloud.make(PROVIDERS, **{"clusterName": env.cluster["name"], "capacityProviders": ["FARGATE"]} | more)


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud.at(tmp_path)


@pytest.mark.parametrize("wrong", [row[1] for row in DEFINITIONS], ids=[row[0] for row in DEFINITIONS])
def test_refuses_task_definitions(cloud: Cloud, wrong: Wrong) -> None:
    env = environment(cloud)
    with pytest.raises(Refused) as refused:
        wrong(cloud, env)
    assert refused.value.code == "ClientException", refused.value.message


@pytest.mark.parametrize(("code", "wrong"), [row[1:] for row in SERVICES], ids=[row[0] for row in SERVICES])
def test_refuses_services(cloud: Cloud, code: str, wrong: Wrong) -> None:
    env = environment(cloud)
    with pytest.raises(Refused) as refused:
        wrong(cloud, env)
    assert refused.value.code == code, refused.value.message


# What stops tasks

Breaks = Callable[[Cloud, Environment], dict[str, Any]]
"""Breaks the account, and gives back what the service is made with instead."""


def _without(cloud: Cloud, kind: str, **values: Any) -> dict[str, Any]:
    """Removes one that is like this."""
    with cloud.work.ledger.open() as account:
        found = next(
            resource
            for resource in account.of(f"aws:{kind}")
            if all(resource[name] == value for name, value in values.items())
        )
    cloud.remove(found)
    return {}


def _permissions(cloud: Cloud, env: Environment, *actions: str) -> dict[str, Any]:
    _without(cloud, "iam/rolePolicy:RolePolicy", role=env.execution_role.id)
    cloud.make("iam/rolePolicy:RolePolicy", "less", role=env.execution_role.id, policy=allow(*actions))
    return {}


PULL = ("ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
LOGS = ("logs:CreateLogStream", "logs:PutLogEvents")


KMS_KEY = "arn:aws:kms:us-east-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef"


def _secret(cloud: Cloud, env: Environment, *may: str, there: bool) -> dict[str, Any]:
    """`may` is what the execution role is allowed besides pulling and writing logs."""
    arn = "arn:aws:ssm:us-east-1:123456789012:parameter/app/key"
    if there:
        cloud.outside("parameters", "/app/key", {"type": "SecureString", "value": "x", "key": KMS_KEY})
        _permissions(cloud, env, *PULL, *LOGS, *may)
    return {"taskDefinition": _contain(cloud, env, secrets=[{"name": "KEY", "valueFrom": arn}]).arn}


def _untrusted(cloud: Cloud, env: Environment) -> dict[str, Any]:
    cloud.change(env.task_role, assumeRolePolicy=trust("lambda.amazonaws.com"))
    return {}


def _other_account(cloud: Cloud, env: Environment) -> dict[str, Any]:
    policy = trust(StringEquals={"aws:SourceAccount": "000000000000"})
    cloud.change(env.task_role, assumeRolePolicy=policy)
    return {}


def _closed_endpoint(cloud: Cloud, env: Environment) -> dict[str, Any]:
    cloud.make(
        "ec2/vpcEndpoint:VpcEndpoint",
        vpcId=env.network.vpc.id,
        serviceName="com.amazonaws.us-east-1.s3",
        routeTableIds=[table.id for table in env.network.tables],
        policy=allow("s3:*", resource="arn:aws:s3:::mine/*", Principal="*"),
    )
    return {}


def _probed_elsewhere(cloud: Cloud, env: Environment) -> dict[str, Any]:
    cloud.change(env.target_group, healthCheck={"port": "9000", "path": "/health"})
    return {}


STOPS: list[tuple[str, str, Breaks]] = [
    ("no way out", "CannotPullContainerError", lambda c, e: _without(c, EGRESS, securityGroupId=e.tasks.id)),
    (
        "no NAT gateway on the way",
        "CannotPullContainerError",
        lambda c, e: _without(c, "ec2/route:Route", routeTableId=e.network.tables[2].id),
    ),
    (
        "a public subnet without address",
        "CannotPullContainerError",
        lambda _, e: {
            "networkConfiguration": e.service["networkConfiguration"] | {"subnets": [e.network.public[0].id]}
        },
    ),
    ("an endpoint that lets no layer through", "does not let layers through", _closed_endpoint),
    ("no permission to write logs", "logs:CreateLogStream", lambda c, e: _permissions(c, e, *PULL)),
    ("no log group", "log group does not exist", lambda c, e: _without(c, "cloudwatch/logGroup:LogGroup")),
    ("a secret that is not there", "invalid parameters: /app/key", lambda c, e: _secret(c, e, there=False)),
    ("no permission to read a secret", "ssm:GetParameters", lambda c, e: _secret(c, e, there=True)),
    (
        "no permission to decrypt a secret",
        f"kms:Decrypt on {KMS_KEY}",
        lambda c, e: _secret(c, e, "ssm:GetParameters", there=True),
    ),
    ("a role for somebody else", "unable to assume the role", _untrusted),
    ("a role for another account", "unable to assume the role", _other_account),
    (
        "a balancer that may not reach tasks",
        "lets nothing out to 8080",
        lambda c, e: _without(c, EGRESS, securityGroupId=e.front.group.id),
    ),
    (
        "tasks that let nobody in",
        "lets nothing in on 8080",
        lambda c, e: _without(c, "vpc/securityGroupIngressRule:SecurityGroupIngressRule", securityGroupId=e.tasks.id),
    ),
    ("checks on a closed port", "9000", _probed_elsewhere),
    (
        "a balancer that lets nobody in",
        "No client reaches",
        lambda c, e: _without(
            c, "vpc/securityGroupIngressRule:SecurityGroupIngressRule", securityGroupId=e.front.group.id
        ),
    ),
    (
        "a balancer without a way back",
        "No client reaches",
        lambda c, e: _without(c, "ec2/route:Route", routeTableId=e.network.tables[0].id),
    ),
]


@pytest.mark.parametrize(("reason", "breaks"), [row[1:] for row in STOPS], ids=[row[0] for row in STOPS])
def test_tasks_stop(cloud: Cloud, reason: str, breaks: Breaks) -> None:
    env = environment(cloud)
    instead = breaks(cloud, env)
    with pytest.raises(StillFailing):
        _serve(cloud, env, **instead)
    (deployment,) = cloud.deployments()
    assert deployment["status"] == "FAILED"
    assert any(reason in text for text in deployment["reasons"]), deployment["reasons"]


def test_a_good_deployment_has_no_reasons(cloud: Cloud) -> None:
    env = environment(cloud)
    _serve(cloud, env)
    assert [(item["status"], item["reasons"]) for item in cloud.deployments()] == [("SUCCESSFUL", [])]


def test_interface_endpoints_stand_for_the_internet(cloud: Cloud) -> None:
    env = environment(cloud)
    for table in env.network.tables[2:]:
        _without(cloud, "ec2/route:Route", routeTableId=table.id)
    for service in ("ecr.api", "ecr.dkr", "logs", "ssm"):
        cloud.make(
            "ec2/vpcEndpoint:VpcEndpoint",
            service.replace(".", "-"),
            vpcId=env.network.vpc.id,
            vpcEndpointType="Interface",
            serviceName=f"com.amazonaws.us-east-1.{service}",
            privateDnsEnabled=True,
            subnetIds=[subnet.id for subnet in env.network.private],
            securityGroupIds=[_endpoint_door(cloud, env)],
        )
    cloud.make(
        "ec2/vpcEndpoint:VpcEndpoint",
        vpcId=env.network.vpc.id,
        serviceName="com.amazonaws.us-east-1.s3",
        routeTableIds=[table.id for table in env.network.tables],
    )
    _serve(cloud, env)


def _endpoint_door(cloud: Cloud, env: Environment) -> str:
    group = cloud.make("ec2/securityGroup:SecurityGroup", "door", name=None, vpcId=env.network.vpc.id)
    cloud.make(
        "vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        securityGroupId=group.id, ipProtocol="tcp", fromPort=443, toPort=443, cidrIpv4="10.0.0.0/16",
    )  # fmt: skip
    return group.id


def _broken(cloud: Cloud, env: Environment) -> Resource:
    return _contain(cloud, env, secrets=[{"name": "KEY", "valueFrom": "/gone"}])


def test_a_rollback_looks_like_success(cloud: Cloud) -> None:
    env = environment(cloud)
    service = _serve(cloud, env)
    changed = cloud.change(service, taskDefinition=_broken(cloud, env).arn)
    assert changed["taskDefinition"] == env.definition.arn
    last = cloud.deployments()[-1]
    assert (last["status"], last["running"]) == ("ROLLBACK_SUCCESSFUL", env.definition.arn)


def test_a_service_tells_what_runs_and_why(cloud: Cloud) -> None:
    env = environment(cloud)
    service = _serve(cloud, env)
    cloud.change(service, taskDefinition=_broken(cloud, env).arn)
    asked = {"serviceName": service["name"], "clusterArn": env.cluster.arn}
    told = cloud.work.invoke("aws:ecs/getService:getService", asked)
    assert told["taskDefinition"] == env.definition.arn
    messages = " ".join(event["message"] for event in told["events"])
    assert "ROLLBACK_SUCCESSFUL" in messages
    assert "invalid parameters: /gone" in messages


def test_without_rollback_the_old_tasks_stay_and_the_wait_ends(cloud: Cloud) -> None:
    env = environment(cloud)
    service = _serve(cloud, env, deploymentCircuitBreaker={"enable": True, "rollback": False})
    with pytest.raises(StillFailing):
        cloud.change(service, taskDefinition=_broken(cloud, env).arn)
    last = cloud.deployments()[-1]
    assert (last["status"], last["running"]) == ("FAILED", env.definition.arn)


def test_who_does_not_wait_is_not_told(cloud: Cloud) -> None:
    env = environment(cloud)
    _serve(cloud, env, taskDefinition=_broken(cloud, env).arn, waitForSteadyState=False)
    assert cloud.deployments()[-1]["status"] == "FAILED"


def test_no_task_stops_where_none_runs(cloud: Cloud) -> None:
    env = environment(cloud)
    _serve(cloud, env, taskDefinition=_broken(cloud, env).arn, desiredCount=0)
    assert cloud.deployments()[-1]["reasons"] == []


def test_only_what_ecs_sees_makes_a_deployment(cloud: Cloud) -> None:
    env = environment(cloud)
    service = _serve(cloud, env)
    cloud.change(service, desiredCount=3)
    assert len(cloud.deployments()) == 1
    cloud.change(service, triggers={"redeploy": "1"}, forceNewDeployment=True)
    assert len(cloud.deployments()) == 2


def test_revisions_go_on_counting(cloud: Cloud) -> None:
    env = environment(cloud)
    cloud.remove(env.definition)
    assert _define(cloud, env)["revision"] == 2


def test_a_definition_that_is_to_stay_stays(cloud: Cloud) -> None:
    env = environment(cloud)
    kept = _define(cloud, env, skipDestroy=True)
    cloud.remove(kept)
    _serve(cloud, env, taskDefinition=kept.arn)
