"""The ECS cluster: tasks without machines, what happens in them measured, shells in them logged."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks import contract
from stacks.contract import Stack


@dataclass(frozen=True, kw_only=True)
class FargateClusterArgs:
    name: str
    insights: str
    """enabled or enhanced."""
    log_days: int


class FargateCluster(pulumi.ComponentResource):
    """Any number of services share it; each says itself which capacity it takes."""

    def __init__(self, name: str, args: FargateClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("transcriber:cluster:FargateCluster", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        exec_log = aws.cloudwatch.LogGroup(
            "exec",
            name=f"/{contract.PRODUCT}/{args.name}/exec",
            retention_in_days=args.log_days,
            tags=contract.tags(Stack.CLUSTER),
            opts=child,
        )
        cluster = aws.ecs.Cluster(
            "cluster",
            name=args.name,
            settings=[aws.ecs.ClusterSettingArgs(name="containerInsights", value=args.insights)],
            configuration=_exec_configuration(exec_log.name),
            tags=contract.tags(Stack.CLUSTER),
            opts=child,
        )
        aws.ecs.ClusterCapacityProviders(
            "capacity",
            cluster_name=cluster.name,
            capacity_providers=["FARGATE", "FARGATE_SPOT"],
            default_capacity_provider_strategies=[
                aws.ecs.ClusterCapacityProvidersDefaultCapacityProviderStrategyArgs(
                    capacity_provider="FARGATE", weight=1
                )
            ],
            opts=child,
        )
        self.cluster, self.exec_log = cluster, exec_log
        self.register_outputs({"arn": cluster.arn})


def _exec_configuration(log_group: pulumi.Input[str]) -> aws.ecs.ClusterConfigurationArgs:
    return aws.ecs.ClusterConfigurationArgs(
        execute_command_configuration=aws.ecs.ClusterConfigurationExecuteCommandConfigurationArgs(
            logging="OVERRIDE",
            log_configuration=aws.ecs.ClusterConfigurationExecuteCommandConfigurationLogConfigurationArgs(
                cloud_watch_log_group_name=log_group,
            ),
        )
    )
