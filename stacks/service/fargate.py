"""The ECS service: as many tasks as scaling wants, replaced without losing sessions."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks import contract
from stacks.config import Config
from stacks.contract import NetworkOutputs, Stack
from stacks.service.container import NAME, PORT
from stacks.service.traffic import Traffic
from stacks.timing import FIRST_DEPLOYMENT_SECONDS, duration

GRACE_SECONDS = 60
"""From a task's start to health checks of the load balancer counting."""


@dataclass(frozen=True, kw_only=True)
class FargateServiceArgs:
    config: Config
    cluster_arn: pulumi.Input[str]
    network: NetworkOutputs
    task_definition_arn: pulumi.Input[str]
    traffic: Traffic


def fargate_service(args: FargateServiceArgs) -> aws.ecs.Service:
    """What scaling decides, the number of tasks, is not taken back by a deployment."""
    config, timing = args.config, args.config.timing
    return aws.ecs.Service(
        config.named(),
        cluster=args.cluster_arn,
        task_definition=args.task_definition_arn,
        desired_count=config.min_tasks,
        capacity_provider_strategies=_capacity(config),
        network_configuration=_inside(args),
        load_balancers=[
            aws.ecs.ServiceLoadBalancerArgs(
                target_group_arn=args.traffic.target_group.arn, container_name=NAME, container_port=PORT
            )
        ],
        health_check_grace_period_seconds=GRACE_SECONDS,
        deployment_minimum_healthy_percent=100,
        deployment_maximum_percent=200,
        deployment_circuit_breaker=aws.ecs.ServiceDeploymentCircuitBreakerArgs(enable=True, rollback=True),
        # ECS would end tasks whose sessions are well, to even out zones.
        availability_zone_rebalancing="DISABLED",
        enable_execute_command=config.ecs_exec,
        enable_ecs_managed_tags=True,
        propagate_tags="SERVICE",
        force_new_deployment=True,
        triggers={"redeploy": config.redeploy} if config.redeploy else None,
        wait_for_steady_state=True,
        tags=contract.tags(Stack.SERVICE),
        opts=pulumi.ResourceOptions(
            depends_on=args.traffic.open,
            ignore_changes=["desiredCount"],
            custom_timeouts=pulumi.CustomTimeouts(
                create=duration(FIRST_DEPLOYMENT_SECONDS),
                update=duration(timing.update_seconds),
                delete=duration(timing.delete_seconds),
            ),
        ),
    )


def _inside(args: FargateServiceArgs) -> aws.ecs.ServiceNetworkConfigurationArgs:
    return aws.ecs.ServiceNetworkConfigurationArgs(
        subnets=args.network.private_subnet_ids,
        security_groups=[args.traffic.security_group_id],
        assign_public_ip=False,
    )


def _capacity(config: Config) -> list[aws.ecs.ServiceCapacityProviderStrategyArgs]:
    strategy = aws.ecs.ServiceCapacityProviderStrategyArgs
    if config.spot == "never":
        return [strategy(capacity_provider="FARGATE", weight=1, base=0)]
    return [
        strategy(capacity_provider="FARGATE", weight=0, base=config.min_tasks),
        strategy(capacity_provider="FARGATE_SPOT", weight=1, base=0),
    ]
