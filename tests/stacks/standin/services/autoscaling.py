"""Application Auto Scaling, of ECS services."""

import re
import uuid

from ..account import Resource
from ..kinds import Call, Kind, Made, Named, crud, one_of
from ..refusal import Refused
from ..wire import Inputs, is_known
from . import elb, telemetry

TARGET = "aws:appautoscaling/target:Target"
POLICY = "aws:appautoscaling/policy:Policy"
SCHEDULED = "aws:appautoscaling/scheduledAction:ScheduledAction"
SERVICE = "aws:ecs/service:Service"
CLUSTER = "aws:ecs/cluster:Cluster"

_PREDEFINED = ("ECSServiceAverageCPUUtilization", "ECSServiceAverageMemoryUtilization", "ALBRequestCountPerTarget")
_RESOURCE = re.compile(r"service/([\w-]+)/([\w-]+)")
_SCHEDULE = re.compile(r"cron\((?:\S+ ){5}\S+\)|rate\(\d+ \w+\)|at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\)")


def _capacity(inputs: Inputs) -> None:
    lowest, highest = inputs["minCapacity"], inputs["maxCapacity"]
    if is_known([lowest, highest]) and not 0 <= lowest <= highest:
        raise Refused("ValidationException", "Maximum capacity cannot be less than minimum capacity")


def _form(inputs: Inputs) -> None:
    resource = inputs["resourceId"]
    if is_known(resource) and inputs.get("serviceNamespace") == "ecs" and not _RESOURCE.fullmatch(resource):
        raise Refused(
            "ValidationException", f"Unsupported service namespace, resource type or scalable dimension: {resource}"
        )


def _service(call: Call) -> Resource:
    found = _RESOURCE.fullmatch(call.inputs["resourceId"])
    assert found is not None
    cluster, name = found.groups()
    for service in call.account.of(SERVICE):
        if service["name"] == name and str(service["cluster"]).rsplit("/", 1)[-1] == cluster:
            return service
    raise Refused("ValidationException", f"ECS service doesn't exist: {call.inputs['resourceId']}")


def _service_exists(call: Call) -> None:
    _service(call)


def _registered(call: Call) -> None:
    keys = ("resourceId", "scalableDimension", "serviceNamespace")
    if not any(
        [target[key] for key in keys] == [call.inputs[key] for key in keys] for target in call.account.of(TARGET)
    ):
        raise Refused(
            "ObjectNotFoundException",
            f"No scalable target registered for namespace: ecs, resource ID: {call.inputs['resourceId']}",
        )


def _tracking(inputs: Inputs) -> None:
    tracking = inputs.get("targetTrackingScalingPolicyConfiguration")
    if inputs.get("policyType") == "TargetTrackingScaling" and not tracking:
        raise Refused("ValidationException", "TargetTrackingScaling policies need their configuration")
    if not tracking:
        return
    custom, predefined = tracking.get("customizedMetricSpecification"), tracking.get("predefinedMetricSpecification")
    if bool(custom) == bool(predefined):
        raise Refused(
            "ValidationException", "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification"
        )
    if predefined:
        one_of("predefinedMetricType", _PREDEFINED, "ValidationException")(predefined)
    if custom and custom.get("metrics") and telemetry.returned(custom["metrics"]) != 1:
        raise Refused("ValidationException", "Exactly one metric must have ReturnData set to true")
    if custom and not custom.get("metrics") and not custom.get("metricName"):
        raise Refused("ValidationException", "A customized metric needs a name or metrics")


def _label(call: Call) -> None:
    """Requests per target are counted for a group that this very balancer forwards to."""
    tracking = call.inputs.get("targetTrackingScalingPolicyConfiguration") or {}
    predefined = tracking.get("predefinedMetricSpecification") or {}
    if predefined.get("predefinedMetricType") != "ALBRequestCountPerTarget":
        return
    label = str(predefined.get("resourceLabel"))
    for group in call.account.of(elb.TARGET_GROUP):
        for balancer in elb.balancers_of(call.account, group.arn):
            if label == f"{elb.suffix(balancer.arn)}/{elb.suffix(group.arn)}":
                return
    raise Refused("ValidationException", f"The resource label is invalid: {label}")


def _insights(call: Call) -> None:
    """Metrics of Container Insights are there only where the cluster has it switched on."""
    tracking = call.inputs.get("targetTrackingScalingPolicyConfiguration") or {}
    metrics = (tracking.get("customizedMetricSpecification") or {}).get("metrics") or []
    used = any(
        ((item.get("metricStat") or {}).get("metric") or {}).get("namespace") == "ECS/ContainerInsights"
        for item in metrics
    )
    cluster = call.account.find(CLUSTER, str(_service(call)["cluster"]))
    settings = {item["name"]: item["value"] for item in (cluster["settings"] or [])} if cluster else {}
    if used and settings.get("containerInsights") not in ("enabled", "enhanced"):
        raise Refused(
            "ValidationException", "ECS/ContainerInsights has no metrics: the cluster's containerInsights is disabled"
        )


def _schedule(inputs: Inputs) -> None:
    if is_known(inputs["schedule"]) and not _SCHEDULE.fullmatch(inputs["schedule"]):
        raise Refused("ValidationException", f"Invalid schedule: {inputs['schedule']}")


def _make_target(call: Call) -> Made:
    arn = call.account.arn("application-autoscaling", f"scalable-target/0ec5{uuid.uuid4().hex[:28]}")
    return Made(call.inputs["resourceId"], {"arn": arn})


def _make_policy(call: Call) -> Made:
    name, resource = call.inputs["name"], call.inputs["resourceId"]
    arn = call.account.arn("autoscaling", f"scalingPolicy:{uuid.uuid4()}:resource/ecs/{resource}:policyName/{name}")
    return Made(name, {"arn": arn, "alarmArns": []})


def _make_scheduled(call: Call) -> Made:
    name, resource = call.inputs["name"], call.inputs["resourceId"]
    arn = call.account.arn(
        "autoscaling", f"scheduledAction:{uuid.uuid4()}:resource/ecs/{resource}:scheduledActionName/{name}"
    )
    return Made(f"{name}-{call.inputs['serviceNamespace']}-{resource}", {"arn": arn})


_OF = frozenset({"resourceId", "scalableDimension", "serviceNamespace"})

KINDS = (
    Kind(
        TARGET,
        _make_target,
        crud(
            "application-autoscaling",
            "RegisterScalableTarget",
            read="DescribeScalableTargets",
            delete="DeregisterScalableTarget",
        ),
        _OF,
        checks=(_capacity, _form),
        rules=(_service_exists,),
    ),
    Kind(
        POLICY,
        _make_policy,
        crud(
            "application-autoscaling", "PutScalingPolicy", read="DescribeScalingPolicies", delete="DeleteScalingPolicy"
        ),
        _OF | {"name"},
        named=Named(longest=256),
        checks=(_form, _tracking),
        rules=(_registered, _label, _insights),
    ),
    Kind(
        SCHEDULED,
        _make_scheduled,
        crud(
            "application-autoscaling",
            "PutScheduledAction",
            read="DescribeScheduledActions",
            delete="DeleteScheduledAction",
        ),
        _OF | {"name"},
        named=Named(longest=256),
        checks=(_form, _schedule),
        rules=(_registered,),
    ),
)
