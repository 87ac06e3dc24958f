"""ECS clusters and services."""

from ..account import Resource
from ..kinds import Call, Kind, Made, Named, Rule, crud, one_of
from ..refusal import Refused
from ..wire import Inputs
from . import elb, security_groups, task_definitions, vpc
from .rollout import roll_out

CLUSTER = "aws:ecs/cluster:Cluster"
PROVIDERS = "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders"
SERVICE = "aws:ecs/service:Service"

_WRONG = "InvalidParameterException"
_FARGATE = ("FARGATE", "FARGATE_SPOT")


def _settings(inputs: Inputs) -> None:
    for setting in inputs.get("settings") or []:
        one_of("name", ("containerInsights",), _WRONG)(setting)
        one_of("value", ("enabled", "enhanced", "disabled"), _WRONG)(setting)


def _idle(call: Call) -> None:
    assert call.before is not None
    if any(call.before.id in (service["cluster"], service.arn) for service in call.account.of(SERVICE)):
        raise Refused("ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active.")


def _providers(call: Call) -> None:
    cluster_of(call, call.inputs["clusterName"])
    names = call.inputs.get("capacityProviders") or []
    if unknown := set(names) - set(_FARGATE):
        raise Refused(_WRONG, f"The specified capacity provider was not found: {', '.join(sorted(unknown))}")
    for strategy in call.inputs.get("defaultCapacityProviderStrategies") or []:
        if strategy["capacityProvider"] not in names:
            raise Refused(
                _WRONG,
                (
                    "The specified capacity provider strategy cannot contain a capacity provider "
                    "that is not associated with the cluster."
                ),
            )


def cluster_of(call: Call, name: str | None) -> Resource:
    """By ARN or name."""
    for cluster in call.account.of(CLUSTER):
        if name in (cluster.arn, cluster["name"]):
            return cluster
    raise Refused("ClusterNotFoundException", "Cluster not found.")


def _unique_name(call: Call) -> None:
    for other in call.others(SERVICE):
        if (other["name"], other["cluster"]) == (call.inputs["name"], call.inputs.get("cluster")):
            raise Refused(_WRONG, "Creation of service was not idempotent.")


def _definition(call: Call) -> Resource:
    found = task_definitions.find(call.account, call.inputs["taskDefinition"])
    if found is None:
        raise Refused("ClientException", "TaskDefinition not found.")
    if found["status"] != "ACTIVE":
        raise Refused("ClientException", "TaskDefinition is inactive")
    return found


def _where_it_runs(call: Call) -> None:
    cluster = cluster_of(call, call.inputs.get("cluster"))
    strategies = call.inputs.get("capacityProviderStrategies") or []
    if strategies and call.inputs.get("launchType"):
        raise Refused(
            _WRONG,
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
        )
    attached = {
        name
        for providers in call.account.of(PROVIDERS)
        if providers["clusterName"] == cluster["name"]
        for name in providers["capacityProviders"] or []
    }
    if unknown := {strategy["capacityProvider"] for strategy in strategies} - attached:
        raise Refused(
            _WRONG,
            (
                "The specified capacity provider strategy cannot contain a capacity provider that is "
                f"not associated with the cluster: {min(unknown)}"
            ),
        )
    if sum(bool(strategy.get("base")) for strategy in strategies) > 1:
        raise Refused(_WRONG, "Only one capacity provider in a strategy can have a base.")
    if "FARGATE" not in (_definition(call)["requiresCompatibilities"] or []):
        raise Refused(_WRONG, "Task definition does not support launch_type FARGATE.")


