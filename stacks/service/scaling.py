"""How many tasks there are: by the sessions of a task, and by its CPU where that is what runs out first."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks import contract
from stacks.config import Config
from stacks.contract import Stack
from stacks.service.container import metrics_namespace
from stacks.service.metrics import SESSIONS_PER_TASK

Tracking = aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationArgs

CPU_PERCENT = 60
OUT_SECONDS = 60
IN_SECONDS = 600
"""A task goes slowly: its sessions are waited for, and a new one costs a start."""


@dataclass(frozen=True, kw_only=True)
class ScalingArgs:
    config: Config
    cluster_name: pulumi.Input[str]
    service_name: pulumi.Input[str]


class Scaling(pulumi.ComponentResource):
    """The larger of what both policies want."""

    def __init__(self, name: str, args: ScalingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("transcriber:service:Scaling", name, None, opts)
        config = args.config
        target = aws.appautoscaling.Target(
            "tasks",
            service_namespace="ecs",
            scalable_dimension="ecs:service:DesiredCount",
            resource_id=pulumi.Output.concat("service/", args.cluster_name, "/", args.service_name),
            min_capacity=config.min_tasks,
            max_capacity=config.max_tasks,
            tags=contract.tags(Stack.SERVICE),
            opts=pulumi.ResourceOptions(parent=self),
        )
        _policy("sessions", target, _by_sessions(config), self)
        _policy("cpu", target, _by_cpu(), self)
        self.register_outputs({})


def _policy(name: str, target: aws.appautoscaling.Target, tracking: Tracking, parent: pulumi.Resource) -> None:
    aws.appautoscaling.Policy(
        name,
        policy_type="TargetTrackingScaling",
        service_namespace=target.service_namespace,
        scalable_dimension=target.scalable_dimension,
        resource_id=target.resource_id,
        target_tracking_scaling_policy_configuration=tracking,
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _by_sessions(config: Config) -> Tracking:
    specification = aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationCustomizedMetricSpecificationArgs(
        namespace=metrics_namespace(config),
        metric_name=SESSIONS_PER_TASK.name,
        statistic=SESSIONS_PER_TASK.statistic,
    )
    return Tracking(
        target_value=config.sessions_per_task,
        scale_out_cooldown=OUT_SECONDS,
        scale_in_cooldown=IN_SECONDS,
        customized_metric_specification=specification,
    )


def _by_cpu() -> Tracking:
    specification = aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationPredefinedMetricSpecificationArgs(
        predefined_metric_type="ECSServiceAverageCPUUtilization"
    )
    return Tracking(
        target_value=CPU_PERCENT,
        scale_out_cooldown=OUT_SECONDS,
        scale_in_cooldown=IN_SECONDS,
        predefined_metric_specification=specification,
    )
