"""Buckets."""

from collections.abc import Callable, Sequence

from policies.rule import Resource, Rule, StackRule, inner, statements

BUCKET = "aws:s3/bucket:Bucket"
ACCESS = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
OWNERSHIP = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
POLICY = "aws:s3/bucketPolicy:BucketPolicy"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


def _private(resource: Resource) -> str | None:
    off = [name for name in BLOCKS if resource.props.get(name) is not True]
    return f"{', '.join(off)} is off" if off else None


def _encrypts(resource: Resource) -> str | None:
    defaults = [inner(rule, "applyServerSideEncryptionByDefault") for rule in resource.props["rules"]]
    known = any(default.get("sseAlgorithm") in ("AES256", "aws:kms") for default in defaults)
    return None if known else "objects are not encrypted"


def _ends_uploads(resource: Resource) -> str | None:
    enabled = [rule for rule in resource.props["rules"] if rule["status"] == "Enabled"]
    ended = any(rule.get("abortIncompleteMultipartUpload") for rule in enabled)
    return None if ended else "uploads that never end are paid for ever"


def _owned(resource: Resource) -> str | None:
    owner = inner(resource.props, "rule").get("objectOwnership")
    return None if owner == "BucketOwnerEnforced" else "objects have ACLs"


def _tls_only(resource: Resource) -> str | None:
    for statement in statements(resource.props["policy"]):
        plain = inner(inner(statement, "Condition"), "Bool").get("aws:SecureTransport") == "false"
        if (
            plain
            and statement["Effect"] == "Deny"
            and statement["Principal"] == "*"
            and statement["Action"] == ["s3:*"]
        ):
            return None
    return "plain HTTP is not refused"


def _not_public(resource: Resource) -> str | None:
    public = [
        each for each in statements(resource.props["policy"]) if each["Effect"] == "Allow" and each["Principal"] == "*"
    ]
    return "everybody is allowed something" if public else None


def _versions(resource: Resource) -> str | None:
    status = inner(resource.props, "versioningConfiguration").get("status")
    kept = status == "Enabled" or not resource.protected or "access-logs" in resource.name
    return None if kept else "what is overwritten or deleted is lost"


def _has(kind: str, what: str) -> Callable[[Sequence[Resource]], list[str]]:
    def problems(resources: Sequence[Resource]) -> list[str]:
        having = {resource.name for resource in resources if resource.kind == kind}
        buckets = [resource.name for resource in resources if resource.kind == BUCKET]
        return [f"{bucket} has no {what}" for bucket in buckets if bucket not in having]

    return problems


RULES = (
    Rule("CKV_AWS_53", "Nothing in a bucket is public", (ACCESS,), _private),
    Rule("CKV_AWS_19", "Objects are encrypted", (ENCRYPTION,), _encrypts),
    Rule("CKV_AWS_300", "Uploads that never end are removed", (LIFECYCLE,), _ends_uploads),
    Rule("CKV2_AWS_65", "Objects have no ACLs", (OWNERSHIP,), _owned),
    Rule("CKV_AWS_379", "Plain HTTP is refused", (POLICY,), _tls_only),
    Rule("CKV_AWS_70", "No bucket allows everybody something", (POLICY,), _not_public),
    Rule("CKV_AWS_21", "Recordings are versioned where they are protected", (VERSIONING,), _versions),
)
STACK_RULES = (
    StackRule("CKV2_AWS_6", "Every bucket is kept private", (BUCKET,), _has(ACCESS, "public access block")),
    StackRule("CKV2_AWS_61", "Every bucket has a lifecycle", (BUCKET,), _has(LIFECYCLE, "lifecycle")),
    StackRule("TRANSCRIBER_BUCKET_POLICY", "Every bucket has a policy", (BUCKET,), _has(POLICY, "policy")),
    StackRule("TRANSCRIBER_BUCKET_SSE", "Every bucket encrypts", (BUCKET,), _has(ENCRYPTION, "encryption")),
)
