import pulumi
import pulumi_aws as aws

from stacks import contract, program
from stacks.bucket import PrivateBucket, PrivateBucketArgs
from stacks.contract import AlbOutputs, ClusterOutputs, NetworkOutputs, ServiceOutputs, Stack
from stacks.service import container, dashboard, parameters, rollout
from stacks.service.alarms import Alarms, AlarmsArgs
from stacks.service.fargate import FargateServiceArgs, fargate_service
from stacks.service.image import image, images
from stacks.service.metrics import Sources
from stacks.service.roles import Roles, RolesArgs
from stacks.service.scaling import Scaling, ScalingArgs
from stacks.service.task import TaskArgs, task_definition
from stacks.service.traffic import Traffic, TrafficArgs

config, place = program.config(), program.place()
network = contract.read(NetworkOutputs, config.environment)
registry = images(config)
alb = contract.read(AlbOutputs, config.environment)
cluster = contract.read(ClusterOutputs, config.environment)
secrets = container.secret_parameters(config)
parameters.require(secrets)

running = image(config, registry)
recordings = PrivateBucket(
    "recordings",
    PrivateBucketArgs(
        name=config.named(f"recordings-{place.account}"),
        expire_days=config.recordings_days,
        versioned=config.protected,
        protected=config.protected,
        statements=lambda arn: [],
        tags=contract.tags(Stack.SERVICE),
    ),
)
log_group = aws.cloudwatch.LogGroup(
    "service",
    name=f"/{contract.PRODUCT}/{config.named('service')}",
    retention_in_days=config.log_days,
    tags=contract.tags(Stack.SERVICE),
)
roles = Roles(
    "roles",
    RolesArgs(
        name=config.named(),
        place=place,
        cluster_name=cluster.cluster_name,
        repository_arn=registry.repository_arn,
        log_group_arn=log_group.arn,
        exec_log_group_arn=cluster.exec_log_group_arn if config.ecs_exec else None,
        bucket_arn=recordings.arn,
        parameter_arns=[parameters.arn(place, name) for name in secrets.values()],
        secrets_key_arn=config.secrets_key_arn,
        permissions_boundary=place.policy(config.permissions_boundary),
    ),
)
traffic = Traffic(
    "traffic",
    TrafficArgs(
        name=config.named(),
        alb=alb,
        network=network,
        deregistration_seconds=config.timing.deregistration_seconds,
    ),
)
task = task_definition(
    TaskArgs(
        config=config,
        place=place,
        roles=roles,
        image=running.reference,
        bucket=recordings.name,
        host=alb.host,
        log_group=log_group.name,
        proxies=network.vpc_cidr,
    )
)
service = fargate_service(
    FargateServiceArgs(
        config=config,
        cluster_arn=cluster.cluster_arn,
        network=network,
        task_definition_arn=task.arn,
        traffic=traffic,
    )
)
Scaling("scaling", ScalingArgs(config=config, cluster_name=cluster.cluster_name, service_name=service.name))

sources = pulumi.Output.all(alb.arn_suffix, traffic.target_group.arn_suffix, cluster.cluster_name, service.name).apply(
    lambda parts: Sources(container.metrics_namespace(config), *parts)
)
alarms = Alarms("alarms", AlarmsArgs(name=config.named(), place=place, sources=sources, email=config.alarm_email))
if config.protected and not config.alarm_email:
    pulumi.log.warn(
        "NOBODY IS TOLD OF ALARMS: set transcriber:alarm_email, or subscribe to the topic of alarm_topic_arn."
    )
aws.cloudwatch.Dashboard(
    "dashboard",
    dashboard_name=config.named(),
    dashboard_body=sources.apply(lambda known: dashboard.body(known, place.region)),
)

contract.export(
    ServiceOutputs(
        alarm_topic_arn=alarms.topic_arn,
        bucket=recordings.name,
        cluster_name=cluster.cluster_name,
        dashboard_url=pulumi.Output.from_input(dashboard.url(place.region, config.named())),
        image=running.reference,
        image_digest=running.digest,
        log_group=log_group.name,
        service_name=service.name,
        task_definition_arn=rollout.checked(service, task),
        url=pulumi.Output.all(alb.secure, alb.host).apply(lambda at: f"{'https' if at[0] else 'http'}://{at[1]}"),
        websocket_url=pulumi.Output.all(alb.secure, alb.host).apply(
            lambda at: f"{'wss' if at[0] else 'ws'}://{at[1]}{container.WEBSOCKET_PATH}"
        ),
    )
)
