"""S3: buckets and what is set on them."""

import re
from typing import Any

from ..account import Account
from ..kinds import Call, Kind, Made, Named, Rule, crud, one_of
from ..policies import is_public, listed, parse
from ..refusal import Refused
from ..wire import Inputs, is_known

BUCKET = "aws:s3/bucket:Bucket"
POLICY = "aws:s3/bucketPolicy:BucketPolicy"
PUBLIC_ACCESS = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
OWNERSHIP = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
LOGGING = "aws:s3/bucketLogging:BucketLogging"

ZONE_ID = "Z3AQBSTGFYJSTF"
"""Route 53's hosted zone of S3 websites in us-east-1."""
_CLASSES = ("STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "GLACIER_IR", "DEEP_ARCHIVE")


def _name(inputs: Inputs) -> None:
    name = inputs.get("bucket")
    if (
        isinstance(name, str)
        and is_known(name)
        and (".." in name or re.fullmatch(r"[\d.]+", name) or name.startswith("xn--"))
    ):
        raise Refused("InvalidBucketName", f"The specified bucket is not valid: {name}")


def _free(call: Call) -> None:
    """Names are unique among all accounts."""
    name = call.inputs["bucket"]
    if call.account.made_outside("buckets", name):
        raise Refused("BucketAlreadyExists", f"The requested bucket name is not available: {name}")
    if any(other["bucket"] == name for other in call.others(BUCKET)):
        raise Refused("BucketAlreadyOwnedByYou", f"Your previous request to create the named bucket succeeded: {name}")


def _empty(call: Call) -> None:
    """Objects go with it only if that was asked for."""
    assert call.before is not None
    if call.account.made_outside("objects", call.before.id) and not call.before["forceDestroy"]:
        raise Refused("BucketNotEmpty", f"The bucket you tried to delete is not empty: {call.before.id}")
    call.account.outside.get("objects", {}).pop(call.before.id, None)


def _make_bucket(call: Call) -> Made:
    name, region = call.inputs["bucket"], call.account.region
    domains = {
        "bucketDomainName": f"{name}.s3.amazonaws.com",
        "bucketRegionalDomainName": f"{name}.s3.{region}.amazonaws.com",
    }
    return Made(name, {"arn": f"arn:aws:s3:::{name}", "bucketRegion": region, "hostedZoneId": ZONE_ID, **domains})


def _there(call: Call) -> None:
    call.need(BUCKET, call.inputs["bucket"], "NoSuchBucket")


def _single(kind: str) -> Rule:
    """Two of them would overwrite each other at every deployment."""

    def rule(call: Call) -> None:
        if any(other["bucket"] == call.inputs["bucket"] for other in call.others(kind)):
            raise Refused("OperationAborted", f"{call.inputs['bucket']} has another {kind.rsplit(':', 1)[-1]}")

    return rule


def _own_resources(call: Call) -> None:
    document = parse(call.inputs["policy"], "MalformedPolicy")
    bucket = f"arn:aws:s3:::{call.inputs['bucket']}"
    for statement in listed(document["Statement"]):
        if not statement.get("Principal") and not statement.get("NotPrincipal"):
            raise Refused("MalformedPolicy", "Missing required field Principal")
        for resource in listed(statement.get("Resource")):
            if resource != bucket and not str(resource).startswith(f"{bucket}/"):
                raise Refused("MalformedPolicy", f"Policy has invalid resource: {resource}")
    if is_public(document) and _blocks_public(call.account, call.inputs["bucket"]):
        raise Refused(
            "AccessDenied", "because public policies are blocked by the BlockPublicPolicy block public access setting."
        )


def _blocks_public(account: Account, bucket: str) -> bool:
    return any(block["bucket"] == bucket and block["blockPublicPolicy"] for block in account.of(PUBLIC_ACCESS))


def _lifecycle(inputs: Inputs) -> None:
    ids = [rule.get("id") for rule in inputs.get("rules") or []]
    if len(set(ids)) < len(ids):
        raise Refused("InvalidArgument", "Rule ID must be unique.")
    for rule in inputs.get("rules") or []:
        _lifecycle_rule(rule)


def _lifecycle_rule(rule: Inputs) -> None:
    if rule.get("status") not in ("Enabled", "Disabled"):
        raise Refused("MalformedXML", f"status {rule.get('status')!r} is neither Enabled nor Disabled")
    acts = (
        "expiration",
        "transitions",
        "noncurrentVersionExpiration",
        "noncurrentVersionTransitions",
        "abortIncompleteMultipartUpload",
    )
    if not any(rule.get(name) for name in acts):
        raise Refused("InvalidRequest", "At least one action needs to be specified in a rule")
    if (days := (rule.get("expiration") or {}).get("days")) is not None and days < 1:
        raise Refused("InvalidArgument", "'Days' for Expiration action must be a positive integer")
    for transition in rule.get("transitions") or []:
        _transition(transition, (rule.get("expiration") or {}).get("days"))


def _transition(transition: Inputs, expires: int | None) -> None:
    days, into = transition.get("days"), transition["storageClass"]
    if into not in _CLASSES:
        raise Refused("MalformedXML", f"storage class {into} is none of {', '.join(_CLASSES)}")
    if into in ("STANDARD_IA", "ONEZONE_IA") and days is not None and days < 30:
        raise Refused(
            "InvalidArgument",
            f"'Days' in Transition action must be greater than or equal to 30 for storageClass '{into}'",
        )
    if expires is not None and days is not None and expires <= days:
        raise Refused(
            "InvalidArgument", "'Days' in the Expiration action must be greater than 'Days' in the Transition action"
        )


def _versioning(inputs: Inputs) -> None:
    one_of("status", ("Enabled", "Suspended", "Disabled"), "MalformedXML")(inputs.get("versioningConfiguration") or {})


def _algorithm(inputs: Inputs) -> None:
    for rule in inputs.get("rules") or []:
        default = rule.get("applyServerSideEncryptionByDefault") or {}
        one_of("sseAlgorithm", ("AES256", "aws:kms", "aws:kms:dsse"), "MalformedXML")(default)


def _of_bucket(call: Call) -> Made:
    return Made(call.inputs["bucket"])


def encryption(account: Account, bucket: str) -> str:
    """S3 encrypts with its own keys where nothing else is set."""
    for setting in account.of(ENCRYPTION):
        if setting["bucket"] == bucket:
            rules: list[Any] = setting["rules"]
            return str(rules[0]["applyServerSideEncryptionByDefault"]["sseAlgorithm"])
    return "AES256"


def policy(account: Account, bucket: str) -> Inputs | None:
    return next((parse(found["policy"]) for found in account.of(POLICY) if found["bucket"] == bucket), None)


def _setting(token: str, action: str, *checks: Any, rules: tuple[Rule, ...] = ()) -> Kind:
    return Kind(
        token,
        _of_bucket,
        crud("s3", f"Put{action}", read=f"Get{action}", delete=f"Put{action}"),
        frozenset({"bucket"}),
        checks=checks,
        rules=(_there, _single(token), *rules),
    )


KINDS = (
    Kind(
        BUCKET,
        _make_bucket,
        crud("s3", "CreateBucket", read="ListBucket", update="TagResource"),
        frozenset({"bucket", "objectLockEnabled"}),
        named=Named("bucket", 63, r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "InvalidBucketName"),
        checks=(_name,),
        rules=(_free,),
        leaving=(_empty,),
    ),
    _setting(POLICY, "BucketPolicy", rules=(_own_resources,)),
    _setting(PUBLIC_ACCESS, "BucketPublicAccessBlock"),
    _setting(ENCRYPTION, "EncryptionConfiguration", _algorithm),
    _setting(LIFECYCLE, "LifecycleConfiguration", _lifecycle),
    _setting(VERSIONING, "BucketVersioning", _versioning),
    _setting(OWNERSHIP, "BucketOwnershipControls"),
    _setting(LOGGING, "BucketLogging"),
)
