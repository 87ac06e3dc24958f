"""Every type of resource that the stand-in knows."""

from .kinds import Kind
from .services import (
    autoscaling,
    ecr,
    ecs,
    elb,
    identity,
    names,
    security_groups,
    storage,
    task_definitions,
    telemetry,
    vpc,
)

KINDS: dict[str, Kind] = {
    kind.token: kind
    for service in (
        autoscaling,
        ecr,
        ecs,
        elb,
        identity,
        names,
        security_groups,
        storage,
        task_definitions,
        telemetry,
        vpc,
    )
    for kind in service.KINDS
}
