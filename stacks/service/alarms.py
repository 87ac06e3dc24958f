"""What somebody should be told of."""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from stacks import contract, iam
from stacks.contract import Stack
from stacks.program import Place
from stacks.service import metrics
from stacks.service.metrics import Metric, Sources


@dataclass(frozen=True, slots=True)
class Alarm:
    """When a metric is beyond a threshold in so many of the last minutes."""

    name: str
    metric: Metric
    above: float
    minutes: int
    about: str
    below: bool = False
    """Whether it is told when the metric is less than the threshold, or missing, instead."""


ALARMS = (
    Alarm("no-task", metrics.RUNNING, 1, 3, "No task runs: nobody is served", below=True),
    Alarm("unhealthy", metrics.UNHEALTHY, 0, 5, "A task is up and does not answer well"),
    Alarm("errors", metrics.TARGET_ERRORS, 5, 5, "The service answers with 5xx: it refuses or it breaks"),
    Alarm("balancer-errors", metrics.ALB_ERRORS, 5, 5, "The load balancer answers with 5xx: it reaches no task"),
    Alarm("engine-errors", metrics.ENGINE_ERRORS, 5, 5, "The engine fails: speech is left without text"),
    Alarm("engine-lag", metrics.ENGINE_LAG, 5, 5, "Texts come late: more tasks, or a faster engine"),
    Alarm("store-errors", metrics.STORE_ERRORS, 0, 5, "Sessions could not be stored"),
)


@dataclass(frozen=True, kw_only=True)
class AlarmsArgs:
    name: str
    place: Place
    sources: pulumi.Output[Sources]
    email: str


class Alarms(pulumi.ComponentResource):
    """All go to one topic; an address in the configuration is subscribed to it, and has to confirm."""

    def __init__(self, name: str, args: AlarmsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("transcriber:service:Alarms", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        topic = aws.sns.Topic("alarms", name=f"{args.name}-alarms", tags=contract.tags(Stack.SERVICE), opts=child)
        aws.sns.TopicPolicy(
            "alarms",
            arn=topic.arn,
            policy=pulumi.Output.json_dumps(topic_policy(args.place, topic.arn)),
            opts=child,
        )
        if args.email:
            aws.sns.TopicSubscription("email", topic=topic.arn, protocol="email", endpoint=args.email, opts=child)
        for alarm in ALARMS:
            _alarm(alarm, args, topic, child)
        self.topic_arn = topic.arn
        self.register_outputs({"topic": self.topic_arn})


def _alarm(alarm: Alarm, args: AlarmsArgs, topic: aws.sns.Topic, opts: pulumi.ResourceOptions) -> None:
    metric = alarm.metric
    aws.cloudwatch.MetricAlarm(
        alarm.name,
        name=f"{args.name}-{alarm.name}",
        alarm_description=alarm.about,
        namespace=args.sources.apply(lambda sources: sources.namespace_of(metric)),
        metric_name=metric.name,
        dimensions=args.sources.apply(lambda sources: sources.dimensions_of(metric)),
        statistic=metric.statistic,
        period=60,
        evaluation_periods=alarm.minutes,
        datapoints_to_alarm=min(3, alarm.minutes),
        threshold=alarm.above,
        comparison_operator="LessThanThreshold" if alarm.below else "GreaterThanThreshold",
        treat_missing_data="breaching" if alarm.below else "notBreaching",
        alarm_actions=[topic.arn],
        ok_actions=[topic.arn],
        tags=contract.tags(Stack.SERVICE),
        opts=opts,
    )


def topic_policy(place: Place, topic_arn: iam.Arn) -> iam.Document:
    """This account's alarms alone."""
    statement: dict[str, Any] = {
        "Sid": "Alarms",
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic_arn,
        "Condition": {
            "StringEquals": {"aws:SourceAccount": place.account},
            "ArnLike": {"aws:SourceArn": place.arn("cloudwatch", "alarm:*")},
        },
    }
    return iam.document(statement)
