"""The bucket that a load balancer writes its access log to."""

from dataclasses import dataclass

import pulumi

from stacks import contract, iam
from stacks.bucket import PrivateBucket, PrivateBucketArgs
from stacks.contract import Stack
from stacks.program import Place

WRITER = "logdelivery.elasticloadbalancing.amazonaws.com"


@dataclass(frozen=True, kw_only=True)
class AccessLogsArgs:
    name: str
    place: Place
    days: int
    protected: bool


class AccessLogs(pulumi.ComponentResource):
    """`ready` is what must be there before a load balancer is told of the bucket: it tries to write at once."""

    def __init__(self, name: str, args: AccessLogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("transcriber:alb:AccessLogs", name, None, opts)
        bucket = PrivateBucket(
            "access-logs",
            PrivateBucketArgs(
                name=args.name,
                expire_days=args.days,
                versioned=False,
                protected=args.protected,
                statements=lambda arn: [write_statement(args.place, arn)],
                tags=contract.tags(Stack.ALB),
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.bucket_name = bucket.name
        self.ready: pulumi.Resource = bucket.policy
        self.register_outputs({"bucket": self.bucket_name})


def write_statement(place: Place, bucket_arn: iam.Arn) -> iam.Document:
    """Only on behalf of this account's load balancers: what they send along is their ARN alone."""
    return {
        "Sid": "AccessLogs",
        "Effect": "Allow",
        "Principal": {"Service": WRITER},
        "Action": "s3:PutObject",
        "Resource": pulumi.Output.concat(bucket_arn, f"/AWSLogs/{place.account}/*"),
        "Condition": {"ArnLike": {"aws:SourceArn": place.arn("elasticloadbalancing", "loadbalancer/*")}},
    }
