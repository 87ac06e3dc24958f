"""What IAM, KMS, S3, ECR, CloudWatch, SNS and Application Auto Scaling refuse."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from .cloud import Cloud, Environment, allow, environment, trust
from .standin.account import Resource
from .standin.images import Registry
from .standin.refusal import Refused

ROLE, ROLE_POLICY, POLICY = "iam/role:Role", "iam/rolePolicy:RolePolicy", "iam/policy:Policy"
ATTACHMENT, KEY, ALIAS = "iam/rolePolicyAttachment:RolePolicyAttachment", "kms/key:Key", "kms/alias:Alias"
EXECUTION = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"

Wrong = Callable[[Cloud], object]
Row = tuple[str, str, Wrong]


def _role(cloud: Cloud, **more: Any) -> Resource:
    return cloud.make(ROLE, "role", **{"assumeRolePolicy": trust()} | more)


def _may(cloud: Cloud, policy: str, **more: Any) -> Resource:
    return cloud.make(ROLE_POLICY, "may", **{"role": _role(cloud).id, "policy": policy} | more)


def _document(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _with_policy(cloud: Cloud) -> None:
    role = _role(cloud)
    cloud.make(ROLE_POLICY, role=role.id, policy=allow("s3:GetObject"))
    cloud.remove(role)


def _with_attachment(cloud: Cloud) -> None:
    role = _role(cloud)
    cloud.make(ATTACHMENT, role=role.id, policyArn=EXECUTION)
    cloud.remove(role)


MALFORMED = "MalformedPolicyDocument"
IAM: list[Row] = [
    ("a role's name too long", "ValidationError", lambda c: _role(c, name="x" * 65)),
    ("a role's name with a slash", "ValidationError", lambda c: _role(c, name="a/b")),
    ("a role twice", "EntityAlreadyExists", lambda c: [_role(c, name="x") for _ in "ab"]),
    ("trust in nobody", MALFORMED, lambda c: _role(c, assumeRolePolicy=allow("sts:AssumeRole"))),
    ("trust with a resource", MALFORMED, lambda c: _role(c, assumeRolePolicy=_trusting(Resource="*"))),
    ("no statement", MALFORMED, lambda c: _role(c, assumeRolePolicy='{"Version": "2012-10-17", "Statement": []}')),
    ("no JSON", MALFORMED, lambda c: _may(c, "{")),
    ("a version that is none", MALFORMED, lambda c: _may(c, allow("s3:GetObject").replace("2012", "2013"))),
    ("an effect that is none", MALFORMED, lambda c: _may(c, _document(Effect="Permit", Action="s3:*", Resource="*"))),
    ("no action", MALFORMED, lambda c: _may(c, _document(Effect="Allow", Resource="*"))),
    ("an action without service", MALFORMED, lambda c: _may(c, allow("GetObject"))),
    ("a resource that is no ARN", MALFORMED, lambda c: _may(c, allow("s3:GetObject", resource="mine/*"))),
    ("no resource", MALFORMED, lambda c: _may(c, _document(Effect="Allow", Action="s3:*"))),
    ("a principal in an identity's policy", MALFORMED, lambda c: _may(c, allow("s3:GetObject", Principal="*"))),
    ("a property that is none", MALFORMED, lambda c: _may(c, allow("s3:GetObject", Conditions={}))),
    ("a policy too long", "LimitExceeded", lambda c: _may(c, allow(*["s3:GetObject"] * 900))),
    ("a policy of no role", "NoSuchEntity", lambda c: _may(c, allow("s3:GetObject"), role="gone")),
    (
        "a managed policy that is not there",
        "NoSuchEntity",
        lambda c: c.make(ATTACHMENT, role=_role(c).id, policyArn="arn:aws:iam::aws:policy/Nothing"),
    ),
    ("a session of a day", "ValidationError", lambda c: _role(c, maxSessionDuration=86400)),
    ("a role with policies", "DeleteConflict", _with_policy),
    ("a role with managed policies", "DeleteConflict", _with_attachment),
    ("a policy twice", "EntityAlreadyExists", lambda c: [c.make(POLICY, name="x", policy=allow("s3:*")) for _ in "ab"]),
    ("a policy of its own that is none", MALFORMED, lambda c: c.make(POLICY, name="x", policy="{")),
    ("a key gone within a day", "ValidationException", lambda c: c.make(KEY, deletionWindowInDays=1)),
    ("a key with a broken policy", "MalformedPolicyDocumentException", lambda c: c.make(KEY, policy="{}")),
    (
        "a reserved alias",
        "InvalidAliasNameException",
        lambda c: c.make(ALIAS, name="alias/aws/s3", targetKeyId=c.make(KEY).id),
    ),
    ("an alias of nothing", "NotFoundException", lambda c: c.make(ALIAS, name="alias/x", targetKeyId="gone")),
    (
        "an alias twice",
        "AlreadyExistsException",
        lambda c: [c.make(ALIAS, name="alias/x", targetKeyId=c.make(KEY).id) for _ in "ab"],
    ),
]


def _trusting(**more: Any) -> str:
    document = json.loads(trust())
    document["Statement"][0] |= more
    return json.dumps(document)


BUCKET, BUCKET_POLICY = "s3/bucket:Bucket", "s3/bucketPolicy:BucketPolicy"
BLOCK, LIFECYCLE = (
    "s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
)
ENCRYPTION = "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
VERSIONING = "s3/bucketVersioning:BucketVersioning"
DAY = {"id": "a", "status": "Enabled", "expiration": {"days": 1}}
SETTINGS: dict[str, dict[str, Any]] = {
    BUCKET_POLICY: {"policy": allow("s3:GetObject", resource="arn:aws:s3:::mine/*", Principal={"AWS": "123456789012"})},
    BLOCK: {},
    ENCRYPTION: {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]},
    LIFECYCLE: {"rules": [DAY]},
    VERSIONING: {"versioningConfiguration": {"status": "Enabled"}},
    "s3/bucketOwnershipControls:BucketOwnershipControls": {"rule": {"objectOwnership": "BucketOwnerEnforced"}},
    "s3/bucketLogging:BucketLogging": {"targetBucket": "logs", "targetPrefix": "a/"},
}
"""What a bucket can have set, each once."""


def _set(setting: str, cloud: Cloud, *, times: int) -> None:
    for number in range(times):
        cloud.make(setting, f"s{number}", bucket="mine", **SETTINGS[setting])


def _set_twice(setting: str, cloud: Cloud) -> None:
    _bucket(cloud)
    _set(setting, cloud, times=2)


def _bucket(cloud: Cloud, name: str = "mine") -> Resource:
    return cloud.make(BUCKET, bucket=name)


def _foreign(cloud: Cloud) -> None:
    cloud.outside("buckets", "theirs", "somebody else's")
    _bucket(cloud, "theirs")


def _full(cloud: Cloud) -> None:
    cloud.outside("objects", "mine", 3)
    cloud.remove(_bucket(cloud))


def _public(cloud: Cloud) -> None:
    cloud.make(BLOCK, bucket=_bucket(cloud).id, blockPublicPolicy=True)
    _open(cloud, allow("s3:GetObject", resource="arn:aws:s3:::mine/*", Principal="*"))


def _open(cloud: Cloud, policy: str) -> None:
    cloud.make(BUCKET_POLICY, bucket="mine", policy=policy)


def _expire(cloud: Cloud, **rule: Any) -> None:
    cloud.make(LIFECYCLE, bucket=_bucket(cloud).id, rules=[{"id": "a", "status": "Enabled"} | rule])


def _two_rules(cloud: Cloud) -> None:
    cloud.make(LIFECYCLE, bucket=_bucket(cloud).id, rules=[DAY, DAY])


S3: list[Row] = [
    ("capitals", "InvalidBucketName", lambda c: _bucket(c, "Mine")),
    ("two dots", "InvalidBucketName", lambda c: _bucket(c, "my..bucket")),
    ("an address", "InvalidBucketName", lambda c: _bucket(c, "192.168.0.1")),
    ("a name too long", "InvalidBucketName", lambda c: _bucket(c, "x" * 64)),
    ("somebody else's name", "BucketAlreadyExists", _foreign),
    ("a name twice", "BucketAlreadyOwnedByYou", lambda c: [_bucket(c) for _ in "ab"]),
    ("a bucket with objects", "BucketNotEmpty", _full),
    *(
        (f"{setting.partition(':')[2]} of no bucket", "NoSuchBucket", partial(_set, setting, times=1))
        for setting in SETTINGS
    ),
    *((f"{setting.partition(':')[2]} twice", "OperationAborted", partial(_set_twice, setting)) for setting in SETTINGS),
    (
        "a policy on another bucket",
        "MalformedPolicy",
        lambda c: (_bucket(c), _open(c, allow("s3:*", resource="arn:aws:s3:::other/*", Principal="*"))),
    ),
    (
        "a policy for nobody",
        "MalformedPolicy",
        lambda c: (_bucket(c), _open(c, allow("s3:*", resource="arn:aws:s3:::mine/*"))),
    ),
    ("everybody, where that is blocked", "AccessDenied", _public),
    ("a status that is none", "MalformedXML", lambda c: _expire(c, status="On", expiration={"days": 1})),
    ("a rule that does nothing", "InvalidRequest", _expire),
    ("no day", "InvalidArgument", lambda c: _expire(c, expiration={"days": 0})),
    ("a rule's name twice", "InvalidArgument", _two_rules),
    (
        "rarely read too early",
        "InvalidArgument",
        lambda c: _expire(c, transitions=[{"days": 7, "storageClass": "STANDARD_IA"}]),
    ),
    ("a class that is none", "MalformedXML", lambda c: _expire(c, transitions=[{"days": 40, "storageClass": "COLD"}])),
    (
        "gone before it moves",
        "InvalidArgument",
        lambda c: _expire(c, transitions=[{"days": 40, "storageClass": "GLACIER"}], expiration={"days": 30}),
    ),
    (
        "an algorithm that is none",
        "MalformedXML",
        lambda c: c.make(
            ENCRYPTION,
            bucket=_bucket(c).id,
            rules=[{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES-256"}}],
        ),
    ),
    (
        "versions on",
        "MalformedXML",
        lambda c: c.make(VERSIONING, bucket=_bucket(c).id, versioningConfiguration={"status": "On"}),
    ),
]

REPOSITORY, IMAGES = "ecr/repository:Repository", "ecr/lifecyclePolicy:LifecyclePolicy"
SHARED = "ecr/repositoryPolicy:RepositoryPolicy"


def _repository(cloud: Cloud) -> str:
    return cloud.make(REPOSITORY, name="mine").id


@dataclass(frozen=True)
class OneImage(Registry):
    """Has one in every repository."""

    def tags(self, repository: str) -> dict[str, str]:
        return {"build-1": f"sha256:{'0' * 64}"}


def _with_images(cloud: Cloud) -> None:
    cloud.work.registry = OneImage("registry.invalid")
    cloud.remove(cloud.make(REPOSITORY, name="mine"))


def _images(cloud: Cloud, *rules: dict[str, Any]) -> None:
    full = [{"rulePriority": number + 1, "action": {"type": "expire"}, **rule} for number, rule in enumerate(rules)]
    cloud.make(IMAGES, repository=_repository(cloud), policy=json.dumps({"rules": full}))


def _newest(status: str = "any", **more: Any) -> dict[str, Any]:
    return {"selection": {"tagStatus": status, "countType": "imageCountMoreThan", "countNumber": 5} | more}


WRONG = "InvalidParameterException"
ECR: list[Row] = [
    ("capitals", WRONG, lambda c: c.make(REPOSITORY, name="Mine")),
    ("a name twice", "RepositoryAlreadyExistsException", lambda c: [c.make(REPOSITORY, name="x") for _ in "ab"]),
    ("exclusions from nothing", WRONG, lambda c: c.make(REPOSITORY, imageTagMutability="IMMUTABLE_WITH_EXCLUSION")),
    ("a mutability that is none", WRONG, lambda c: c.make(REPOSITORY, imageTagMutability="FIXED")),
    (
        "six exclusions",
        WRONG,
        lambda c: c.make(
            REPOSITORY,
            imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
            imageTagMutabilityExclusionFilters=[{"filter": f"{name}*", "filterType": "WILDCARD"} for name in "abcdef"],
        ),
    ),
    ("rules that are no JSON", WRONG, lambda c: c.make(IMAGES, repository=_repository(c), policy="[")),
    ("no number of images", WRONG, lambda c: _images(c, _newest(countNumber=None))),
    ("a policy that is none", WRONG, lambda c: c.make(SHARED, repository=_repository(c), policy="{}")),
    (
        "a policy for nothing",
        "RepositoryNotFoundException",
        lambda c: c.make(SHARED, repository="gone", policy=allow("ecr:BatchGetImage", Principal="*")),
    ),
    ("a repository with images", "RepositoryNotEmptyException", _with_images),
    ("no rules", WRONG, _images),
    ("a priority twice", WRONG, lambda c: _images(c, _newest() | {"rulePriority": 1}, _newest() | {"rulePriority": 1})),
    ("any before others", WRONG, lambda c: _images(c, _newest(), _newest("untagged"))),
    ("tags without list", WRONG, lambda c: _images(c, _newest("tagged"))),
    ("a list without tags", WRONG, lambda c: _images(c, _newest("untagged", tagPrefixList=["a"]))),
    ("days without unit", WRONG, lambda c: _images(c, _newest(countType="sinceImagePushed"))),
    ("a status that is none", WRONG, lambda c: _images(c, _newest("old"))),
    ("an action that is none", WRONG, lambda c: _images(c, _newest() | {"action": {"type": "delete"}})),
    (
        "rules for nothing",
        "RepositoryNotFoundException",
        lambda c: c.make(
            IMAGES,
            repository="gone",
            policy=json.dumps({"rules": [{"rulePriority": 1, "action": {"type": "expire"}, **_newest()}]}),
        ),
    ),
]

LOGS, ALARM, TOPIC = "cloudwatch/logGroup:LogGroup", "cloudwatch/metricAlarm:MetricAlarm", "sns/topic:Topic"
DASHBOARD, COMPOSITE = "cloudwatch/dashboard:Dashboard", "cloudwatch/compositeAlarm:CompositeAlarm"
FILTER, SUBSCRIPTION = "cloudwatch/logMetricFilter:LogMetricFilter", "sns/topicSubscription:TopicSubscription"


def _alarm(cloud: Cloud, **more: Any) -> Resource:
    given = {
        "comparisonOperator": "GreaterThanThreshold",
        "evaluationPeriods": 1,
        "threshold": 1,
        "metricName": "Errors",
        "namespace": "App",
        "statistic": "Sum",
        "period": 60,
    }
    return cloud.make(ALARM, **given | more)


def _query(identity: str, *, result: bool) -> dict[str, Any]:
    metric = {"metricName": "m", "namespace": "n", "period": 60, "stat": "Sum"}
    return {"id": identity, "returnData": result, "metric": metric}


def _show(cloud: Cloud, **widget: Any) -> Resource:
    full = {"type": "metric", "properties": {"region": "us-east-1", "metrics": []}} | widget
    return cloud.make(DASHBOARD, dashboardName="mine", dashboardBody=json.dumps({"widgets": [full]}))


def _subscribe(cloud: Cloud, **more: Any) -> Resource:
    given = {"protocol": "email", "endpoint": "me@example.org"}
    return cloud.make(SUBSCRIPTION, **{"topic": cloud.make(TOPIC).arn} | given | more)


def _combined(cloud: Cloud, **more: Any) -> Resource:
    _alarm(cloud, name="one")
    return cloud.make(COMPOSITE, alarmName="all", alarmRule="ALARM(one)", **more)


def _publish(cloud: Cloud, topic: str, policy: str) -> Resource:
    return cloud.make("sns/topicPolicy:TopicPolicy", arn=topic, policy=policy)


def _grouped_outside(cloud: Cloud) -> None:
    cloud.outside("log_groups", "/app", "made by hand")
    cloud.make(LOGS, name="/app")


INVALID = "ValidationError"
TELEMETRY: list[Row] = [
    ("six days", WRONG, lambda c: c.make(LOGS, retentionInDays=6)),
    ("a name with a space", WRONG, lambda c: c.make(LOGS, name="my logs")),
    ("a name twice", "ResourceAlreadyExistsException", lambda c: [c.make(LOGS, name="/x") for _ in "ab"]),
    ("a group that somebody made", "ResourceAlreadyExistsException", _grouped_outside),
    (
        "a filter of no group",
        "ResourceNotFoundException",
        lambda c: c.make(
            FILTER, logGroupName="/gone", pattern="", metricTransformation={"name": "a", "namespace": "b", "value": "1"}
        ),
    ),
    ("no metric", INVALID, lambda c: _alarm(c, metricName=None)),
    ("a metric and a formula", INVALID, lambda c: _alarm(c, metricQueries=[_query("a", result=True)])),
    (
        "two results",
        INVALID,
        lambda c: _alarm(c, metricName=None, metricQueries=[_query(name, result=True) for name in "ab"]),
    ),
    ("no result", INVALID, lambda c: _alarm(c, metricName=None, metricQueries=[_query("a", result=False)])),
    ("no statistic", "MissingParameter", lambda c: _alarm(c, statistic=None)),
    ("a statistic that is none", INVALID, lambda c: _alarm(c, statistic="p99")),
    ("a comparison that is none", INVALID, lambda c: _alarm(c, comparisonOperator="GreaterThan")),
    ("ninety seconds", INVALID, lambda c: _alarm(c, period=90)),
    ("more than a day", INVALID, lambda c: _alarm(c, period=900, evaluationPeriods=97)),
    ("no period", INVALID, lambda c: _alarm(c, evaluationPeriods=0)),
    ("a rule that tells nobody", INVALID, lambda c: _combined(c, alarmActions=["arn:aws:s3:::mine"])),
    ("more points than periods", INVALID, lambda c: _alarm(c, datapointsToAlarm=2)),
    ("what is missing, misspelt", INVALID, lambda c: _alarm(c, treatMissingData="notbreaching")),
    ("telling nobody", INVALID, lambda c: _alarm(c, alarmActions=["arn:aws:sns:us-east-1:123456789012:gone"])),
    ("telling what can't be told", INVALID, lambda c: _alarm(c, alarmActions=["arn:aws:s3:::mine"])),
    ("a rule about no alarm", INVALID, lambda c: c.make(COMPOSITE, alarmName="all", alarmRule="ALARM(gone)")),
    (
        "a dashboard that is no JSON",
        "InvalidParameterInput",
        lambda c: c.make(DASHBOARD, dashboardName="a", dashboardBody="{"),
    ),
    (
        "a dashboard with a dot",
        "InvalidParameterInput",
        lambda c: c.make(DASHBOARD, dashboardName="a.b", dashboardBody="{}"),
    ),
    ("a widget that is none", "InvalidParameterInput", lambda c: _show(c, type="graph")),
    ("a widget of no region", "InvalidParameterInput", lambda c: _show(c, properties={"metrics": []})),
    ("a widget too wide", "InvalidParameterInput", lambda c: _show(c, width=25)),
    ("a widget of nothing", "InvalidParameterInput", lambda c: _show(c, properties=None)),
    ("a topic's policy that is none", "InvalidParameter", lambda c: _publish(c, c.make(TOPIC).arn, "{}")),
    (
        "a policy of no topic",
        "NotFound",
        lambda c: _publish(c, "arn:aws:sns:us-east-1:123456789012:gone", allow("sns:Publish", Principal="*")),
    ),
    ("by pigeon", "InvalidParameter", lambda c: _subscribe(c, protocol="pigeon")),
    ("a topic with a slash", "InvalidParameter", lambda c: c.make(TOPIC, name="a/b")),
    ("a topic twice", "TopicAlreadyExists", lambda c: [c.make(TOPIC, name="a") for _ in "ab"]),
    ("mail to no address", "InvalidParameter", lambda c: _subscribe(c, endpoint="me")),
    ("hearing of no topic", "NotFound", lambda c: _subscribe(c, topic="arn:aws:sns:us-east-1:123456789012:gone")),
]

TARGET, SCALING = "appautoscaling/target:Target", "appautoscaling/policy:Policy"
SCHEDULED = "appautoscaling/scheduledAction:ScheduledAction"
DIMENSION = {"scalableDimension": "ecs:service:DesiredCount", "serviceNamespace": "ecs"}


class Scaled:
    """A service that can be scaled."""

    def __init__(self, cloud: Cloud, env: Environment) -> None:
        self.cloud, self.env = cloud, env
        service = cloud.make("ecs/service:Service", "app", **env.service)
        self.resource = f"service/{env.cluster['name']}/{service['name']}"

    def target(self, **more: Any) -> Resource:
        given = {"resourceId": self.resource, "minCapacity": 1, "maxCapacity": 4, **DIMENSION}
        return self.cloud.make(TARGET, **given | more)

    def policy(self, tracking: dict[str, Any] | None, **more: Any) -> Resource:
        self.target()
        given = {"resourceId": self.resource, "policyType": "TargetTrackingScaling", **DIMENSION}
        if tracking is not None:
            given["targetTrackingScalingPolicyConfiguration"] = {"targetValue": 10, **tracking}
        return self.cloud.make(SCALING, **given | more)

    def schedule(self, **more: Any) -> Resource:
        given = {"resourceId": self.resource, "schedule": "rate(1 day)", "scalableTargetAction": {}, **DIMENSION}
        return self.cloud.make(SCHEDULED, **given | more)

    def measured(self, *metrics: dict[str, Any]) -> Resource:
        return self.policy({"customizedMetricSpecification": {"metrics": list(metrics)}})

    def per_request(self, label: str) -> Resource:
        kind = {"predefinedMetricType": "ALBRequestCountPerTarget", "resourceLabel": label}
        return self.policy({"predefinedMetricSpecification": kind})


def _figure(identity: str, *, result: bool, namespace: str = "App") -> dict[str, Any]:
    metric = {"metricName": "Sessions", "namespace": namespace}
    return {"id": identity, "returnData": result, "metricStat": {"metric": metric, "stat": "Sum"}}


CPU = {"predefinedMetricSpecification": {"predefinedMetricType": "ECSServiceAverageCPUUtilization"}}
REFUSED = "ValidationException"
SCALES: list[tuple[str, str, Callable[[Scaled], object]]] = [
    ("more at least than at most", REFUSED, lambda s: s.target(minCapacity=5)),
    ("a resource that is an ARN", REFUSED, lambda s: s.target(resourceId=s.env.cluster.arn)),
    ("a service that is not there", REFUSED, lambda s: s.target(resourceId="service/gone/gone")),
    (
        "a policy of no target",
        "ObjectNotFoundException",
        lambda s: s.cloud.make(
            SCALING,
            resourceId=s.resource,
            policyType="TargetTrackingScaling",
            targetTrackingScalingPolicyConfiguration={"targetValue": 1, **CPU},
            **DIMENSION,
        ),
    ),
    ("a policy for an ARN", REFUSED, lambda s: s.policy(CPU, resourceId=s.env.cluster.arn)),
    (
        "a measure without name",
        REFUSED,
        lambda s: s.policy({"customizedMetricSpecification": {"namespace": "App", "statistic": "Sum"}}),
    ),
    ("a schedule for an ARN", REFUSED, lambda s: s.schedule(resourceId=s.env.cluster.arn)),
    ("a schedule of no target", "ObjectNotFoundException", lambda s: s.schedule()),
    ("a policy without configuration", REFUSED, lambda s: s.policy(None)),
    ("no measure", REFUSED, lambda s: s.policy({})),
    ("two measures", REFUSED, lambda s: s.policy(CPU | {"customizedMetricSpecification": {"metricName": "a"}})),
    ("two results", REFUSED, lambda s: s.measured(*(_figure(name, result=True) for name in "ab"))),
    ("no result", REFUSED, lambda s: s.measured(_figure("a", result=False))),
    (
        "insights that are off",
        REFUSED,
        lambda s: s.measured(_figure("a", result=True, namespace="ECS/ContainerInsights")),
    ),
    (
        "a measure that is none",
        REFUSED,
        lambda s: s.policy({"predefinedMetricSpecification": {"predefinedMetricType": "CPU"}}),
    ),
    ("requests of nobody", REFUSED, lambda s: s.per_request("app/x/1/targetgroup/y/2")),
    ("a schedule that is none", REFUSED, lambda s: (s.target(), s.schedule(schedule="every night"))),
]

TAGGED: list[tuple[str, str, str, dict[str, str]]] = [
    (BUCKET, "InvalidTag", "a reserved key", {"aws:name": "x"}),
    (BUCKET, "InvalidTag", "a key without characters", {"": "x"}),
    (BUCKET, "InvalidTag", "a key too long", {"k" * 129: "x"}),
    (BUCKET, "InvalidTag", "a value too long", {"k": "v" * 257}),
    (BUCKET, "InvalidTag", "a comma in a value", {"k": "a, b"}),
    (ROLE, "ValidationError", "a bracket in a value", {"k": "(a)"}),
    (TOPIC, "TagLimitExceeded", "fifty-one", {f"k{number}": "x" for number in range(51)}),
    ("ec2/vpc:Vpc", "InvalidParameterValue", "a reserved key", {"AWS:name": "x"}),
]
NEEDED: dict[str, dict[str, Any]] = {ROLE: {"assumeRolePolicy": trust()}, "ec2/vpc:Vpc": {"cidrBlock": "10.0.0.0/16"}}
"""To be made at all."""


def _tagged(kind: str, tags: dict[str, str], cloud: Cloud) -> Resource:
    return cloud.make(kind, tags=tags, **NEEDED.get(kind, {}))


TAGS: list[Row] = [(f"{what} of {kind}", code, partial(_tagged, kind, tags)) for kind, code, what, tags in TAGGED]

ROWS = [
    (f"{service}: {name}", code, wrong)
    for service, rows in (("IAM", IAM), ("S3", S3), ("ECR", ECR), ("CloudWatch", TELEMETRY), ("tags", TAGS))
    for name, code, wrong in rows
]


@pytest.mark.parametrize(("code", "wrong"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_refuses(tmp_path: Path, code: str, wrong: Wrong) -> None:
    cloud = Cloud.at(tmp_path)
    with pytest.raises(Refused) as refused:
        wrong(cloud)
    assert refused.value.code == code, refused.value.message


@pytest.mark.parametrize(("code", "wrong"), [row[1:] for row in SCALES], ids=[row[0] for row in SCALES])
def test_refuses_scaling(tmp_path: Path, code: str, wrong: Callable[[Scaled], object]) -> None:
    cloud = Cloud.at(tmp_path)
    scaled = Scaled(cloud, environment(cloud))
    with pytest.raises(Refused) as refused:
        wrong(scaled)
    assert refused.value.code == code, refused.value.message


def test_what_is_right_is_made(tmp_path: Path) -> None:
    cloud = Cloud.at(tmp_path)
    scaled = Scaled(cloud, environment(cloud))
    scaled.measured(_figure("a", result=False), _figure("b", result=True))
    topic = cloud.make(TOPIC, "alarms")
    _alarm(cloud, alarmActions=[topic.arn])
    _show(cloud)
    _subscribe(cloud)
    _images(cloud, _newest("tagged", tagPrefixList=["a"]), _newest())
    cloud.make(ATTACHMENT, role=_role(cloud).id, policyArn=EXECUTION)
    _expire(cloud, transitions=[{"days": 40, "storageClass": "GLACIER"}], expiration={"days": 90})
    _tagged("ec2/vpc:Vpc", {"name": "any (of EC2's), even these"}, cloud)


def test_requests_are_counted_for_a_group_behind_a_balancer(tmp_path: Path) -> None:
    cloud = Cloud.at(tmp_path)
    env = environment(cloud)
    label = f"{env.front.balancer['arnSuffix']}/{env.target_group['arnSuffix']}"
    assert Scaled(cloud, env).per_request(label).arn.startswith("arn:aws:autoscaling:")


def test_a_bucket_that_may_lose_its_objects_does(tmp_path: Path) -> None:
    cloud = Cloud.at(tmp_path)
    bucket = cloud.make(BUCKET, bucket="mine", forceDestroy=True)
    cloud.outside("objects", "mine", 3)
    cloud.remove(bucket)
    with cloud.work.ledger.open() as account:
        assert account.outside["objects"] == {}
