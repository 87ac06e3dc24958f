"""The task definition."""

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks import contract, sizes
from stacks.config import Config
from stacks.contract import Stack
from stacks.program import Place
from stacks.service import container, parameters
from stacks.service.roles import Roles

ARCHITECTURES = {"arm64": "ARM64", "x86_64": "X86_64"}


@dataclass(frozen=True, kw_only=True)
class TaskArgs:
    config: Config
    place: Place
    roles: Roles
    image: pulumi.Output[str]
    bucket: pulumi.Output[str]
    host: pulumi.Output[str]
    log_group: pulumi.Output[str]
    proxies: pulumi.Output[str]


def task_definition(args: TaskArgs, opts: pulumi.ResourceOptions | None = None) -> aws.ecs.TaskDefinition:
    """One container. Earlier revisions stay: a service goes back to them."""
    config = args.config
    return aws.ecs.TaskDefinition(
        "task",
        family=config.named(),
        cpu=str(config.task_cpu),
        memory=str(config.task_memory_mib),
        network_mode="awsvpc",
        requires_compatibilities=["FARGATE"],
        runtime_platform=aws.ecs.TaskDefinitionRuntimePlatformArgs(
            cpu_architecture=ARCHITECTURES[config.architecture], operating_system_family="LINUX"
        ),
        ephemeral_storage=aws.ecs.TaskDefinitionEphemeralStorageArgs(size_in_gib=sizes.disk_gib(config.spool_gib)),
        execution_role_arn=args.roles.execution_arn,
        task_role_arn=args.roles.task_arn,
        volumes=[aws.ecs.TaskDefinitionVolumeArgs(name=volume) for volume in container.volumes(config)],
        container_definitions=_containers(args),
        skip_destroy=True,
        tags=contract.tags(Stack.SERVICE),
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=args.roles.granted)),
    )


def _containers(args: TaskArgs) -> pulumi.Output[str]:
    config, place = args.config, args.place
    secrets = {setting: parameters.arn(place, name) for setting, name in container.secret_parameters(config).items()}

    def define(values: list[str]) -> str:
        image, bucket, host, log_group, proxies = values
        defined = container.definition(
            config,
            image=image,
            log_group=log_group,
            region=place.region,
            environment=container.environment(config, bucket=bucket, host=host, proxies=proxies, region=place.region),
            secrets=secrets,
        )
        return json.dumps([defined])

    return pulumi.Output.all(args.image, args.bucket, args.host, args.log_group, args.proxies).apply(define)