def _network(call: Call) -> None:
    configuration = call.inputs.get("networkConfiguration")
    if not configuration:
        raise Refused(_WRONG, "Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    subnets = [call.need(vpc.SUBNET, name, _WRONG) for name in configuration["subnets"]]
    groups = [call.need(security_groups.GROUP, name, _WRONG) for name in configuration.get("securityGroups") or []]
    if len({resource["vpcId"] for resource in (*subnets, *groups)}) > 1:
        raise Refused(_WRONG, "The subnets and security groups must be in the same VPC.")
    if len(groups) > 5:
        raise Refused(_WRONG, "securityGroups can have at most 5 items.")


def _balanced(call: Call) -> None:
    containers = {item["name"]: item for item in task_definitions.containers_of(_definition(call))}
    balancers = call.inputs.get("loadBalancers") or []
    if call.inputs.get("healthCheckGracePeriodSeconds") and not balancers:
        raise Refused(_WRONG, "Health check grace period is only valid for services configured to use load balancers.")
    for balancer in balancers:
        name, port, arn = balancer["containerName"], balancer["containerPort"], balancer.get("targetGroupArn")
        if name not in containers:
            raise Refused(_WRONG, f"The container {name} does not exist in the task definition.")
        if port not in [mapping["containerPort"] for mapping in containers[name].get("portMappings") or []]:
            raise Refused(_WRONG, f"The container {name} did not have a container port {port} defined.")
        _target_group(call, arn, port)


def _target_group(call: Call, arn: str | None, port: int) -> None:
    group = call.need(elb.TARGET_GROUP, arn, "TargetGroupNotFoundException")
    if group["targetType"] != "ip":
        message = (
            f"The provided target group {arn} has target type {group['targetType'] or 'instance'}, "
            "which is incompatible with the awsvpc network mode specified in the task definition."
        )
        raise Refused(_WRONG, message)
    if not elb.balancers_of(call.account, group.arn):
        raise Refused(_WRONG, f"The target group with targetGroupArn {arn} does not have an associated load balancer.")
    if group["port"] != port:
        raise Refused(_WRONG, f"The target group's port {group['port']} is not the container's port {port}.")


def _deployment(inputs: Inputs) -> None:
    lowest, highest = inputs.get("deploymentMinimumHealthyPercent", 100), inputs.get("deploymentMaximumPercent", 200)
    if lowest >= highest:
        raise Refused(_WRONG, "maximumPercent must be more than minimumHealthyPercent, or nothing can be replaced.")
    strategy = (inputs.get("deploymentConfiguration") or {}).get("strategy", "ROLLING")
    if strategy != "ROLLING" and (inputs.get("deploymentCircuitBreaker") or {}).get("enable"):
        raise Refused(_WRONG, f"Deployment circuit breaker is not supported for the {strategy} deployment strategy.")


def _exec(call: Call) -> None:
    if call.inputs.get("enableExecuteCommand") and not _definition(call)["taskRoleArn"]:
        raise Refused(_WRONG, "The service couldn't be created because a valid taskRoleArn is not being used.")


def _make_cluster(call: Call) -> Made:
    arn = call.account.arn("ecs", f"cluster/{call.inputs['name']}")
    return Made(arn, {"arn": arn})


def _make_service(call: Call) -> Made:
    cluster = cluster_of(call, call.inputs.get("cluster"))
    arn = call.account.arn("ecs", f"service/{cluster['name']}/{call.inputs['name']}")
    return Made(arn, {"arn": arn})


_RULES: tuple[Rule, ...] = (_unique_name, _where_it_runs, _network, _balanced, _exec)

KINDS = (
    Kind(
        CLUSTER,
        _make_cluster,
        crud("ecs", "CreateCluster", read="DescribeClusters", update="UpdateCluster"),
        frozenset({"name"}),
        named=Named(longest=255, pattern=r"[\w-]+", code=_WRONG),
        checks=(_settings,),
        leaving=(_idle,),
        belongs=(PROVIDERS,),
    ),
    Kind(
        PROVIDERS,
        lambda call: Made(call.inputs["clusterName"]),
        crud("ecs", "PutClusterCapacityProviders", read="DescribeClusters", delete="PutClusterCapacityProviders"),
        frozenset({"clusterName"}),
        rules=(_providers,),
    ),
    Kind(
        SERVICE,
        _make_service,
        crud("ecs", "CreateService", read="DescribeServices", update="UpdateService"),
        frozenset({"name", "cluster", "launchType", "schedulingStrategy"}),
        named=Named(longest=255, pattern=r"[\w-]+", code=_WRONG),
        checks=(_deployment, one_of("launchType", ("FARGATE", "EC2", "EXTERNAL"), _WRONG)),
        rules=_RULES,
        then=roll_out,
    ),
)
