"""A bucket that nobody but this account's own parts can read, and nobody without TLS."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks import iam

ABORT_DAYS = 14
"""Uploads that never ended. The service ends them itself behind a week, with the parts they have."""
OLD_VERSION_DAYS = 30


@dataclass(frozen=True, kw_only=True)
class PrivateBucketArgs:
    name: str
    """Unique in the world: with the account's number in it."""
    expire_days: int
    """0 keeps objects for ever."""
    versioned: bool
    protected: bool
    """Whether it and what keeps it private outlive a `pulumi destroy`."""
    statements: Callable[[iam.Arn], list[iam.Document]]
    """Of its policy, besides the one on TLS, for the bucket's ARN."""
    tags: Mapping[str, str]


class PrivateBucket(pulumi.ComponentResource):
    """Encrypted, owned by the account whoever writes."""

    def __init__(self, name: str, args: PrivateBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("transcriber:shared:PrivateBucket", name, None, opts)
        child = pulumi.ResourceOptions(parent=self, protect=args.protected)
        bucket = aws.s3.Bucket(
            name,
            bucket=args.name,
            force_destroy=not args.protected,
            tags=args.tags,
            opts=child,
        )
        private = _hide(name, bucket, child)
        _own(name, bucket, child)
        _encrypt(name, bucket, child)
        versioning = aws.s3.BucketVersioning(
            name,
            bucket=bucket.bucket,
            versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(
                status="Enabled" if args.versioned else "Suspended"
            ),
            opts=child,
        )
        _expire(name, bucket, args, _behind(child, versioning))
        document = iam.document(iam.tls_only(bucket.arn), *args.statements(bucket.arn))
        # Not at the same time as the access block, which S3 refuses with a conflict.
        self.policy = aws.s3.BucketPolicy(
            name,
            bucket=bucket.bucket,
            policy=pulumi.Output.json_dumps(document),
            opts=_behind(child, private),
        )
        self.name, self.arn = bucket.bucket, bucket.arn
        self.register_outputs({"name": self.name})


def _behind(opts: pulumi.ResourceOptions, before: pulumi.Resource) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[before]))


def _hide(name: str, bucket: aws.s3.Bucket, opts: pulumi.ResourceOptions) -> aws.s3.BucketPublicAccessBlock:
    return aws.s3.BucketPublicAccessBlock(
        name,
        bucket=bucket.bucket,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=opts,
    )


def _own(name: str, bucket: aws.s3.Bucket, opts: pulumi.ResourceOptions) -> None:
    aws.s3.BucketOwnershipControls(
        name,
        bucket=bucket.bucket,
        rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
        opts=opts,
    )


def _encrypt(name: str, bucket: aws.s3.Bucket, opts: pulumi.ResourceOptions) -> None:
    by_default = aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
        sse_algorithm="AES256"
    )
    aws.s3.BucketServerSideEncryptionConfiguration(
        name,
        bucket=bucket.bucket,
        rules=[
            aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                apply_server_side_encryption_by_default=by_default,
            )
        ],
        opts=opts,
    )


def _expire(name: str, bucket: aws.s3.Bucket, args: PrivateBucketArgs, opts: pulumi.ResourceOptions) -> None:
    rule = aws.s3.BucketLifecycleConfigurationRuleArgs
    everything = aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix="")
    rules = [
        rule(
            id="unfinished-uploads",
            status="Enabled",
            filter=everything,
            abort_incomplete_multipart_upload=(
                aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                    days_after_initiation=ABORT_DAYS
                )
            ),
        ),
        rule(
            id="old-versions",
            status="Enabled",
            filter=everything,
            noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                noncurrent_days=OLD_VERSION_DAYS
            ),
        ),
    ]
    if args.expire_days:
        expiration = aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=args.expire_days)
        rules.append(rule(id="expire", status="Enabled", filter=everything, expiration=expiration))
    aws.s3.BucketLifecycleConfiguration(name, bucket=bucket.bucket, rules=rules, opts=opts)
