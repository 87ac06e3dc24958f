"""Policy documents, as the data that they are."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

Document = dict[str, Any]
Arn = pulumi.Input[str]


def document(*statements: Document) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(actions: Sequence[str], resources: Sequence[Arn], conditions: Mapping[str, Any] | None = None) -> Document:
    """A statement of an identity's policy."""
    statement: Document = {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    return {**statement, "Condition": dict(conditions)} if conditions else statement


def trust(service: str, *, account: str, source_arn: str) -> Document:
    """Who may take on a role: a service of AWS, on behalf of this account's resources alone (the confused deputy)."""
    return document(
        {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": account},
                "ArnLike": {"aws:SourceArn": source_arn},
            },
        }
    )


def tls_only(bucket_arn: Arn) -> Document:
    """A statement of a bucket's policy: nothing over plain HTTP."""
    return {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket_arn, pulumi.Output.concat(bucket_arn, "/*")],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
