"""Whether a deployment did what it should. One that ECS took back, because its tasks did not get well, ends with a
service in a steady state, which the provider takes for success."""

from collections.abc import Mapping, Sequence
from typing import cast

import pulumi
import pulumi_aws as aws

Event = Mapping[str, str]
EVENTS = 5


def problem(wanted: str, running: str, events: Sequence[str]) -> str | None:
    """Why the service does not run what it was given."""
    if running == wanted:
        return None
    happened = "".join(f"\n  {event}" for event in events[:EVENTS])
    return (
        f"the deployment was rolled back: {wanted} did not get well and {running} runs on. "
        f"What ECS says, newest first:{happened or ' nothing'}"
    )


def checked(service: aws.ecs.Service, task_definition: aws.ecs.TaskDefinition) -> pulumi.Output[str]:
    """The task definition, known once it is seen to be what runs. A preview only warns: it is what mends it."""
    found = aws.ecs.get_service_output(service_name=service.name, cluster_arn=service.cluster)

    def check(values: Sequence[object]) -> str:
        wanted, running, events = values
        assert isinstance(wanted, str)
        messages = [event["message"] for event in cast("Sequence[Event]", events or ())]
        if refused := problem(wanted, str(running), messages):
            if not pulumi.runtime.is_dry_run():
                raise pulumi.RunError(refused)
            pulumi.log.warn(refused)
        return wanted

    return pulumi.Output.all(task_definition.arn, found.task_definition, found.events).apply(check)
